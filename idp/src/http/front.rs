//! The first page and the two help pages that every footer leads to.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::app::App;
use crate::page::{Page, error_page, respond};

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    page: Page,
}

#[derive(Template)]
#[template(path = "text.html")]
struct Text {
    page: Page,
    paragraphs: &'static [&'static str],
}

/// `/`, `/help/offices`, `/help/privacy`.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").get(home))
        .service(web::resource("/help/offices").get(offices))
        .service(web::resource("/help/privacy").get(privacy));
}

async fn home(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let view = Home {
        page: Page::new(&request, &app, "home-title"),
    };
    respond(&view.page, &view, StatusCode::OK)
}

async fn offices(request: HttpRequest, app: Data<App>) -> HttpResponse {
    text(
        &request,
        &app,
        "offices-title",
        &["offices-lead", "offices-call"],
    )
}

async fn privacy(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let paragraphs = &[
        "privacy-sealed",
        "privacy-consent",
        "privacy-log",
        "privacy-erase",
    ];
    text(&request, &app, "privacy-title", paragraphs)
}

fn text(
    request: &HttpRequest,
    app: &App,
    title: &str,
    paragraphs: &'static [&'static str],
) -> HttpResponse {
    let view = Text {
        page: Page::new(request, app, title),
        paragraphs,
    };
    respond(&view.page, &view, StatusCode::OK)
}

/// The answer for an address that no room has.
pub(super) async fn not_found(request: HttpRequest, app: Data<App>) -> HttpResponse {
    error_page(&request, &app, StatusCode::NOT_FOUND, "error-not-found")
}
