//! `/sign/setup`: an official chooses the passkey that will release the signing key.

use std::cmp::Reverse;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::{AuditEvent, action};
use serde::Deserialize;
use store::idp::{Account, PasskeyRow, SigningCredential};
use webauthn_rs::prelude::Passkey;

use super::{NewCredential, ROLE, details, public_key};
use crate::account::{self, AccountError, PasskeyView, Session, answer, session};
use crate::app::App;
use crate::page::{FormErrors, Page, PageError, check_csrf, respond, see_other};

#[derive(Template)]
#[template(path = "sign/setup.html")]
struct View {
    page: Page,
    errors: FormErrors,
    passkeys: Vec<PasskeyView>,
    name: String,
    organization: String,
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let session = official(&request, &app).await?;
        view(&request, &app, &session, None).await
    })
    .await
}

/// An official who signed in a few minutes ago with a passkey: a look-alike site must not get as far as this.
async fn official(request: &HttpRequest, app: &App) -> Result<Session, AccountError> {
    session::require_role(request, app, ROLE).await?;
    session::require_fresh(request, app).await
}

async fn view(
    request: &HttpRequest,
    app: &App,
    session: &Session,
    error: Option<&str>,
) -> Result<HttpResponse, AccountError> {
    let id = session.account;
    let (account, rows) = app
        .store
        .read(move |r| Ok((r.load_account(id)?, r.list_passkeys(id)?)))
        .await?;
    let page = Page::new(request, app, "sign-setup-title").signed_in(true);
    let (name, _) = holder(app, session, &account).await?;
    let mut errors = FormErrors::new();
    if let Some(key) = error {
        errors.add("passkey", page.t(key));
    }
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let view = View {
        passkeys: in_hand_first(rows)
            .iter()
            .map(|row| PasskeyView::new(&page, row))
            .collect(),
        organization: app.ca.config().organization.clone(),
        errors,
        name,
        page,
    };
    Ok(respond(&view.page, &view, status))
}

/// The passkey used last comes first and is the one offered: it opened this session, so it is in the official's hand.
fn in_hand_first(mut rows: Vec<PasskeyRow>) -> Vec<PasskeyRow> {
    rows.sort_by_key(|row| Reverse(row.last_used_at));
    rows
}

/// The name in the certificate: the proven one in Latin letters, else the one the office gave.
async fn holder(
    app: &App,
    session: &Session,
    account: &Account,
) -> Result<(String, Option<(String, String)>), AccountError> {
    if let Some(facts) = account::find_facts(app, session.person).await? {
        let parts = (facts.latin.family.clone(), facts.latin.given.clone());
        return Ok((facts.latin.full(), Some(parts)));
    }
    let key = details::key(app, account).await?;
    Ok((account::display_name(&key, account)?, None))
}

#[derive(Deserialize)]
pub(super) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    passkey: String,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = official(&request, &app).await?;
        if !session.method.is_phishing_resistant() {
            return view(&request, &app, &session, Some("sign-setup-needs-passkey")).await;
        }
        let id = session.account;
        let (account, rows) = app
            .store
            .read(move |r| Ok((r.load_account(id)?, r.list_passkeys(id)?)))
            .await?;
        let Some(row) = rows.into_iter().find(|row| row.id == form.passkey) else {
            return view(&request, &app, &session, Some("sign-setup-choose")).await;
        };
        match create(&app, &session, &account, &row).await {
            Ok(()) => Ok(see_other("/sign")),
            Err(AccountError::Invalid(_)) => {
                view(&request, &app, &session, Some("sign-setup-key-kind")).await
            }
            Err(AccountError::Ca(cause)) => {
                Err(PageError::unavailable(&request, &app, cause).into())
            }
            Err(error) => Err(error),
        }
    })
    .await
}

async fn create(
    app: &App,
    session: &Session,
    account: &Account,
    row: &PasskeyRow,
) -> Result<(), AccountError> {
    let passkey: Passkey = serde_json::from_str(&row.credential)?;
    let spki = public_key::encode(passkey.get_public_key()).ok_or(AccountError::Invalid(
        "this kind of passkey signs no documents",
    ))?;
    let (name, parts) = holder(app, session, account).await?;
    let new = NewCredential::new(
        name,
        parts,
        app.ca.config(),
        (&row.credential_id, &spki),
        &app.config.issuer,
    );
    // The same passkey set up twice gives the same credential, also after a lost answer.
    let key = format!("signing:{}:{}", session.account, row.id);
    let made = app
        .ca
        .create_credential(&new, &key)
        .await
        .map_err(|error| AccountError::Ca(error.to_string()))?;
    let credential = SigningCredential {
        id: made.id.to_string(),
        account_id: session.account.to_string(),
        passkey_id: row.id.clone(),
        webauthn_id: row.credential_id.clone(),
        serial: made.serial.clone(),
        certificate: made.certificate,
        created_at: app.sources.unix(),
    };
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        session.actor(Some(ROLE)),
        action::IDP_SIGNING_ENROLLED,
        format!("credential:{}", credential.id),
    )
    .with_detail(serde_json::json!({ "serial": made.serial }));
    app.store
        .write(event, move |w| w.use_signing_credential(&credential))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passkey_used_last_is_offered_first() {
        let row = |id: &str, last_used_at| PasskeyRow {
            id: id.to_owned(),
            account_id: String::new(),
            credential_id: Vec::new(),
            credential: String::new(),
            name: String::new(),
            backup_eligible: 0,
            created_at: 0,
            last_used_at,
        };
        let rows = vec![row("old", Some(5)), row("never", None), row("now", Some(9))];
        let order: Vec<String> = in_hand_first(rows).into_iter().map(|row| row.id).collect();
        assert_eq!(order, ["now", "old", "never"]);
    }
}
