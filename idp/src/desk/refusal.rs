//! What an officer is told where the rules stand in the way.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::action;
use domain::kyc::Refusal;
use uuid::Uuid;

use super::officer::Officer;
use crate::account::AccountError;
use crate::app::App;
use crate::apply::event;
use crate::page::{Page, respond};

/// A page that says why, and leads back.
#[derive(Template)]
#[template(path = "desk/refused.html")]
struct View {
    page: Page,
    words: String,
    /// The refusal's name, for machines that read the page.
    code: &'static str,
    back: String,
}

fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::OwnApplication => "own-application",
        Refusal::SameOfficer => "same-officer",
        Refusal::Held => "held",
        Refusal::NotHeld => "not-held",
        Refusal::SupervisorOnly => "supervisor-only",
        Refusal::EvidenceChanged => "evidence-changed",
        Refusal::Reason => "reason",
        _ => "state",
    }
}

/// The page for a refusal, after it was recorded.
pub(super) async fn refuse(
    request: &HttpRequest,
    app: &App,
    officer: &Officer,
    case: Uuid,
    refusal: Refusal,
) -> Result<HttpResponse, AccountError> {
    let code = code(refusal);
    let event = event(
        request,
        app,
        officer.actor(),
        action::IDP_CASE_DENIED,
        format!("case:{case}"),
    )
    .with_detail(serde_json::json!({ "reason": code }));
    app.store.write(event, |_| Ok(())).await?;
    let page = Page::new(request, app, "desk-refused-title");
    let words = page.t(&format!("desk-refused-{code}"));
    let back = match refusal {
        Refusal::NotHeld | Refusal::EvidenceChanged => format!("/desk/cases/{case}"),
        _ => "/desk".to_owned(),
    };
    let status = match refusal {
        Refusal::OwnApplication | Refusal::SameOfficer | Refusal::SupervisorOnly => {
            StatusCode::FORBIDDEN
        }
        _ => StatusCode::CONFLICT,
    };
    let view = View {
        page,
        words,
        code,
        back,
    };
    Ok(respond(&view.page, &view, status))
}
