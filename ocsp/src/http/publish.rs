//! Revocation lists and issuer certificates, in DER with the media types of RFC 5280 §4.2.1.13, §4.2.2.1 (RFC 2585).

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, EXPIRES, LAST_MODIFIED};
use actix_web::{HttpResponse, web};
use pki::key::IssuerId;
use service::{Problem, ProblemType};

use super::ocsp::http_date;
use crate::answer::Answers;
use crate::lists::Lists;

/// How long an issuer's certificate may be kept; a renewed one under the same key serves as well.
const CERTIFICATE_MAX_AGE: &str = "public, max-age=86400";

fn not_found() -> Problem {
    Problem::new(ProblemType::NotFound)
}

/// `GET /crl/{issuer}/{shard}.crl`.
pub(crate) async fn crl(
    path: web::Path<(String, String)>,
    lists: web::Data<Arc<Lists>>,
    answers: web::Data<Answers>,
) -> Result<HttpResponse, Problem> {
    let (issuer, file) = path.into_inner();
    let issuer: IssuerId = issuer.parse().map_err(|_| not_found())?;
    let shard = file.strip_suffix(".crl").ok_or_else(not_found)?;
    // One list, one address: no leading zeros or signs.
    let number: u16 = shard.parse().map_err(|_| not_found())?;
    if number.to_string() != shard {
        return Err(not_found());
    }
    let list = lists.find((issuer, number)).ok_or_else(not_found)?;
    let now = answers.now().as_second();
    let left = i64::try_from(list.next_update)
        .unwrap_or(i64::MAX)
        .saturating_sub(now)
        .max(0);
    let max_age = left.min(i64::from(answers.config().max_age_seconds));
    Ok(HttpResponse::Ok()
        .content_type("application/pkix-crl")
        .insert_header((
            LAST_MODIFIED,
            http_date(i64::try_from(list.this_update).unwrap_or_default()),
        ))
        .insert_header((EXPIRES, http_date(now + max_age)))
        .insert_header((
            CACHE_CONTROL,
            format!("public, max-age={max_age}, no-transform"),
        ))
        .body(list.der.clone()))
}

/// `GET /issuer/{issuer}.cer`.
pub(crate) async fn issuer(
    file: web::Path<String>,
    lists: web::Data<Arc<Lists>>,
) -> Result<HttpResponse, Problem> {
    let issuer = file
        .strip_suffix(".cer")
        .and_then(|id| id.parse().ok())
        .ok_or_else(not_found)?;
    let authority = lists.authority(&issuer).ok_or_else(not_found)?;
    Ok(HttpResponse::Ok()
        .content_type("application/pkix-cert")
        .insert_header((CACHE_CONTROL, CERTIFICATE_MAX_AGE))
        .body(authority.certificate.der().to_vec()))
}
