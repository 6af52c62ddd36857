//! The ministry's one page: before and after logging in.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::Ministry;
use super::person::Person;
use super::sessions::Browser;

/// Nothing from elsewhere, and no script. Forms lead to us, and by redirect to the provider and back.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

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

/// A rendered template with the headers of every page.
pub(super) fn html(template: &impl Template, status: StatusCode) -> HttpResponse {
    match template.render() {
        Ok(body) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header(("Content-Security-Policy", POLICY))
            .insert_header(("Cache-Control", "no-store"))
            .insert_header(("Referrer-Policy", "no-referrer"))
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .body(body),
        Err(error) => {
            eprintln!("ministry: template: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
