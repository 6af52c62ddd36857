//! `/logout`: logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0), by GET and POST.
//!
//! A request that shows an ID token of the very person at the browser is carried out; any other is confirmed on a page,
//! so that a foreign site cannot sign anybody out. The browser goes back to registered addresses alone.

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::action;
use domain::oidc::{Client, ClientId, Parameters};
use serde_json::Value;
use store::StoreError;
use url::Url;

use super::failure::Failure;
use super::issue::{event, subject_of};
use super::signing::{self, ID_TOKEN};
use super::{form_post, notice, read, reply};
use crate::account::{Session, session};
use crate::app::App;
use crate::page::{Page, PageError, check_csrf, respond};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/logout").get(get).post(post))
        .service(web::resource("/logout/confirm").post(confirm))
        .service(web::resource("/logout/done").get(done));
}

/// Longest `state` that is carried back.
const MAX_STATE_LENGTH: usize = 2048;
/// The parameters that our own pages carry on.
const CARRIED: [&str; 6] = [
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "logout_hint",
    "ui_locales",
];

/// A logout request that was understood.
#[derive(Debug)]
struct Logout {
    /// The client that asks, if it is known.
    client: Option<Client>,
    /// Where to go afterwards, with `state`.
    back: Option<Url>,
    /// The subject of the ID token shown.
    subject: Option<String>,
}

#[derive(Template)]
#[template(path = "oidc/logout.html")]
struct Confirm {
    page: Page,
    who: String,
    fields: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "oidc/logged_out.html")]
struct LoggedOut {
    page: Page,
}

async fn get(http: HttpRequest, app: Data<App>) -> Result<HttpResponse, PageError> {
    let parameters =
        read::query(&http).map_err(|error| PageError::bad_request(&http, &app, error))?;
    run(&http, &app, &parameters).await
}

/// A form from a client's site brings no session cookie; the browser comes again by GET.
async fn post(
    http: HttpRequest,
    app: Data<App>,
    body: read::Body,
) -> Result<HttpResponse, PageError> {
    let parameters = read::page_form(&http, &app, body)?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(carried(&parameters))
        .finish();
    Ok(reply::to(&format!("/logout?{query}")))
}

async fn run(
    http: &HttpRequest,
    app: &App,
    parameters: &Parameters,
) -> Result<HttpResponse, PageError> {
    let logout = match understand(app, parameters).await {
        Ok(Ok(logout)) => logout,
        Ok(Err(text)) => return Ok(notice::page(http, app, text)),
        Err(failure) => return Err(notice::failed(http, app, failure)),
    };
    let failed = |failure: Failure| notice::failed(http, app, failure);
    let current = session::current(http, app)
        .await
        .map_err(|e| failed(e.into()))?;
    let Some(current) = current else {
        return Ok(leave(http, app, &logout));
    };
    if is_own(app, &logout, &current).await.map_err(failed)? {
        end(http, app, &current).await.map_err(failed)?;
        return Ok(leave(http, app, &logout));
    }
    Ok(ask(http, app, &logout, parameters))
}

/// Reads the request; the inner error is the text of our own page.
async fn understand(
    app: &App,
    parameters: &Parameters,
) -> Result<Result<Logout, &'static str>, Failure> {
    if parameters.check_unique().is_err() {
        return Ok(Err("oidc-error-logout"));
    }
    // An ID token that has expired still says who was signed in (RP-Initiated Logout §2).
    let hint = match parameters.find("id_token_hint") {
        Some(token) => match signing::verify_own(app, ID_TOKEN, token) {
            Ok(claims) => Some(claims),
            Err(_) => return Ok(Err("oidc-error-logout")),
        },
        None => None,
    };
    let text = |name: &str| {
        hint.as_ref()
            .and_then(|claims| claims.get(name))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let (audience, subject) = (text("aud"), text("sub"));
    let named = parameters.find("client_id").map(str::to_owned);
    if let (Some(named), Some(audience)) = (&named, &audience)
        && named != audience
    {
        return Ok(Err("oidc-error-logout"));
    }
    let client = match audience.or(named).and_then(|id| ClientId::parse(&id).ok()) {
        Some(id) => app.store.read(move |r| r.find_client(&id)).await?,
        None => None,
    };
    let Some(requested) = parameters.find("post_logout_redirect_uri") else {
        return Ok(Ok(Logout {
            client,
            back: None,
            subject,
        }));
    };
    let Some(registered) = client
        .as_ref()
        .and_then(|client| client.find_post_logout_redirect_uri(requested))
    else {
        return Ok(Err("oidc-error-logout-redirect"));
    };
    let Ok(mut back) = Url::parse(registered.as_str()) else {
        return Ok(Err("oidc-error-logout-redirect"));
    };
    if let Some(state) = parameters
        .find("state")
        .filter(|s| s.len() <= MAX_STATE_LENGTH)
    {
        back.query_pairs_mut().append_pair("state", state);
    }
    Ok(Ok(Logout {
        client,
        back: Some(back),
        subject,
    }))
}

