//! Reading parameters from queries and form bodies.

use actix_web::HttpRequest;
use actix_web::http::header;
use domain::oidc::{Error, Parameters};

/// The parameters of a query.
pub(super) fn query(request: &HttpRequest) -> Result<Parameters, Error> {
    Parameters::parse(request.query_string())
}

/// The parameters of a form body; another media type is refused (RFC 6749 §4.1.3).
pub(super) fn form(request: &HttpRequest, body: &[u8]) -> Result<Parameters, Error> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
    if !is_form {
        return Err(Error::invalid_request(
            "the body must be application/x-www-form-urlencoded",
        ));
    }
    let text =
        std::str::from_utf8(body).map_err(|_| Error::invalid_request("the body is not UTF-8"))?;
    Parameters::parse(text)
}

/// The parameters of a back-channel request: a form body in which none is repeated.
pub(super) fn unique_form(request: &HttpRequest, body: &[u8]) -> Result<Parameters, Error> {
    let parameters = form(request, body)?;
    parameters.check_unique()?;
    Ok(parameters)
}
