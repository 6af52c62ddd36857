//! The frame of a page that asks one question.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::kyc::Step;

use super::draft::{Draft, path};
use super::fields::Part;
use crate::app::App;
use crate::page::{FormErrors, Page, respond};

/// One question.
#[derive(Template)]
#[template(path = "apply/step.html")]
pub(super) struct StepView {
    pub(super) page: Page,
    pub(super) errors: FormErrors,
    /// "Step 3 of 7"; none outside the seven.
    pub(super) progress: Option<String>,
    pub(super) back: Option<String>,
    pub(super) lead: Vec<String>,
    pub(super) parts: Vec<Part>,
    pub(super) action: String,
    pub(super) button: String,
    /// The continuation code, once there is an application.
    pub(super) code: Option<String>,
    /// A second, smaller form: its address and button.
    pub(super) second: Option<(String, String)>,
}

impl StepView {
    /// A question of the application.
    pub(super) fn new(page: Page, errors: FormErrors, step: Step, draft: &Draft) -> Self {
        let progress = progress(&page, step);
        let before = Step::ALL.into_iter().rev().find(|earlier| *earlier < step);
        Self {
            errors,
            progress: Some(progress),
            back: Some(before.map_or_else(|| "/apply".to_owned(), path)),
            lead: Vec::new(),
            parts: Vec::new(),
            action: path(step),
            button: page.t("continue"),
            code: Some(draft.code.clone()),
            second: None,
            page,
        }
    }

    pub(super) fn lead(mut self, key: &str) -> Self {
        self.lead.push(self.page.t(key));
        self
    }

    pub(super) fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The page: 422 where something has to be put right (RFC 9110 §15.5.21).
    pub(super) fn answer(&self) -> HttpResponse {
        let status = if self.errors.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        respond(&self.page, self, status)
    }
}

/// "Step 3 of 7" in the page's language.
pub(super) fn progress(page: &Page, step: Step) -> String {
    let number = page.digits(&step.number().to_string());
    let of = page.digits(&Step::ALL.len().to_string());
    page.t2("apply-progress", "step", number, "of", of)
}

/// The frame of a page with this heading.
pub(super) fn page(request: &HttpRequest, app: &App, heading: &str) -> Page {
    Page::new(request, app, heading)
}
