//! The routes, each in its file, and what they share.

mod certificates;
mod credentials;
mod documents;
mod issuers;
mod revocation;
mod signature;
mod status_log;
mod time_stamps;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::{HttpRequest, web};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use jiff::Timestamp;
use service::Problem;
use service::middleware::RequestId;
use service::tls::ClientCertificate;

use crate::app::App;
use crate::error::Error;
use crate::issuance::IdempotencyKey;

/// Header with the caller's name for one request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The API.
pub fn api(app: &Arc<App>, services: &mut web::ServiceConfig) {
    let max_document = app.config.signing.max_document_bytes;
    services.app_data(web::Data::from(Arc::clone(app))).service(
        web::scope("/api/v1")
            .service(web::resource("/certificates").post(certificates::create))
            .service(web::resource("/certificates/{serial}").get(certificates::read))
            .service(web::resource("/certificates/{serial}/revocation").post(revocation::create))
            .service(web::resource("/issuers").get(issuers::list))
            .service(web::resource("/issuers/{issuer}/crls/{shard}").get(issuers::crl))
            .service(web::resource("/status-log").get(status_log::read))
            .service(web::resource("/credentials").post(credentials::create))
            .service(
                web::resource("/documents")
                    .app_data(web::PayloadConfig::new(max_document))
                    .post(documents::create),
            )
            .service(web::resource("/documents/{id}/signature").post(signature::create)),
    );
}

/// The time-stamping authority.
pub fn tsa(app: &Arc<App>, services: &mut web::ServiceConfig) {
    services.app_data(web::Data::from(Arc::clone(app))).service(
        web::resource("/tsa")
            .app_data(web::PayloadConfig::new(pki::tsp::MAX_REQUEST_BYTES))
            .post(time_stamps::create),
    );
}

/// A JSON body whose fault is told only to callers who proved who they are.
type Body<T> = Result<web::Json<T>, actix_web::Error>;

/// What the body says.
fn parsed<T>(body: Body<T>) -> Result<T, Error> {
    body.map(web::Json::into_inner).map_err(|error| {
        let problem = error.as_error::<Problem>();
        let status = error.as_response_error().status_code();
        match (problem, status) {
            (_, StatusCode::UNSUPPORTED_MEDIA_TYPE) => Error::MediaType("application/json"),
            (Some(problem), StatusCode::BAD_REQUEST) => Error::BadRequest(
                problem
                    .detail_text()
                    .unwrap_or("not the expected JSON")
                    .to_owned(),
            ),
            _ => Error::BadRequest(error.to_string()),
        }
    })
}

/// The identifier that the edge gave the request.
pub(crate) fn request_id(request: &HttpRequest) -> Option<String> {
    RequestId::of(request).map(|id| id.as_str().to_owned())
}

/// The first DNS name in a verified TLS client certificate.
pub(crate) fn client_certificate_name(request: &HttpRequest) -> Option<String> {
    let certificate = request.conn_data::<ClientCertificate>()?;
    certificate.dns_names.first().cloned()
}

/// The caller's idempotency key, if it sent one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::BadRequest("Idempotency-Key comes once".to_owned()));
    }
    let text = value.to_str().map_err(|_| {
        Error::BadRequest("Idempotency-Key has characters it must not have".to_owned())
    })?;
    IdempotencyKey::parse(text).map(Some)
}

/// Refuses a body of another media type; parameters behind it do not matter.
fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Error> {
    let sent = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(Error::MediaType(expected))
    }
}

/// Base64 (RFC 4648 §4) in a JSON member.
fn base64(name: &str, text: &str) -> Result<Vec<u8>, Error> {
    Base64::decode_vec(text).map_err(|_| Error::BadRequest(format!("{name} is not base64")))
}

/// Base64url without padding (RFC 4648 §5) in a JSON member.
fn base64url(name: &str, text: &str) -> Result<Vec<u8>, Error> {
    Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| Error::BadRequest(format!("{name} is not base64url without padding")))
}

/// Unix seconds as RFC 3339.
fn time(second: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(second).map_err(Error::internal)
}