/// Whether the ID token shown is one of the person at this browser.
async fn is_own(app: &App, logout: &Logout, session: &Session) -> Result<bool, Failure> {
    match (&logout.client, &logout.subject) {
        (Some(client), Some(subject)) => {
            Ok(subject_of(app, client, session.person).await? == *subject)
        }
        _ => Ok(false),
    }
}

fn ask(http: &HttpRequest, app: &App, logout: &Logout, parameters: &Parameters) -> HttpResponse {
    let page = Page::new(http, app, "oidc-logout-title").signed_in(true);
    let who = logout
        .client
        .as_ref()
        .map(|client| client.organization.in_language(page.lang()).to_owned())
        .unwrap_or_default();
    let view = Confirm {
        page,
        who,
        fields: carried(parameters),
    };
    let mut response = respond(&view.page, &view, StatusCode::OK);
    let origin = logout
        .back
        .as_ref()
        .map(|back| back.origin().ascii_serialization());
    form_post::set_policy(&mut response, &origin.unwrap_or_default(), "'none'");
    response
}

fn carried(parameters: &Parameters) -> Vec<(&'static str, String)> {
    CARRIED
        .into_iter()
        .filter_map(|name| parameters.find(name).map(|value| (name, value.to_owned())))
        .collect()
}

async fn confirm(
    http: HttpRequest,
    app: Data<App>,
    body: read::Body,
) -> Result<HttpResponse, PageError> {
    let parameters = read::page_form(&http, &app, body)?;
    check_csrf(&http, &app, parameters.find("csrf"))?;
    if parameters.find("decision") != Some("logout") {
        return Ok(crate::page::see_other("/account"));
    }
    let logout = match understand(&app, &parameters.clone().without(&["csrf", "decision"])).await {
        Ok(Ok(logout)) => logout,
        Ok(Err(text)) => return Ok(notice::page(&http, &app, text)),
        Err(failure) => return Err(notice::failed(&http, &app, failure)),
    };
    let failed = |failure: Failure| notice::failed(&http, &app, failure);
    if let Some(current) = session::current(&http, &app)
        .await
        .map_err(|e| failed(e.into()))?
    {
        end(&http, &app, &current).await.map_err(failed)?;
    }
    Ok(leave(&http, &app, &logout))
}

/// Ends the session with the tokens that live no longer than it.
async fn end(http: &HttpRequest, app: &App, session: &Session) -> Result<(), Failure> {
    let now = app.sources.now();
    let object = format!("session:{}", session.id);
    let ended = event(
        app,
        Some(http),
        session.actor(None),
        action::IDP_SESSION_ENDED,
        object,
    );
    let (account, id) = (session.account, session.id.to_string());
    let written = app
        .store
        .write(ended, move |w| {
            w.end_session(account, &id, now.as_second())?;
            w.revoke_families_of_session(&id, now)
        })
        .await;
    match written {
        // Ended in another window at the same moment: what was wanted is so.
        Ok(_) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Back to the client, or to a page of ours; the browser forgets the session.
fn leave(http: &HttpRequest, app: &App, logout: &Logout) -> HttpResponse {
    let mut response = match &logout.back {
        Some(back) => reply::to(back.as_str()),
        None => reply::to("/logout/done"),
    };
    let name = session::cookie_name(app.config.secure());
    if http.cookie(name).is_some() {
        let mut cookie = Cookie::build(name, "")
            .path("/")
            .secure(app.config.secure())
            .finish();
        cookie.make_removal();
        if let Err(error) = response.add_cookie(&cookie) {
            tracing::error!(%error, "session cookie not cleared");
        }
    }
    response
}

async fn done(http: HttpRequest, app: Data<App>) -> HttpResponse {
    let view = LoggedOut {
        page: Page::new(&http, &app, "oidc-logged-out-title").signed_in(false),
    };
    respond(&view.page, &view, StatusCode::OK)
}
