//! `/outbox`: in development, the mailbox and telephone of everybody.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;
use serde::Serialize;

use super::open;
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{Page, PageError, respond};

/// Messages shown.
const SHOWN: i64 = 100;

/// `/outbox` and its JSON form, which answer only in development.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/outbox").get(show))
        .service(web::resource("/outbox.json").get(list));
}

#[derive(Serialize)]
struct Item {
    id: String,
    kind: String,
    channel: String,
    locale: String,
    state: String,
    to: String,
    subject: String,
    text: String,
    error: Option<String>,
    at: Timestamp,
}

#[derive(Template)]
#[template(path = "outbox/list.html")]
struct View {
    page: Page,
    items: Vec<Item>,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let items = items(&request, &app).await?;
        let view = View {
            page: Page::new(&request, &app, "outbox-title"),
            items,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let items = items(&request, &app).await?;
        Ok(HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .json(serde_json::json!({ "items": items })))
    })
    .await
}

async fn items(request: &HttpRequest, app: &App) -> Result<Vec<Item>, AccountError> {
    if !app.outbox.is_development() {
        return Err(PageError::not_found(request, app).into());
    }
    let rows = app.store.read(|r| r.list_messages(SHOWN)).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(content) = open(app, &row).await? else {
            continue;
        };
        items.push(Item {
            at: Timestamp::from_second(row.created_at).unwrap_or(Timestamp::UNIX_EPOCH),
            to: content.to.clone(),
            subject: content.subject.clone(),
            text: content.text.clone(),
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            locale: row.locale,
            state: row.state,
            error: row.last_error,
        });
    }
    Ok(items)
}
