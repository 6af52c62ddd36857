//! `/sign-in`: a passkey, or an address or number with password and code; `/sign-out`.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::ReturnTo;
use domain::audit::{AuditEvent, action};
use serde::Deserialize;

use super::cookies::Jar;
use super::{answer, session};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

mod passkey;
mod password;
mod recover;

pub(super) use password::WAY as PASSWORD_WAY;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/sign-in").get(show).post(identify))
        .service(
            web::resource("/sign-in/password")
                .get(|| async { see_other("/sign-in") })
                .post(password::submit),
        )
        .service(web::resource("/sign-in/passkey/options").post(passkey::start))
        .service(web::resource("/sign-in/passkey").post(passkey::finish))
        .service(
            web::resource("/sign-in/recover")
                .get(recover::show)
                .post(recover::submit),
        )
        .service(web::resource("/sign-in/recover/code").post(recover::confirm))
        .service(web::resource("/sign-out").post(sign_out));
}

/// What `/sign-in` can be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    return_to: Option<String>,
    /// `login` asks for a new sign-in although there is a session (OpenID Connect Core §3.1.2.1).
    prompt: Option<String>,
    /// `1` after signing out, which is then said.
    signed_out: Option<String>,
}

/// The relying party that a person is on the way to.
pub(super) struct Asker {
    pub(super) name: String,
    pub(super) mark: String,
}

#[derive(Template)]
#[template(path = "account/sign_in.html")]
pub(super) struct View {
    pub(super) page: Page,
    pub(super) errors: FormErrors,
    pub(super) return_to: String,
    pub(super) asker: Option<Asker>,
    pub(super) identifier: String,
    pub(super) signed_out: bool,
    pub(super) again: bool,
}

/// Where to go afterwards; anything foreign becomes the account page.
pub(super) fn target(return_to: Option<&str>) -> ReturnTo {
    return_to
        .and_then(|text| ReturnTo::parse(text).ok())
        .unwrap_or_else(ReturnTo::account)
}

/// Who asks, when the way leads to a relying party whose client identifier is in the path.
pub(super) async fn asker(app: &App, target: &ReturnTo, page: &Page) -> Option<Asker> {
    let query = target.as_str().split_once('?')?.1;
    let (_, id) =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "client_id")?;
    let id = domain::oidc::ClientId::parse(&id).ok()?;
    let client = app.store.read(move |r| r.find_client(&id)).await.ok()??;
    let name = client.name.in_language(page.lang()).to_owned();
    Some(Asker {
        name,
        mark: client.mark,
    })
}

async fn show(request: HttpRequest, app: Data<App>, asked: Query<Asked>) -> HttpResponse {
    answer(&request, &app, async {
        let target = target(asked.return_to.as_deref());
        let signed_in = session::current(&request, &app).await?.is_some();
        let again = signed_in && asked.prompt.as_deref() == Some("login");
        if signed_in && !again {
            return Ok(see_other(target.as_str()));
        }
        let page = Page::new(&request, &app, "sign-in-title").signed_in(false);
        let view = View {
            asker: asker(&app, &target, &page).await,
            errors: FormErrors::new(),
            return_to: target.to_string(),
            identifier: String::new(),
            signed_out: asked.signed_out.is_some(),
            again,
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
struct Identify {
    csrf: Option<String>,
    #[serde(default)]
    identifier: String,
    return_to: Option<String>,
}

/// Shows the page for password and code, whether or not there is such an account.
async fn identify(request: HttpRequest, app: Data<App>, form: Form<Identify>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let target = target(form.return_to.as_deref());
        if domain::account::Identifier::parse(&form.identifier).is_ok() {
            let view = password::View::new(&request, &app, &target, &form.identifier).await;
            return Ok(respond(&view.page, &view, StatusCode::OK));
        }
        let page = Page::new(&request, &app, "sign-in-title").signed_in(false);
        let mut errors = FormErrors::new();
        errors.add("identifier", page.t("sign-in-identifier-error"));
        let view = View {
            asker: asker(&app, &target, &page).await,
            errors,
            return_to: target.to_string(),
            identifier: form.identifier.clone(),
            signed_out: false,
            again: false,
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}

#[derive(Deserialize)]
struct SignOut {
    csrf: Option<String>,
}

async fn sign_out(request: HttpRequest, app: Data<App>, form: Form<SignOut>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        if let Some(session) = session::current(&request, &app).await? {
            let now = app.sources.now();
            let event = AuditEvent::new(
                app.sources.uuid(),
                now,
                session.actor(None),
                action::IDP_SESSION_ENDED,
                format!("session:{}", session.id),
            );
            app.store
                .write(event, move |w| {
                    w.end_session(session.account, &session.id.to_string(), now.as_second())
                })
                .await?;
        }
        let mut response = see_other("/sign-in?signed_out=1");
        let cookie = Jar::Session.clear(app.config.secure());
        response
            .add_cookie(&cookie)
            .map_err(|_| super::AccountError::Invalid("cookie"))?;
        Ok(response)
    })
    .await
}
