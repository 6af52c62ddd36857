//! Recovery codes: ten, shown until one of them was typed back, then only their keyed hashes are left.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::code;
use serde::Deserialize;

use super::{finish, keep, load};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond};

#[derive(Template)]
#[template(path = "account/recovery_codes.html")]
struct View {
    page: Page,
    errors: FormErrors,
    codes: Vec<String>,
    action: &'static str,
    step: bool,
}

/// Fresh codes, as shown.
pub(in crate::account) fn new_codes(app: &App) -> Vec<String> {
    (0..code::RECOVERY_COUNT)
        .map(|_| code::format(app.sources.random::<{ code::RECOVERY_BYTES }>()))
        .collect()
}

fn view(request: &HttpRequest, app: &App, codes: &[String]) -> View {
    View {
        page: Page::new(request, app, "codes-title").signed_in(false),
        errors: FormErrors::new(),
        codes: codes.to_vec(),
        action: "/account/activate/recovery",
        step: true,
    }
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let mut current = load(&request, &app).await?;
        if !current.progress.has_way() {
            return Err(AccountError::Elsewhere(
                "/account/activate/choose".to_owned(),
            ));
        }
        if current.progress.recovery.is_empty() {
            current.progress.recovery = new_codes(&app);
            keep(&app, &current, "recovery-codes").await?;
        }
        let view = view(&request, &app, &current.progress.recovery);
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
pub(in crate::account) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    code: String,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let current = load(&request, &app).await?;
        if !current.progress.has_way() || current.progress.recovery.is_empty() {
            return Err(AccountError::Elsewhere(
                "/account/activate/choose".to_owned(),
            ));
        }
        let typed = code::normalise(&form.code);
        let confirmed = typed.is_some_and(|typed| {
            current
                .progress
                .recovery
                .iter()
                .any(|code| code::normalise(code).as_ref() == Some(&typed))
        });
        if confirmed {
            return finish::finish(&request, &app, current).await;
        }
        let mut view = view(&request, &app, &current.progress.recovery);
        let text = view.page.t("codes-wrong");
        view.errors.add("code", text);
        Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY))
    })
    .await
}
