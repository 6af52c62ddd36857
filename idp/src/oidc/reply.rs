//! Sending the answer of an authorization request to its client, through the browser (RFC 6749 §4.1.2, RFC 9207).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use domain::oidc::Error;
use domain::oidc::request::{ReplyTo, ResponseMode};
use url::Url;

use super::form_post;
use crate::app::App;
use crate::page::PageError;

/// Answers with a code.
pub(super) fn code(
    http: &HttpRequest,
    app: &App,
    reply_to: &ReplyTo,
    code: &str,
) -> Result<HttpResponse, PageError> {
    send(http, app, reply_to, vec![("code", code.to_owned())])
}

/// Answers with an error.
pub(super) fn error(
    http: &HttpRequest,
    app: &App,
    reply_to: &ReplyTo,
    error: &Error,
) -> Result<HttpResponse, PageError> {
    let members = vec![
        ("error", error.code.as_str().to_owned()),
        ("error_description", error.description.clone().into_owned()),
    ];
    send(http, app, reply_to, members)
}

fn send(
    http: &HttpRequest,
    app: &App,
    reply_to: &ReplyTo,
    mut members: Vec<(&'static str, String)>,
) -> Result<HttpResponse, PageError> {
    if let Some(state) = &reply_to.state {
        members.push(("state", state.clone()));
    }
    members.push(("iss", super::issuer(app)));
    match reply_to.response_mode {
        ResponseMode::Query => {
            let mut target = Url::parse(reply_to.redirect_uri.as_str())
                .map_err(|error| PageError::internal(http, app, error))?;
            target.query_pairs_mut().extend_pairs(&members);
            Ok(to(target.as_str()))
        }
        ResponseMode::FormPost => Ok(form_post::page(http, app, &reply_to.redirect_uri, members)),
    }
}

/// A redirect that is always followed by GET and never stored.
pub(super) fn to(target: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, target))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}
