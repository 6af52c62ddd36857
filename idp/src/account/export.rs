//! `/account/export`: everything held about a person, as one JSON file (article 29 of the draft law: right of access).

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{AuditEvent, action};
use serde_json::{Value, json};

use super::access_log::{self, Access, AccessBy};
use super::home::{self, Confirmed, at, open_identifiers};
use super::{AccountError, Session, answer, session, vault};
use crate::app::App;
use crate::page::check_csrf;

/// Uses of data in an export at most.
const ACCESSES_MAX: i64 = 100_000;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/account/export").post(export));
}

async fn export(request: HttpRequest, app: Data<App>, form: Form<Confirmed>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        let document = collect(&app, &session).await?;
        let access = Access {
            subject: session.person,
            by: AccessBy::Subject,
            purpose: "access-export".to_owned(),
            items: Vec::new(),
            reference: None,
        };
        let row = access_log::prepare(&app, &access);
        let event = AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            session.actor(None),
            action::IDP_ACCOUNT_EXPORTED,
            format!("account:{}", session.account),
        );
        app.store
            .write(event, move |w| access_log::record(w, &row))
            .await?;
        Ok(HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((
                CONTENT_DISPOSITION,
                "attachment; filename=\"romduol-my-data.json\"",
            ))
            .content_type("application/json")
            .body(serde_json::to_vec_pretty(&document)?))
    })
    .await
}

async fn collect(app: &App, session: &Session) -> Result<Value, AccountError> {
    let rows = home::read(app, session, ACCESSES_MAX).await?;
    let key = vault::open_key(app, &rows.account).await?;
    let identifiers = open_identifiers(&key, &rows.identifiers)?;
    let person = home::find_facts(app, session.person).await?;
    let addresses: Vec<Value> = identifiers
        .iter()
        .map(|i| json!({ "kind": i.kind().as_str(), "value": i.normalised() }))
        .collect();
    let passkeys: Vec<Value> = rows
        .passkeys
        .iter()
        .map(|row| json!({ "name": row.name, "added": at(row.created_at), "last_used": row.last_used_at.map(at) }))
        .collect();
    let sessions: Vec<Value> = rows
        .sessions
        .iter()
        .map(|row| json!({ "client": row.client, "signed_in": at(row.signed_in_at), "last_seen": at(row.last_seen_at) }))
        .collect();
    let accesses: Vec<Value> = rows
        .accesses
        .iter()
        .map(|row| {
            let items: Vec<&str> = row.items.split_whitespace().collect();
            let who = if row.kind == "subject" {
                ""
            } else {
                row.actor_name.as_str()
            };
            json!({ "at": at(row.at), "kind": row.kind, "by": who, "purpose": row.purpose,
                    "items": items, "reference": row.reference })
        })
        .collect();
    let services: Vec<Value> = rows
        .services
        .iter()
        .map(|used| json!({ "service": used.client.name, "consent": used.consent }))
        .collect();
    Ok(json!({
        "exported_at": app.sources.now(),
        "account": { "id": rows.account.id, "state": rows.account.state, "created": at(rows.account.created_at),
                     "language": rows.account.locale, "addresses": addresses },
        "person": person,
        "ways_to_sign_in": {
            "passkeys": passkeys,
            "password_changed": rows.password_changed_at.map(at),
            "authenticator_app_added": rows.app_created_at.map(at),
            "recovery_codes_left": rows.recovery_left,
        },
        "sessions": sessions,
        "uses_of_my_data": accesses,
        "services": services,
    }))
}
