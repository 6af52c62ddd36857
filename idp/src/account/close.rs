//! `/account/close`: the holder ends the account; what the law lets go is destroyed at once.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::AccountState;
use domain::account::state::AccountAct;
use domain::audit::{AuditEvent, action};
use serde::Deserialize;
use store::{StoreError, Writer};
use uuid::Uuid;

use super::cookies::Jar;
use super::{AccountError, answer, passkeys, session};
use crate::app::App;
use crate::page::{FormErrors, Page, PageError, check_csrf, respond};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/account/close").get(ask).post(close));
}

#[derive(Template)]
#[template(path = "account/close.html")]
struct View {
    page: Page,
    errors: FormErrors,
    closed: bool,
}

async fn ask(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        session::require_fresh(&request, &app).await?;
        let page = Page::new(&request, &app, "close-title").signed_in(true);
        let view = View {
            page,
            errors: FormErrors::new(),
            closed: false,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
struct Closing {
    csrf: Option<String>,
    sure: Option<String>,
}

async fn close(request: HttpRequest, app: Data<App>, form: Form<Closing>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        if session.is_staff() {
            // Staff accounts end by an act of the office, so that no evidence of duty goes with them.
            return Err(PageError::forbidden(&request, &app, "staff account").into());
        }
        if form.sure.is_none() {
            let page = Page::new(&request, &app, "close-title").signed_in(true);
            let mut errors = FormErrors::new();
            errors.add("sure", page.t("close-not-sure"));
            let view = View {
                page,
                errors,
                closed: false,
            };
            return Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY));
        }
        let messages = passkeys::warn(&app, &session, "notice-closed").await?;
        let event = AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            session.actor(None),
            action::IDP_ACCOUNT_CLOSED,
            format!("account:{}", session.account),
        );
        let now = app.sources.now();
        app.store
            .write(event, move |w| {
                end(w, session.account, now.as_second())?;
                for used in w.list_used_services(session.person, now)? {
                    w.withdraw_consent(session.person, used.consent.id, now)?;
                }
                w.revoke_families_of(session.person, None, now)?;
                messages
                    .into_iter()
                    .try_for_each(|message| message.insert(w))
            })
            .await?;
        let page = Page::new(&request, &app, "closed-title").signed_in(false);
        let view = View {
            page,
            errors: FormErrors::new(),
            closed: true,
        };
        let mut response = respond(&view.page, &view, StatusCode::OK);
        let cookie = Jar::Session.clear(app.config.secure());
        response
            .add_cookie(&cookie)
            .map_err(|_| AccountError::Invalid("cookie"))?;
        Ok(response)
    })
    .await
}

/// Ends an account: its state, its sessions, its ways to sign in, and the key its addresses are sealed with.
fn end(w: &mut Writer<'_>, account: Uuid, now: i64) -> Result<(), StoreError> {
    let state = w.load_account(account)?.state;
    let to: AccountState = state
        .after(AccountAct::Close)
        .map_err(|_| StoreError::Conflict("account is closed"))?;
    w.move_account(account, state, to, now)?;
    w.end_sessions(account, None, now)?;
    w.delete_credentials(account)?;
    w.erase_account(account)
}
