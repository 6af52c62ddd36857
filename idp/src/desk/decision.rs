//! `/desk/cases/{id}/decision`: approve, refuse, ask for more.

use actix_web::web::{self, Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use domain::kyc::{Decision, ReasonCode, Refusal, Verdict};
use serde::Deserialize;
use store::StoreError;
use uuid::Uuid;

use super::decide::{Judgement, decide};
use super::{case, officer, refusal};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::apply::open_application;
use crate::page::{FormErrors, Page, PageError, check_csrf, see_other};

/// Longest note to the applicant, in characters.
const MAX_NOTE: usize = 500;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/desk/cases/{id}/decision").post(take));
}

/// A decision as sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct DecisionForm {
    csrf: Option<String>,
    verdict: String,
    pub(super) reason: String,
    pub(super) note: String,
    evidence_digest: String,
    pub(super) document_genuine: Option<String>,
    pub(super) face_matches: Option<String>,
}

async fn take(
    request: HttpRequest,
    app: Data<App>,
    path: Path<Uuid>,
    form: Form<DecisionForm>,
) -> HttpResponse {
    answer(&request, &app, async {
        let officer = officer::require(&request, &app).await?;
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let id = path.into_inner();
        let opened = open_application(&app, move |r| r.find_case(id))
            .await?
            .ok_or_else(|| PageError::not_found(&request, &app))?;
        let verdict = Verdict::parse(&form.verdict)
            .ok_or_else(|| PageError::bad_request(&request, &app, "unknown verdict"))?;
        // Whether the officer may decide at all comes before what they decide.
        let who = officer.for_case(&app, &opened.row, Some(&opened)).await?;
        if let Err(refused) = opened.row.case.may_take(who, app.sources.now()) {
            return refusal::refuse(&request, &app, &officer, id, refused).await;
        }
        let page = Page::new(&request, &app, "desk-case-title").signed_in(true);
        let errors = errors(
            &page,
            &form,
            verdict,
            opened
                .evidence
                .iter()
                .any(|item| item.role == domain::document::ImageRole::Portrait),
        );
        if !errors.is_empty() {
            return case::show_with(&request, &app, &officer, &opened, &form, errors).await;
        }
        let judgement = Judgement {
            decision: Decision {
                verdict,
                reason: match verdict {
                    Verdict::Approve => None,
                    _ => ReasonCode::parse(&form.reason),
                },
                evidence_digest: digest(&form.evidence_digest).unwrap_or_default(),
            },
            note: match form.note.trim() {
                "" => None,
                note => Some(note.to_owned()),
            },
        };
        match decide(&request, &app, &officer, &opened, judgement).await {
            Ok(Ok(_)) => Ok(see_other(&format!("/desk/cases/{id}"))),
            Ok(Err(refused)) => refusal::refuse(&request, &app, &officer, id, refused).await,
            Err(AccountError::Store(StoreError::Conflict(_))) => {
                refusal::refuse(&request, &app, &officer, id, Refusal::EvidenceChanged).await
            }
            Err(other) => Err(other),
        }
    })
    .await
}

fn errors(page: &Page, form: &DecisionForm, verdict: Verdict, has_portrait: bool) -> FormErrors {
    let mut errors = FormErrors::new();
    if verdict == Verdict::Approve {
        if form.document_genuine.is_none() {
            errors.add("document_genuine", page.t("desk-tick-document"));
        }
        if has_portrait && form.face_matches.is_none() {
            errors.add("face_matches", page.t("desk-tick-face"));
        }
    } else {
        match ReasonCode::parse(&form.reason) {
            None => errors.add("reason", page.t("desk-reason-missing")),
            Some(reason) if !reason.fits(verdict) => {
                errors.add("reason", page.t("desk-reason-unfit"));
            }
            Some(_) => {}
        }
    }
    if form.note.chars().count() > MAX_NOTE {
        errors.add(
            "note",
            page.t1("desk-note-long", "max", page.digits(&MAX_NOTE.to_string())),
        );
    }
    errors
}

/// 64 hexadecimal digits as bytes.
fn digest(text: &str) -> Option<[u8; 32]> {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}
