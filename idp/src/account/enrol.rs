//! Choosing ways to sign in: a passkey, or a password with an authenticator app; then recovery codes.
//!
//! Nothing counts before the last step, which writes everything at once. What was chosen so far is sealed with the
//! account's key; the browser holds only a random token.

use actix_web::cookie::Cookie;
use actix_web::web;
use actix_web::{HttpRequest, http::StatusCode};
use domain::account::{AccountState, Identifier};
use domain::audit::{Actor, AuditEvent, action};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::idp::{Account, Enrolment};
use store::sealing::SubjectKey;
use uuid::Uuid;
use zeroize::Zeroize;

use super::cookies::{self, Jar, TOKEN_OCTETS};
use super::{AccountError, vault};
use crate::app::App;
use crate::page::PageError;

mod authenticator;
mod choose;
mod finish;
mod passkey;
mod password;
mod recovery;

/// Where what was chosen is sealed.
const TABLE: &str = "enrolments";
/// Its column.
const COLUMN: &str = "progress_sealed";

pub(super) use authenticator::{otpauth_uri, shown_secret};
pub(super) use finish::recovery_rows;
pub(super) use recovery::new_codes;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/account/activate/choose").get(choose::show))
        .service(web::resource("/account/activate/passkey/options").post(passkey::start))
        .service(web::resource("/account/activate/passkey").post(passkey::finish))
        .service(
            web::resource("/account/activate/password")
                .get(password::show)
                .post(password::submit),
        )
        .service(
            web::resource("/account/activate/app")
                .get(authenticator::show)
                .post(authenticator::submit),
        )
        .service(
            web::resource("/account/activate/recovery")
                .get(recovery::show)
                .post(recovery::submit),
        )
        .service(web::resource("/account/activate/done").get(choose::done));
}

/// Why somebody chooses ways to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The account is new.
    Activation,
    /// The holder lost what they signed in with.
    Recovery,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Recovery => "recovery",
        }
    }
}

/// What was chosen so far.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    passkey: Option<ChosenPasskey>,
    password: Option<String>,
    app: Option<ChosenApp>,
    recovery: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ChosenPasskey {
    credential: webauthn_rs::prelude::Passkey,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct ChosenApp {
    secret: Vec<u8>,
    /// The time step that confirmed it; `None` until then.
    step: Option<u64>,
}

impl Drop for ChosenApp {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.recovery.zeroize();
    }
}

impl Progress {
    /// Whether a way to sign in is complete.
    fn has_way(&self) -> bool {
        let app = self.app.as_ref().is_some_and(|app| app.step.is_some());
        self.passkey.is_some() || (self.password.is_some() && app)
    }
}

/// An enrolment as a request finds it.
struct Current {
    row: Enrolment,
    account: Account,
    key: SubjectKey,
    progress: Progress,
    identifiers: Vec<Identifier>,
    /// Keyed hashes of the identifiers.
    indexes: Vec<[u8; 32]>,
    purpose: Purpose,
}

/// A new enrolment and the cookie that leads to it.
pub(super) async fn prepare(
    app: &App,
    account: &Account,
    purpose: Purpose,
    invitation: Option<String>,
) -> Result<(Enrolment, Cookie<'static>), AccountError> {
    let key = vault::open_key(app, account).await?;
    let (id, now) = (app.sources.uuid().to_string(), app.sources.now());
    let token = app.sources.token(TOKEN_OCTETS);
    let life = SignedDuration::from_mins(i64::from(app.config.account.enrolment_minutes));
    let progress = serde_json::to_vec(&Progress::default())?;
    let row = Enrolment {
        token_hash: cookies::hash(&token).to_vec(),
        account_id: account.id.to_string(),
        invitation_id: invitation,
        purpose: purpose.as_str().to_owned(),
        progress_sealed: vault::seal(app, &key, TABLE, COLUMN, &id, &progress)?,
        created_at: now.as_second(),
        expires_at: now.saturating_add(life).unwrap_or(now).as_second(),
        id,
    };
    Ok((row, Jar::Enrolment.bake(token, app.config.secure())))
}

/// The enrolment of this browser, or the way to begin one.
async fn load(request: &HttpRequest, app: &App) -> Result<Current, AccountError> {
    let ended = || AccountError::Elsewhere("/account/activate?ended=1".to_owned());
    let hash = Jar::Enrolment
        .hash(request, app.config.secure())
        .ok_or_else(ended)?;
    let now = app.sources.unix();
    let (row, account, sealed) = app
        .store
        .read(move |r| {
            let Some(row) = r.find_enrolment(&hash)? else {
                return Ok(None);
            };
            let id =
                Uuid::parse_str(&row.account_id).map_err(|_| StoreError::Damaged("identifier"))?;
            Ok(Some((
                row,
                r.load_account(id)?,
                r.list_account_identifiers(id)?,
            )))
        })
        .await?
        .filter(|(row, ..)| now < row.expires_at)
        .ok_or_else(ended)?;
    let purpose = if row.purpose == "recovery" {
        Purpose::Recovery
    } else {
        Purpose::Activation
    };
    let expected = match purpose {
        Purpose::Activation => AccountState::Invited,
        Purpose::Recovery => AccountState::Active,
    };
    if account.state != expected {
        return Err(ended());
    }
    let key = vault::open_key(app, &account).await?;
    let progress = vault::open(&key, TABLE, COLUMN, &row.id, &row.progress_sealed)?;
    let progress = serde_json::from_slice(&progress)?;
    let identifiers = super::home::open_identifiers(&key, &sealed)?;
    let indexes = sealed
        .iter()
        .filter_map(|row| row.blind_index.as_slice().try_into().ok())
        .collect();
    Ok(Current {
        row,
        account,
        key,
        progress,
        identifiers,
        indexes,
        purpose,
    })
}

/// Keeps what was chosen.
async fn keep(app: &App, current: &Current, step: &'static str) -> Result<(), AccountError> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&current.progress)?);
    let sealed = vault::seal(app, &current.key, TABLE, COLUMN, &current.row.id, &plain)?;
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::Person {
            id: current.account.subject,
        },
        action::IDP_ENROLMENT_ADVANCED,
        format!("account:{}", current.account.id),
    )
    .with_detail(serde_json::json!({ "step": step }));
    let (id, before) = (current.row.id.clone(), current.row.progress_sealed.clone());
    Ok(app
        .store
        .write(event, move |w| w.advance_enrolment(&id, &before, &sealed))
        .await?)
}

impl Current {
    /// The name an authenticator shows for the account.
    fn label(&self) -> String {
        self.identifiers
            .first()
            .map_or_else(|| "Romduol".to_owned(), Identifier::masked)
    }

    /// A password needs an address to be typed beside it.
    fn may_use_password(&self) -> bool {
        !self.identifiers.is_empty()
    }
}

/// A page that does not fit the step the enrolment is at.
fn out_of_step(request: &HttpRequest, app: &App) -> AccountError {
    PageError::new(
        request,
        app,
        StatusCode::CONFLICT,
        "error-bad-request",
        "step out of order",
    )
    .into()
}
