//! The ministry's one page, before and after logging in, and the headers of every answer.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::Ministry;
use super::person::Person;
use super::sessions::Browser;

/// Nothing from elsewhere, and no script. Forms lead to us, and by redirect to the provider and back.
const POLICY: &str = "default-src 'none'; style-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../../templates/ministry/style.css");

/// What every answer carries, redirects and refusals too, unless it says otherwise itself.
pub(super) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, POLICY))
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
}

/// `/style.css`.
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(STYLE)
}

/// Khmer letters (Noto Sans Khmer, SIL Open Font License): an old phone or a plain server may have none.
const KHMER: &[u8] =
    include_bytes!("../../../idp/static/fonts/noto-sans-khmer-khmer-400-normal.woff2");
const KHMER_BOLD: &[u8] =
    include_bytes!("../../../idp/static/fonts/noto-sans-khmer-khmer-700-normal.woff2");

/// `/khmer.woff2`.
pub(super) async fn khmer() -> HttpResponse {
    font(KHMER)
}

/// `/khmer-bold.woff2`.
pub(super) async fn khmer_bold() -> HttpResponse {
    font(KHMER_BOLD)
}

fn font(content: &'static [u8]) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("font/woff2")
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .body(content)
}

#[derive(Template)]
#[template(path = "ministry/home.html")]
struct Home<'a> {
    name_en: &'a str,
    name_km: &'a str,
    mark: &'a str,
    person: Option<Person>,
}

/// `/`.
pub(super) async fn home(request: HttpRequest, ministry: Data<Ministry>) -> HttpResponse {
    let config = &ministry.config;
    let person = match ministry.sessions.find(&request, config) {
        Some(Browser::Here(person)) => Some(*person),
        _ => None,
    };
    let home = Home {
        name_en: &config.name_en,
        name_km: &config.name_km,
        mark: &config.mark,
        person,
    };
    html(&home, StatusCode::OK)
}

/// A rendered template.
pub(super) fn html(template: &impl Template, status: StatusCode) -> HttpResponse {
    match template.render() {
        Ok(body) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .body(body),
        Err(error) => {
            eprintln!("ministry: template: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
