//! OCSP over HTTP (RFC 6960 appendix A, RFC 9919): every answer, also a refusal, is an OCSPResponse with status 200.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, ETAG, EXPIRES, HttpDate, IF_NONE_MATCH, LAST_MODIFIED,
};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt as _;
use pki::ocsp::{MAX_REQUEST_BYTES, OcspResponseStatus, Request, error_response};
use service::client_address::network_of;
use service::middleware::ClientAddress;
use service::rate_limit::RateLimit;

use crate::answer::{Answer, Answers, Asked};

/// Media type of answers (RFC 6960 §A.2).
const MEDIA_TYPE: &str = "application/ocsp-response";
/// Bytes of a body that are read at most; what is left unread costs the connection.
const MAX_READ: usize = 4 * MAX_REQUEST_BYTES;

/// Limits how many signatures one client network may cause.
pub(crate) type SigningLimit = RateLimit<IpAddr>;

/// `POST /ocsp`.
pub(crate) async fn post(
    request: HttpRequest,
    body: web::Payload,
    answers: web::Data<Answers>,
    limit: web::Data<SigningLimit>,
) -> HttpResponse {
    let parsed = match read(body).await {
        Some(der) => Request::parse(&der),
        None => return refuse(OcspResponseStatus::MalformedRequest),
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(error.status()),
    };
    match answer(&request, parsed, &answers, &limit).await {
        Ok((answer, _)) => HttpResponse::Ok()
            .content_type(MEDIA_TYPE)
            .body(answer.der.clone()),
        Err(status) => refuse(status),
    }
}

/// `GET /ocsp/{base64}`.
pub(crate) async fn get(
    request: HttpRequest,
    answers: web::Data<Answers>,
    limit: web::Data<SigningLimit>,
) -> HttpResponse {
    let path = request
        .uri()
        .path()
        .strip_prefix("/ocsp")
        .unwrap_or_default();
    let parsed = match Request::parse_path(path) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(error.status()),
    };
    match answer(&request, parsed, &answers, &limit).await {
        Ok((answer, true)) => cacheable(&request, &answers, &answer),
        Ok((answer, false)) => HttpResponse::Ok()
            .content_type(MEDIA_TYPE)
            .body(answer.der.clone()),
        Err(status) => refuse(status),
    }
}

/// The body, always read; `None` when it is too long or breaks off.
async fn read(mut body: web::Payload) -> Option<web::BytesMut> {
    let mut bytes = web::BytesMut::new();
    let mut total = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.ok()?;
        total += chunk.len();
        if total > MAX_READ {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

/// The answer, and whether the next asker may get the same.
async fn answer(
    request: &HttpRequest,
    parsed: Request,
    answers: &Answers,
    limit: &SigningLimit,
) -> Result<(Arc<Answer>, bool), OcspResponseStatus> {
    let plain = parsed.nonce.is_none();
    match answers.ask(parsed) {
        Asked::Cached(answer) => {
            metrics::counter!("romduol_ocsp_answers_total", "kind" => "cached").increment(1);
            Ok((answer, true))
        }
        Asked::NotOurs => Err(OcspResponseStatus::Unauthorized),
        Asked::ToSign(order) => {
            if let Some(ClientAddress(address)) = ClientAddress::of(request) {
                limit
                    .check(&network_of(address))
                    .map_err(|_| OcspResponseStatus::TryLater)?;
            }
            match answers.sign(order).await {
                Ok(answer) => {
                    metrics::counter!("romduol_ocsp_answers_total", "kind" => "signed")
                        .increment(1);
                    Ok((answer, plain))
                }
                Err(error) => {
                    tracing::error!(%error, "no answer");
                    Err(OcspResponseStatus::TryLater)
                }
            }
        }
    }
}

fn refuse(status: OcspResponseStatus) -> HttpResponse {
    metrics::counter!("romduol_ocsp_answers_total", "kind" => "refused").increment(1);
    HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .body(error_response(status))
}

/// An answer with what proxies need (RFC 9919 §5).
fn cacheable(request: &HttpRequest, answers: &Answers, answer: &Answer) -> HttpResponse {
    let now = answers.now().as_second();
    let max_age = (answer.next_update - now).clamp(0, i64::from(answers.config().max_age_seconds));
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == answer.entity_tag));
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .content_type(MEDIA_TYPE)
        .insert_header((ETAG, answer.entity_tag.as_str()))
        .insert_header((LAST_MODIFIED, http_date(answer.this_update)))
        .insert_header((EXPIRES, http_date(now + max_age)))
        .insert_header((
            CACHE_CONTROL,
            format!("max-age={max_age}, public, no-transform, must-revalidate"),
        ));
    if known {
        response.finish()
    } else {
        response.body(answer.der.clone())
    }
}

/// A Unix second as HTTP writes it (RFC 9110 §5.6.7).
pub(super) fn http_date(second: i64) -> HttpDate {
    let since = std::time::Duration::from_secs(u64::try_from(second).unwrap_or_default());
    HttpDate::from(std::time::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding as _};
    use proptest::prelude::*;

    use super::*;

    /// A request for a SHA-1 CertID of these hashes and this serial number.
    fn der(name: [u8; 20], key: [u8; 20], serial: &[u8; 19]) -> Vec<u8> {
        let mut id = vec![0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 20];
        id.extend(name);
        id.extend([4, 20]);
        id.extend(key);
        id.extend([2, 20, 1]);
        id.extend(serial);
        for _ in 0..4 {
            let length = u8::try_from(id.len()).unwrap();
            let mut outer = vec![0x30, length];
            outer.append(&mut id);
            id = outer;
        }
        // CertID, Request, requestList, TBSRequest are wrapped; OCSPRequest is the last.
        let mut whole = vec![0x30, u8::try_from(id.len()).unwrap()];
        whole.append(&mut id);
        whole
    }

    /// One character as clients and proxies spell it.
    fn spell(c: char, way: u8) -> String {
        match (c, way % 3) {
            ('+' | '/' | '=', 1) => format!("%{:02X}", u32::from(c)),
            ('+' | '/' | '=', 2) => format!("%{:02x}", u32::from(c)),
            _ if way == 255 => format!("%{:02X}", u32::from(c)),
            _ => c.to_string(),
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_request_is_the_same_request(
            name: [u8; 20],
            key: [u8; 20],
            serial: [u8; 19],
            ways in proptest::collection::vec(any::<u8>(), 200),
            slashes in 1usize..4,
            padded: bool,
        ) {
            let der = der(name, key, &serial);
            let wanted = Request::parse(&der).unwrap();
            let text = Base64::encode_string(&der);
            let text = if padded { text.as_str() } else { text.trim_end_matches('=') };
            let path: String = text.chars().zip(ways.iter().cycle()).map(|(c, way)| spell(c, *way)).collect();
            let path = format!("{}{path}", "/".repeat(slashes));
            // What the server hands over must be what the client sent: nothing merged, nothing decoded.
            let uri: actix_web::http::Uri = format!("/ocsp{path}").parse().unwrap();
            let tail = uri.path().strip_prefix("/ocsp").unwrap();
            prop_assert_eq!(Request::parse_path(tail).unwrap(), wanted);
        }

        #[test]
        fn no_path_makes_it_panic(path in "\\PC{0,300}") {
            let _ = Request::parse_path(&path);
        }
    }
}
