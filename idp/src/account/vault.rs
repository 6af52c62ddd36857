//! What is sealed with an account's own key.

use store::idp::Account;
use store::sealing::{Field, SealingError, SubjectKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AccountError, in_token};
use crate::app::App;

/// Opens the key of an account.
pub(crate) async fn open_key(app: &App, account: &Account) -> Result<SubjectKey, AccountError> {
    let (sealer, id, wrapped) = (app.sealer.clone(), account.id, account.wrapped_key.clone());
    in_token(app, move || sealer.open_subject_key(id, &wrapped)).await
}

/// Makes the key of a new account; returns it with its wrapped form.
pub(super) async fn new_key(
    app: &App,
    account: Uuid,
) -> Result<(SubjectKey, Vec<u8>), AccountError> {
    let (sealer, random) = (app.sealer.clone(), app.sources.random::<32>());
    in_token(app, move || sealer.new_subject_key(account, random)).await
}

/// Seals one column of one row.
pub(crate) fn seal(
    app: &App,
    key: &SubjectKey,
    table: &str,
    column: &str,
    row: &str,
    plain: &[u8],
) -> Result<Vec<u8>, SealingError> {
    key.seal(
        &Field { table, column, row },
        plain,
        app.sources.random::<12>(),
    )
}

/// Opens one column of one row.
pub(crate) fn open(
    key: &SubjectKey,
    table: &str,
    column: &str,
    row: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealingError> {
    key.open(&Field { table, column, row }, sealed)
}
