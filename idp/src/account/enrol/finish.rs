//! The last step of an enrolment: everything chosen begins to count in one write, and the holder is signed in.

use actix_web::{HttpRequest, HttpResponse};
use domain::account::state::AccountAct;
use domain::account::{AccountState, SignInMethod, code};
use domain::audit::{Actor, action};
use store::idp::{AuthenticatorApp, PasskeyRow, RecoveryCode};
use store::{StoreError, Writer};

use super::{Current, Progress, Purpose};
use crate::account::ceremony::is_backup_eligible;
use crate::account::cookies::Jar;
use crate::account::session::NewSession;
use crate::account::verifier::{APP_COLUMN, APP_TABLE};
use crate::account::{AccountError, lookup, notices, sign_in, throttle, vault};
use crate::app::App;
use crate::page::see_other;

/// The rows that an enrolment comes to.
struct Rows {
    passkey: Option<PasskeyRow>,
    password: Option<String>,
    app: Option<AuthenticatorApp>,
    recovery: Vec<RecoveryCode>,
}

pub(super) async fn finish(
    request: &HttpRequest,
    app: &App,
    current: Current,
) -> Result<HttpResponse, AccountError> {
    let rows = rows(app, &current).await?;
    let method = match &rows.passkey {
        Some(passkey) => SignInMethod::Passkey {
            backup_eligible: passkey.backup_eligible == 1,
        },
        None => SignInMethod::PasswordAndApp,
    };
    let session = NewSession::prepare(app, request, &current.account, method)?;
    let cookie = session.cookie();
    let mut event = session.event(
        app,
        Actor::Person {
            id: current.account.subject,
        },
    );
    event.action = match current.purpose {
        Purpose::Activation => action::IDP_ACCOUNT_ACTIVATED,
        Purpose::Recovery => action::IDP_ACCOUNT_RECOVERED,
    };
    event.object = format!("account:{}", current.account.id);
    let messages = match current.purpose {
        Purpose::Activation => Vec::new(),
        Purpose::Recovery => {
            notices::changed(
                app,
                &current.account,
                &current.identifiers,
                "notice-recovered",
            )
            .await?
        }
    };
    let now = app.sources.unix();
    app.store
        .write(event, move |w| {
            open_account(w, &current, now)?;
            write_rows(w, &current, &rows, now)?;
            w.end_enrolment(&current.row.id)?;
            session.insert(w)?;
            messages
                .into_iter()
                .try_for_each(|message| message.insert(w))
        })
        .await?;
    let mut response = see_other("/account/activate/done");
    for cookie in [&cookie, &Jar::Enrolment.clear(app.config.secure())] {
        response
            .add_cookie(cookie)
            .map_err(|_| AccountError::Invalid("cookie"))?;
    }
    Ok(response)
}

/// Activation moves the account on; recovery takes away whatever could be in a stranger's hands.
fn open_account(w: &mut Writer<'_>, current: &Current, now: i64) -> Result<(), StoreError> {
    let id = current.account.id;
    match current.purpose {
        Purpose::Activation => {
            let to = current
                .account
                .state
                .after(AccountAct::Activate)
                .map_err(|_| StoreError::Conflict("account is not invited"))?;
            w.move_account(id, AccountState::Invited, to, now)?;
            let invitation = current.row.invitation_id.as_deref();
            w.spend_invitation(invitation.ok_or(StoreError::Damaged("invitation"))?, now)
        }
        Purpose::Recovery => {
            w.delete_credentials(id)?;
            w.end_sessions(id, None, now)?;
            current
                .indexes
                .iter()
                .try_for_each(|index| throttle::reopen(w, sign_in::PASSWORD_WAY, index))
        }
    }
}

fn write_rows(
    w: &mut Writer<'_>,
    current: &Current,
    rows: &Rows,
    now: i64,
) -> Result<(), StoreError> {
    let id = current.account.id;
    if let Some(passkey) = &rows.passkey {
        w.insert_passkey(passkey)?;
    }
    if let Some(hash) = &rows.password {
        w.put_password(id, hash, now)?;
    }
    if let Some(app) = &rows.app {
        w.put_authenticator_app(app)?;
    }
    w.put_recovery_codes(id, &rows.recovery)
}

async fn rows(app: &App, current: &Current) -> Result<Rows, AccountError> {
    let Progress {
        passkey,
        password,
        app: chosen,
        recovery,
    } = &current.progress;
    let (account, now) = (current.account.id, app.sources.unix());
    let passkey = match passkey {
        Some(chosen) => Some(PasskeyRow {
            id: app.sources.uuid().to_string(),
            account_id: account.to_string(),
            credential_id: chosen.credential.cred_id().clone(),
            credential: serde_json::to_string(&chosen.credential)?,
            name: chosen.name.clone(),
            backup_eligible: i64::from(is_backup_eligible(&chosen.credential)),
            created_at: now,
            last_used_at: Some(now),
        }),
        None => None,
    };
    // A password counts only together with a confirmed app.
    let confirmed = chosen
        .as_ref()
        .and_then(|chosen| Some((&chosen.secret, chosen.step?)));
    let (password, authenticator) = match (password, confirmed) {
        (Some(hash), Some((secret, step))) => {
            let row = account.to_string();
            let sealed = vault::seal(app, &current.key, APP_TABLE, APP_COLUMN, &row, secret)?;
            let step = i64::try_from(step).map_err(|_| AccountError::Invalid("time step"))?;
            let app = AuthenticatorApp {
                account_id: row,
                secret_sealed: sealed,
                last_step: Some(step),
                created_at: now,
                last_used_at: Some(now),
            };
            (Some(hash.clone()), Some(app))
        }
        _ => (None, None),
    };
    let recovery = recovery_rows(app, account, recovery).await?;
    Ok(Rows {
        passkey,
        password,
        app: authenticator,
        recovery,
    })
}

/// The keyed hashes of a sheet of recovery codes.
pub(in crate::account) async fn recovery_rows(
    app: &App,
    account: uuid::Uuid,
    codes: &[String],
) -> Result<Vec<RecoveryCode>, AccountError> {
    let mut rows = Vec::with_capacity(codes.len());
    for text in codes {
        let normal = code::normalise(text).ok_or(AccountError::Invalid("recovery code"))?;
        rows.push(RecoveryCode {
            id: app.sources.uuid().to_string(),
            account_id: account.to_string(),
            code_hash: lookup::recovery_hash(app, account, &normal).await?.to_vec(),
            created_at: app.sources.unix(),
            used_at: None,
        });
    }
    Ok(rows)
}
