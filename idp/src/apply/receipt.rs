//! `/apply/receipt`: the case number and the continuation code, for paper.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::draft;
use crate::account::answer;
use crate::app::App;
use crate::page::{Page, respond, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/receipt").get(show));
}

#[derive(Template)]
#[template(path = "apply/receipt.html")]
struct View {
    page: Page,
    number: String,
    code: String,
    at: String,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let Some(draft) = draft::find(&request, &app).await? else {
            return Ok(see_other("/apply"));
        };
        let Some(number) = draft.row.number.clone() else {
            return Ok(see_other(&draft.next_path()));
        };
        let page = Page::new(&request, &app, "apply-receipt-title");
        let at = draft
            .row
            .submitted_at
            .and_then(|second| jiff::Timestamp::from_second(second).ok());
        let at = at.map(|at| page.moment(&at)).unwrap_or_default();
        let view = View {
            number,
            code: draft.code,
            at,
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}
