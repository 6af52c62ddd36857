//! Passkey ceremonies: what the server remembers between its options and the browser's answer.
//!
//! The state never leaves the server, belongs to one browser, and is taken out by the first answer.

use actix_web::HttpResponse;
use domain::audit::{Actor, AuditEvent, action};
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::idp::{Account, Ceremony};
use uuid::Uuid;
use webauthn_rs::prelude::{
    CredentialID, Passkey, PasskeyRegistration, RegisterPublicKeyCredential, WebauthnError,
};

use super::{AccountError, cookies};
use crate::app::App;
use crate::page::Page;

/// What a ceremony is for; an answer to one kind is no answer to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first passkey of an account that is being activated or recovered.
    Enrol,
    /// A further passkey of a signed-in holder.
    Add,
    /// Signing in.
    SignIn,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Enrol => "enrol",
            Self::Add => "add",
            Self::SignIn => "sign-in",
        }
    }
}

/// The hash of the browser secret a ceremony is bound to.
pub(super) fn bind(secret: Option<&str>) -> [u8; 32] {
    cookies::hash(secret.unwrap_or_default())
}

/// No account, or none that fits: told in the same words as a failed proof.
pub(super) const fn unknown() -> AccountError {
    AccountError::Passkey(WebauthnError::CredentialNotFound)
}

/// The answer the script shows beside its button.
pub(super) fn refusal(page: &Page, text: &str) -> HttpResponse {
    HttpResponse::UnprocessableEntity().json(json!({ "message": page.t(text) }))
}

/// Remembers the state of a ceremony; returns its identifier.
pub(super) async fn begin(
    app: &App,
    kind: Kind,
    bound_to: [u8; 32],
    state: &impl Serialize,
) -> Result<Uuid, AccountError> {
    let (id, now) = (app.sources.uuid(), app.sources.now());
    let life = SignedDuration::from_secs(i64::from(app.config.account.ceremony_seconds));
    let row = Ceremony {
        id: id.to_string(),
        kind: kind.as_str().to_owned(),
        bound_to: bound_to.to_vec(),
        state: serde_json::to_string(state)?,
        expires_at: now.saturating_add(life).unwrap_or(now).as_second(),
    };
    let event = event(app, action::IDP_CEREMONY_STARTED, id, kind);
    app.store
        .write(event, move |w| w.insert_ceremony(&row))
        .await?;
    Ok(id)
}

/// Takes the state of a ceremony out, for one answer of the browser that began it.
pub(super) async fn take<S: DeserializeOwned>(
    app: &App,
    kind: Kind,
    bound_to: [u8; 32],
    id: Uuid,
) -> Result<S, AccountError> {
    let now = app.sources.now().as_second();
    let event = event(app, action::IDP_CEREMONY_SPENT, id, kind);
    let taken = app
        .store
        .write(event, move |w| {
            w.take_ceremony(id, kind.as_str(), &bound_to, now)
        })
        .await?
        .ok_or(AccountError::Passkey(WebauthnError::MismatchedChallenge))?;
    Ok(serde_json::from_str(&taken.state)?)
}

fn event(app: &App, action: &'static str, id: Uuid, kind: Kind) -> AuditEvent {
    let now = app.sources.now();
    AuditEvent::new(
        app.sources.uuid(),
        now,
        Actor::Anonymous,
        action,
        format!("ceremony:{id}"),
    )
    .with_detail(json!({ "kind": kind.as_str() }))
}

/// Options for `navigator.credentials.create`: a discoverable passkey that verifies its user.
pub(super) async fn start_registration(
    app: &App,
    kind: Kind,
    bound_to: [u8; 32],
    account: &Account,
    label: &str,
    existing: Vec<CredentialID>,
) -> Result<Value, AccountError> {
    let (options, state) =
        app.webauthn
            .start_passkey_registration(account.id, label, label, Some(existing))?;
    let id = begin(app, kind, bound_to, &state).await?;
    let mut options = serde_json::to_value(options)?;
    // Without residence there is no signing in by one touch, so it is required (WebAuthn Level 3 §5.4.6).
    if let Some(selection) = options
        .pointer_mut("/publicKey/authenticatorSelection")
        .and_then(Value::as_object_mut)
    {
        selection.insert("residentKey".to_owned(), json!("required"));
        selection.insert("requireResidentKey".to_owned(), json!(true));
    }
    Ok(json!({ "ceremony": id, "publicKey": options.get("publicKey") }))
}

/// The passkey that the browser made.
pub(super) async fn finish_registration(
    app: &App,
    kind: Kind,
    bound_to: [u8; 32],
    id: Uuid,
    credential: &RegisterPublicKeyCredential,
) -> Result<Passkey, AccountError> {
    let state: PasskeyRegistration = take(app, kind, bound_to, id).await?;
    Ok(app
        .webauthn
        .finish_passkey_registration(credential, &state)?)
}

/// Whether a passkey may be copied by its maker's service (backup eligibility, WebAuthn Level 3 §6.1.3).
pub(super) fn is_backup_eligible(passkey: &Passkey) -> bool {
    serde_json::to_value(passkey)
        .ok()
        .and_then(|value| value.pointer("/cred/backup_eligible")?.as_bool())
        .unwrap_or(true)
}
