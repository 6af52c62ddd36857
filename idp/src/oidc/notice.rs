//! The provider's own pages for requests whose answer may go nowhere, and the stop between sign-in and what follows.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::oidc::ErrorCode;

use super::failure::Failure;
use super::interaction::Refusal;
use super::reply;
use crate::app::App;
use crate::page::{Page, PageError, respond};

#[derive(Template)]
#[template(path = "oidc/notice.html")]
struct Notice {
    page: Page,
    text: String,
    code: &'static str,
}

#[derive(Template)]
#[template(path = "oidc/continue.html")]
struct Continue {
    page: Page,
    target: String,
}

/// Says on our own page why the request was not taken up; never a redirect.
pub(super) fn page(http: &HttpRequest, app: &App, text: &'static str) -> HttpResponse {
    show(
        http,
        app,
        text,
        ErrorCode::InvalidRequest.as_str(),
        StatusCode::BAD_REQUEST,
    )
}

fn show(
    http: &HttpRequest,
    app: &App,
    text: &'static str,
    code: &'static str,
    status: StatusCode,
) -> HttpResponse {
    let page = Page::new(http, app, "oidc-error-title");
    tracing::info!(text, "authorization request refused on our own page");
    let view = Notice {
        text: page.t(text),
        page,
        code,
    };
    respond(&view.page, &view, status)
}

/// The answer to a refusal: to the client where that is allowed, else on our own page.
pub(super) fn refusal(
    http: &HttpRequest,
    app: &App,
    refusal: Refusal,
) -> Result<HttpResponse, PageError> {
    match refusal {
        Refusal::Page(text) => Ok(page(http, app, text)),
        Refusal::Reply(reply_to, error) => {
            tracing::info!(%error, "authorization request refused");
            reply::error(http, app, &reply_to, &error)
        }
        Refusal::Failure(failure) => Err(failed(http, app, failure)),
    }
}

/// A failure behind a page.
pub(super) fn failed(http: &HttpRequest, app: &App, failure: Failure) -> PageError {
    match failure {
        Failure::Blocking(cause) => PageError::unavailable(http, app, cause),
        Failure::Protocol(cause) => PageError::bad_request(http, app, cause),
        Failure::TooMany { wait } => PageError::too_many(http, app, wait, failure),
        Failure::TooLarge => PageError::too_large(http, app, failure),
        cause => PageError::internal(http, app, cause),
    }
}

/// A page that goes on by itself, without script. It ends the chain of redirects that began with the sign-in form, whose
/// policy would otherwise keep the browser from going to the client.
pub(super) fn go_on(http: &HttpRequest, app: &App, target: String) -> HttpResponse {
    let page = Page::new(http, app, "oidc-continue-title");
    let view = Continue { page, target };
    respond(&view.page, &view, StatusCode::OK)
}
