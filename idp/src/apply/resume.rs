//! `/apply/continue`: back to an application with the code from the receipt.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::code;
use domain::audit::{Actor, action};
use serde::Deserialize;

use super::fields::{Part, Text};
use super::vault::event;
use super::view::StepView;
use super::{cookie, draft, throttle};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/continue").get(show).post(take));
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CodeForm {
    csrf: Option<String>,
    code: String,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    view(Page::new(&request, &app, "apply-continue-title"), "", None)
}

fn view(page: Page, typed: &str, error: Option<String>) -> HttpResponse {
    let mut errors = FormErrors::new();
    if let Some(error) = error {
        errors.add("code", error);
    }
    let field = Text::new(&page, &errors, "code", "continue-label")
        .hint(page.t("continue-hint"))
        .value(typed)
        .class("mono-input")
        .lang("zxx");
    StepView {
        lead: vec![page.t("apply-continue-lead")],
        errors,
        progress: None,
        back: Some("/apply".to_owned()),
        parts: vec![Part::Text(field)],
        action: "/apply/continue".to_owned(),
        button: page.t("continue"),
        code: None,
        second: None,
        page,
    }
    .answer()
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<CodeForm>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let page = Page::new(&request, &app, "apply-continue-title");
        let Some(normal) = code::normalise(&form.code) else {
            let error = Some(page.t("continue-wrong"));
            return Ok(view(page, &form.code, error));
        };
        throttle::count(&request, &app, "apply-continue").await?;
        let Some(draft) = draft::by_code(&app, grouped(&normal)).await? else {
            let object = "way:apply-continue".to_owned();
            let event = event(
                &request,
                &app,
                Actor::Anonymous,
                action::IDP_CASE_MISSED,
                object,
            );
            app.store.write(event, |_| Ok(())).await?;
            let error = Some(page.t("continue-unknown"));
            return Ok(view(page, &form.code, error));
        };
        let handed_in = draft.row.number.is_some();
        let way = if handed_in {
            "/apply/status".to_owned()
        } else {
            draft.next_path()
        };
        let mut response = see_other(&way);
        response
            .add_cookie(&cookie::bake(&draft.code, app.config.secure()))
            .map_err(|_| AccountError::Invalid("cookie"))?;
        Ok(response)
    })
    .await
}

/// The code in groups of four, as it was shown.
fn grouped(normal: &str) -> String {
    let characters: Vec<char> = normal.chars().collect();
    characters
        .chunks(4)
        .map(|chunk| chunk.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}
