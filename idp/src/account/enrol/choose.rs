//! The first and the last page: which way to sign in, and done.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::{Purpose, load};
use crate::account::{answer, session};
use crate::app::App;
use crate::page::{Page, respond};

#[derive(Template)]
#[template(path = "account/choose.html")]
struct View {
    page: Page,
    recovering: bool,
    may_use_password: bool,
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let current = load(&request, &app).await?;
        let view = View {
            page: Page::new(&request, &app, "choose-title").signed_in(false),
            recovering: current.purpose == Purpose::Recovery,
            may_use_password: current.may_use_password(),
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Template)]
#[template(path = "account/done.html")]
struct Done {
    page: Page,
}

pub(super) async fn done(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        session::require(&request, &app).await?;
        let view = Done {
            page: Page::new(&request, &app, "done-title"),
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}
