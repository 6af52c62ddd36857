//! Access tokens presented to the provider itself (RFC 6750).

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use domain::oidc::{Error, ErrorCode, Parameters, Scopes};
use serde_json::{Map, Value, json};
use store::idp::{AccessTokenRecord, TokenFamily};
use uuid::Uuid;

use super::failure::Failure;
use super::signing::{self, ACCESS_TOKEN};
use crate::app::App;

/// A token that counts, with what it stands for.
pub(super) struct Presented {
    /// Its claims.
    pub(super) claims: Map<String, Value>,
    /// Its record.
    pub(super) record: AccessTokenRecord,
}

impl Presented {
    /// The scopes that the token carries.
    pub(super) fn scopes(&self) -> Scopes {
        let scope = self
            .claims
            .get("scope")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Scopes::parse_known(scope)
    }
}

/// The token of a request: in the header (RFC 6750 §2.1), or in a form body (§2.2); a token in the query is refused.
pub(super) fn read(
    request: &HttpRequest,
    body: Option<&Parameters>,
) -> Result<Option<String>, Error> {
    let in_header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let in_body = body
        .and_then(|body| body.find("access_token"))
        .map(str::to_owned);
    let in_query = Parameters::parse(request.query_string())?.contains("access_token");
    match (in_header, in_body) {
        _ if in_query => Err(Error::invalid_request("the token must not be in the query")),
        (Some(_), Some(_)) => Err(Error::invalid_request("the token is sent twice")),
        (header, body) => Ok(header.or(body)),
    }
}

/// Checks a token of this provider: signature, issuer, life, and that it was not revoked.
pub(super) async fn check(app: &App, token: &str) -> Result<Presented, Failure> {
    let invalid = |text: &'static str| Error::new(ErrorCode::InvalidToken, text);
    let claims = signing::verify_own(app, ACCESS_TOKEN, token)?;
    let now = app.sources.now().as_second();
    if claims
        .get("exp")
        .and_then(Value::as_i64)
        .is_none_or(|exp| exp <= now)
    {
        return Err(invalid("the token has expired").into());
    }
    let jti = claims
        .get("jti")
        .and_then(Value::as_str)
        .and_then(|jti| Uuid::parse_str(jti).ok())
        .ok_or_else(|| invalid("the token has no jti"))?;
    let record = app
        .store
        .read(move |r| r.find_access_token(jti))
        .await?
        .filter(|record| !record.revoked)
        .ok_or_else(|| invalid("the token was revoked"))?;
    Ok(Presented { claims, record })
}

/// Checks a token for this provider's own endpoints: it must be for us and stand for a person.
pub(super) async fn check_for_us(
    app: &App,
    token: &str,
) -> Result<(Presented, TokenFamily), Failure> {
    let invalid = |text: &'static str| Error::new(ErrorCode::InvalidToken, text);
    let presented = check(app, token).await?;
    let issuer = super::issuer(app);
    let for_us = match presented.claims.get("aud") {
        Some(Value::String(audience)) => *audience == issuer,
        Some(Value::Array(audiences)) => audiences.iter().any(|a| a.as_str() == Some(&issuer)),
        _ => false,
    };
    if !for_us {
        return Err(invalid("the token is for another resource").into());
    }
    let family = match presented.record.family {
        Some(family) => app.store.read(move |r| r.find_token_family(family)).await?,
        None => None,
    };
    let family = family.ok_or_else(|| {
        Error::new(
            ErrorCode::InsufficientScope,
            "the token does not stand for a person",
        )
    })?;
    Ok((presented, family))
}

/// The refusal of a resource, with its challenge (RFC 6750 §3). Without any token it names no error.
pub(super) fn challenge(failure: Option<Failure>) -> HttpResponse {
    let Some(failure) = failure else {
        return HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"romduol\""))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish();
    };
    let too_large = matches!(failure, Failure::TooLarge);
    let error = failure.into_error();
    let status = match error.code {
        _ if too_large => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if status.is_client_error() {
        // Both parts keep to the grammar of a quoted string: see `Error::new`.
        let value = format!(
            "Bearer realm=\"romduol\", error=\"{}\", error_description=\"{}\"",
            error.code, error.description
        );
        response.insert_header((header::WWW_AUTHENTICATE, value));
    }
    response.json(json!({
        "error": error.code.as_str(),
        "error_description": error.description,
    }))
}
