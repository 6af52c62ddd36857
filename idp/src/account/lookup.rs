//! Keyed hashes by which accounts and codes are found.

use domain::account::Identifier;

use super::{AccountError, in_token};
use crate::app::App;

/// The hash of an address or number.
pub(super) async fn identifier_index(
    app: &App,
    identifier: &Identifier,
) -> Result<[u8; 32], AccountError> {
    keyed(
        app,
        identifier.kind().as_str(),
        identifier.normalised().to_owned(),
    )
    .await
}

/// The hash of a value of some kind, computed in the token.
pub(super) async fn keyed(
    app: &App,
    kind: &'static str,
    value: String,
) -> Result<[u8; 32], AccountError> {
    let sealer = app.sealer.clone();
    in_token(app, move || sealer.blind_index(kind, &value)).await
}

/// The hash of a recovery code of an account.
pub(super) async fn recovery_hash(
    app: &App,
    account: uuid::Uuid,
    normal: &str,
) -> Result<[u8; 32], AccountError> {
    keyed(app, "recovery-code", format!("{account}/{normal}")).await
}
