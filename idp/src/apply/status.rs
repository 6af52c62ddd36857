//! `/apply/status`: where an application stands, in plain words, and what the applicant can do now.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::kyc::{CaseState, ReasonCode, Step, Verdict};
use store::idp::KycCase;
use store::sealing::Field;

use super::draft::{self, Draft};
use super::vault::unseal;
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{Page, respond, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/status").get(show));
}

#[derive(Template)]
#[template(path = "apply/status.html")]
struct View {
    page: Page,
    number: String,
    /// `waiting`, `more`, `approved` or `rejected`.
    state: &'static str,
    reason: Option<String>,
    note: Option<String>,
    /// The page to mend, for `more`.
    mend: Option<String>,
    may_appeal: bool,
    appealed: bool,
    code: String,
}

/// The page on which an applicant mends what an officer asked for.
pub(super) fn step_to_mend(reason: ReasonCode) -> Step {
    match reason {
        ReasonCode::PictureUnreadable
        | ReasonCode::PictureWrong
        | ReasonCode::FaceDiffers
        | ReasonCode::DocumentDoubtful => Step::Photos,
        ReasonCode::DataDiffers => Step::Name,
        ReasonCode::DocumentExpired | ReasonCode::DocumentInUse | ReasonCode::AlreadyRegistered => {
            Step::Document
        }
    }
}

/// The reason of the officer who asked for more, where that is how the case stands.
pub(super) fn asked_for(row: &KycCase) -> Option<ReasonCode> {
    (row.case.state == CaseState::MoreInformation)
        .then(|| row.case.decisions.last())
        .flatten()
        .and_then(|made| made.decision.reason)
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let Some(draft) = draft::find(&request, &app).await? else {
            return Ok(see_other("/apply/continue"));
        };
        let Some(number) = draft.row.number.clone() else {
            return Ok(see_other(&draft.next_path()));
        };
        let (state, verdict) = match draft.row.case.state {
            CaseState::MoreInformation => ("more", Some(Verdict::AskForMore)),
            CaseState::Rejected => ("rejected", Some(Verdict::Refuse)),
            CaseState::Approved => ("approved", None),
            _ => ("waiting", None),
        };
        let page = Page::new(&request, &app, &format!("status-{state}-title"));
        let (reason, note) = match verdict {
            Some(verdict) => words(&app, &draft, verdict).await?,
            None => (None, None),
        };
        let view = View {
            number,
            state,
            reason: reason.map(|reason| page.t(&format!("reason-{}", reason.as_str()))),
            note,
            mend: asked_for(&draft.row).map(|reason| draft::path(step_to_mend(reason))),
            may_appeal: draft.row.case.may_appeal(),
            appealed: draft.row.case.appeals > 0,
            code: draft.code.clone(),
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

/// Reason and note of the newest decision with this verdict.
async fn words(
    app: &App,
    draft: &Draft,
    verdict: Verdict,
) -> Result<(Option<ReasonCode>, Option<String>), AccountError> {
    let case = draft.row.id;
    let decisions = app.store.read(move |r| r.list_decisions(case)).await?;
    let newest = decisions
        .into_iter()
        .rev()
        .find(|made| made.recorded.decision.verdict == verdict);
    let Some(made) = newest else {
        return Ok((None, None));
    };
    let row = made.id.to_string();
    let field = Field {
        table: "kyc_decisions",
        column: "note_sealed",
        row: &row,
    };
    let note = made
        .note_sealed
        .map(|sealed| unseal(&draft.key, &field, &sealed))
        .transpose()?;
    Ok((made.recorded.decision.reason, note))
}
