//! Reading parameters from queries and form bodies.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use domain::oidc::{Error, Parameters};

use super::failure::Failure;
use crate::app::App;
use crate::page::PageError;

/// A body, or why it could not be read; the endpoint says so in its own form.
pub(super) type Body = Result<Bytes, actix_web::Error>;

/// The parameters of a query.
pub(super) fn query(request: &HttpRequest) -> Result<Parameters, Error> {
    Parameters::parse(request.query_string())
}

fn is_form(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

fn is_too_large(error: &actix_web::Error) -> bool {
    error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE
}

fn parse(body: &[u8]) -> Result<Parameters, Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::invalid_request("the body is not UTF-8"))?;
    Parameters::parse(text)
}

/// The form body that a browser sent; of any other body a page says that it could not be read.
pub(super) fn page_body(http: &HttpRequest, app: &App, body: Body) -> Result<Bytes, PageError> {
    if !is_form(http) {
        return Err(PageError::media_type(http, app, "the body is no form"));
    }
    body.map_err(|error| {
        if is_too_large(&error) {
            PageError::too_large(http, app, error)
        } else {
            PageError::bad_request(http, app, error)
        }
    })
}

/// The parameters of the form that a browser sent.
pub(super) fn page_form(
    http: &HttpRequest,
    app: &App,
    body: Body,
) -> Result<Parameters, PageError> {
    let body = page_body(http, app, body)?;
    parse(&body).map_err(|error| PageError::bad_request(http, app, error))
}

/// The body of a back-channel request.
pub(super) fn back_channel(body: Body) -> Result<Bytes, Failure> {
    body.map_err(|error| {
        if is_too_large(&error) {
            Failure::TooLarge
        } else {
            tracing::info!(%error, "body not read");
            Error::invalid_request("the body could not be read").into()
        }
    })
}

/// The parameters of a back-channel request: a form body (RFC 6749 §4.1.3) in which none is repeated.
pub(super) fn unique_form(request: &HttpRequest, body: Body) -> Result<Parameters, Failure> {
    let body = back_channel(body)?;
    if !is_form(request) {
        let words = "the body must be application/x-www-form-urlencoded";
        return Err(Error::invalid_request(words).into());
    }
    let parameters = parse(&body)?;
    parameters.check_unique()?;
    Ok(parameters)
}
