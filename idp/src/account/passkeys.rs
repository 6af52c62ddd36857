//! Adding and removing passkeys of a signed-in holder.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::{AuditEvent, action};
use serde::Deserialize;
use serde_json::json;
use store::StoreError;
use store::idp::PasskeyRow;
use uuid::Uuid;
use webauthn_rs::prelude::{CredentialID, RegisterPublicKeyCredential};

use super::ceremony::{self, Kind, refusal};
use super::home::{Confirmed, open_identifiers};
use super::{AccountError, Session, answer, clients, notices, session, vault};
use crate::app::App;
use crate::page::{Page, check_csrf, respond, see_other};

/// Passkeys of one account at most.
const PASSKEYS_MAX: usize = 10;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/account/passkeys/add").get(show))
        .service(web::resource("/account/passkeys/options").post(start))
        .service(web::resource("/account/passkeys").post(finish))
        .service(
            web::resource("/account/passkeys/{id}/remove")
                .get(confirm)
                .post(remove),
        );
}

#[derive(Template)]
#[template(path = "account/passkey_add.html")]
struct AddView {
    page: Page,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        session::require_fresh(&request, &app).await?;
        let view = AddView {
            page: Page::new(&request, &app, "passkey-add-title").signed_in(true),
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
struct Start {
    csrf: Option<String>,
}

async fn start(request: HttpRequest, app: Data<App>, body: Json<Start>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        let id = session.account;
        let (account, passkeys, identifiers) = app
            .store
            .read(move |r| {
                Ok((
                    r.load_account(id)?,
                    r.list_passkeys(id)?,
                    r.list_account_identifiers(id)?,
                ))
            })
            .await?;
        if passkeys.len() >= PASSKEYS_MAX {
            let page = Page::new(&request, &app, "passkey-add-title");
            return Ok(refusal(&page, "passkey-too-many"));
        }
        let key = vault::open_key(&app, &account).await?;
        let label = open_identifiers(&key, &identifiers)?
            .first()
            .map_or_else(|| "Romduol".to_owned(), domain::account::Identifier::masked);
        let known: Vec<CredentialID> = passkeys.into_iter().map(|row| row.credential_id).collect();
        let bound = ceremony::bind(Some(&session.id.to_string()));
        let options =
            ceremony::start_registration(&app, Kind::Add, bound, &account, &label, known).await?;
        Ok(HttpResponse::Ok().json(options))
    })
    .await
}

#[derive(Deserialize)]
struct Finish {
    csrf: Option<String>,
    ceremony: Uuid,
    credential: RegisterPublicKeyCredential,
}

async fn finish(request: HttpRequest, app: Data<App>, body: Json<Finish>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        match add(&request, &app, &session, &body).await {
            Ok(()) => Ok(HttpResponse::Ok().json(json!({ "location": "/account" }))),
            Err(AccountError::Passkey(_) | AccountError::Store(StoreError::Conflict(_))) => {
                let page = Page::new(&request, &app, "passkey-add-title");
                Ok(refusal(&page, "passkey-not-added"))
            }
            Err(error) => Err(error),
        }
    })
    .await
}

async fn add(
    request: &HttpRequest,
    app: &App,
    session: &Session,
    body: &Finish,
) -> Result<(), AccountError> {
    let bound = ceremony::bind(Some(&session.id.to_string()));
    let made =
        ceremony::finish_registration(app, Kind::Add, bound, body.ceremony, &body.credential)
            .await?;
    let row = PasskeyRow {
        id: app.sources.uuid().to_string(),
        account_id: session.account.to_string(),
        credential_id: made.cred_id().clone(),
        credential: serde_json::to_string(&made)?,
        name: clients::describe(request),
        backup_eligible: i64::from(ceremony::is_backup_eligible(&made)),
        created_at: app.sources.unix(),
        last_used_at: None,
    };
    let messages = warn(app, session, "notice-passkey-added").await?;
    let event = event(app, session, action::IDP_PASSKEY_ADDED, &row.id);
    app.store
        .write(event, move |w| {
            w.insert_passkey(&row)?;
            messages
                .into_iter()
                .try_for_each(|message| message.insert(w))
        })
        .await?;
    Ok(())
}

#[derive(Template)]
#[template(path = "account/passkey_remove.html")]
struct RemoveView {
    page: Page,
    id: String,
    last: bool,
}

async fn confirm(request: HttpRequest, app: Data<App>, id: Path<Uuid>) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require_fresh(&request, &app).await?;
        let last = is_last_way(&app, session.account).await?;
        let page = Page::new(&request, &app, "passkey-remove-title").signed_in(true);
        let view = RemoveView {
            page,
            id: id.to_string(),
            last,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

async fn remove(
    request: HttpRequest,
    app: Data<App>,
    id: Path<Uuid>,
    form: Form<Confirmed>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        let messages = warn(&app, &session, "notice-passkey-removed").await?;
        let id = id.to_string();
        let event = event(&app, &session, action::IDP_PASSKEY_REMOVED, &id);
        let (own, now) = (session.id.to_string(), app.sources.unix());
        app.store
            .write(event, move |w| {
                // Judged again inside the write: two removals at once must not leave the holder without a way in.
                let passkeys = w.list_passkeys(session.account)?.len();
                if passkeys <= 1 && w.find_password(session.account)?.is_none() {
                    return Err(StoreError::Conflict("the last way to sign in"));
                }
                w.delete_passkey(session.account, &id)?;
                w.end_sessions(session.account, Some(&own), now)?;
                messages
                    .into_iter()
                    .try_for_each(|message| message.insert(w))
            })
            .await?;
        Ok(see_other("/account"))
    })
    .await
}

async fn is_last_way(app: &App, account: Uuid) -> Result<bool, AccountError> {
    Ok(app
        .store
        .read(move |r| {
            Ok(r.list_passkeys(account)?.len() <= 1 && r.find_password(account)?.is_none())
        })
        .await?)
}

/// A word to every address of the account that its ways to sign in changed.
pub(super) async fn warn(
    app: &App,
    session: &Session,
    key: &'static str,
) -> Result<Vec<crate::outbox::PreparedMessage>, AccountError> {
    let id = session.account;
    let (account, rows) = app
        .store
        .read(move |r| Ok((r.load_account(id)?, r.list_account_identifiers(id)?)))
        .await?;
    let opened = vault::open_key(app, &account).await?;
    let identifiers = open_identifiers(&opened, &rows)?;
    notices::changed(app, &account, &identifiers, key).await
}

fn event(app: &App, session: &Session, action: &'static str, id: &str) -> AuditEvent {
    let now = app.sources.now();
    AuditEvent::new(
        app.sources.uuid(),
        now,
        session.actor(None),
        action,
        format!("passkey:{id}"),
    )
}
