//! The application of this browser: found, guarded, saved.

use std::ops::{Deref, DerefMut};

use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{Actor, action};
use domain::document::{ImageRole, KH_2026_11};
use domain::kyc::{CaseState, ReasonCode, Step};
use domain::locale::Locale;
use store::StoreError;
use store::sealing::Field;

use super::vault::{Opened, application_field, event, open_application, seal};
use super::{cookie, status};
use crate::account::AccountError;
use crate::app::App;
use crate::page::see_other;

const SECONDS_PER_DAY: i64 = 86_400;

/// An application that the holder of its code works on.
pub(super) struct Draft {
    pub(super) opened: Opened,
    /// The continuation code, for the receipt.
    pub(super) code: String,
}

impl Deref for Draft {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.opened
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Opened {
        &mut self.opened
    }
}

impl Draft {
    /// Which pictures are there.
    pub(super) fn roles(&self) -> Vec<ImageRole> {
        self.evidence.iter().map(|item| item.role).collect()
    }

    /// The first question without an answer.
    pub(super) fn next_step(&self) -> Step {
        self.application.next_step(&KH_2026_11, &self.roles())
    }

    /// The page that comes now.
    pub(super) fn next_path(&self) -> String {
        path(self.next_step())
    }

    /// Whether a page may be answered: in a draft, those whose questions before it are answered; after an officer's
    /// question, the page the officer means and what follows from its answer.
    fn may_answer(&self, step: Step, asked: Option<ReasonCode>) -> bool {
        let next = self.next_step();
        match self.row.case.state {
            CaseState::Draft => step <= next,
            CaseState::MoreInformation => {
                step == next
                    || step == Step::Check
                    || asked.is_some_and(|reason| step == status::step_to_mend(reason))
            }
            _ => false,
        }
    }
}

/// The address of a step.
pub(super) fn path(step: Step) -> String {
    format!("/apply/{}", step.slug())
}

/// This browser's application, whatever its state.
pub(super) async fn find(request: &HttpRequest, app: &App) -> Result<Option<Draft>, AccountError> {
    let Some(code) = cookie::code(request, app.config.secure()) else {
        return Ok(None);
    };
    by_code(app, code).await
}

/// The application that a code opens.
pub(super) async fn by_code(app: &App, code: String) -> Result<Option<Draft>, AccountError> {
    let Some(hash) = cookie::hash(&code) else {
        return Ok(None);
    };
    let opened = open_application(app, move |r| r.find_case_by_code(&hash)).await?;
    Ok(opened.map(|opened| Draft { opened, code }))
}

/// This browser's application for answering `step`, or the way to where it stands.
pub(super) async fn editable(
    request: &HttpRequest,
    app: &App,
    step: Step,
) -> Result<Result<Draft, HttpResponse>, AccountError> {
    let Some(draft) = find(request, app).await? else {
        return Ok(Err(see_other("/apply")));
    };
    if !draft.row.case.state.is_editable() {
        return Ok(Err(see_other("/apply/status")));
    }
    let asked = status::asked_for(&draft.row);
    if draft.may_answer(step, asked) {
        return Ok(Ok(draft));
    }
    let way = match draft.row.case.state {
        CaseState::MoreInformation => "/apply/status".to_owned(),
        _ => draft.next_path(),
    };
    Ok(Err(see_other(&way)))
}

/// Keeps what was answered.
pub(super) async fn save(
    request: &HttpRequest,
    app: &App,
    draft: &Draft,
    locale: Locale,
) -> Result<(), AccountError> {
    let id = draft.row.id;
    let row = id.to_string();
    let field: Field<'_> = application_field(&row);
    let sealed = seal(&draft.key, &field, &draft.application, app.sources.random())?;
    let document = draft.application.document;
    let now = app.sources.unix();
    let forgotten = now + i64::from(app.config.apply.draft_days) * SECONDS_PER_DAY;
    let actor = Actor::Person {
        id: draft.row.case.subject,
    };
    let event = event(
        request,
        app,
        actor,
        action::IDP_CASE_SAVED,
        format!("case:{id}"),
    );
    app.store
        .write(event, move |w| {
            let mut case = w.load_case(id)?;
            if !case.case.state.is_editable() {
                return Err(StoreError::Conflict(
                    "the application was handed in meanwhile",
                ));
            }
            case.application_sealed = sealed;
            case.document = document;
            case.locale = locale;
            case.updated_at = now;
            if case.case.state == CaseState::Draft {
                case.expires_at = Some(forgotten);
            }
            w.update_case(&case)
        })
        .await?;
    Ok(())
}
