//! `/apply/who` and `/apply/document`: who applies, and with which document.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::document::{ApplicantKind, DocumentKind};
use domain::kyc::Step;
use serde::Deserialize;

use super::draft::{self, Draft};
use super::fields::{Choice, Choosable, Part};
use super::view::{StepView, page};
use crate::account::answer;
use crate::app::App;
use crate::page::{FormErrors, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/apply/who").get(show_who).post(choose_who))
        .service(
            web::resource("/apply/document")
                .get(show_document)
                .post(choose_document),
        );
}

#[derive(Deserialize)]
struct Chosen {
    csrf: Option<String>,
    #[serde(default)]
    choice: String,
}

async fn show_who(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        match draft::editable(&request, &app, Step::Who).await? {
            Ok(draft) => Ok(who(&request, &app, &draft, false)),
            Err(way) => Ok(way),
        }
    })
    .await
}

fn who(request: &HttpRequest, app: &App, draft: &Draft, missing: bool) -> HttpResponse {
    let page = page(request, app, "apply-who-title");
    let options = ApplicantKind::ALL
        .into_iter()
        .map(|kind| Choosable {
            value: kind.as_str(),
            label: page.t(&format!("applicant-{}", kind.as_str())),
            hint: Some(page.t(&format!("applicant-{}-hint", kind.as_str()))),
            chosen: draft.application.applicant == Some(kind),
        })
        .collect();
    let mut errors = FormErrors::new();
    if missing {
        errors.add("choice", page.t("apply-who-missing"));
    }
    let error = errors.of("choice").map(ToOwned::to_owned);
    StepView::new(page, errors, Step::Who, draft)
        .part(Part::Choice(Choice {
            id: "choice",
            legend: None,
            error,
            options,
        }))
        .answer()
}

async fn choose_who(request: HttpRequest, app: Data<App>, form: Form<Chosen>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut draft = match draft::editable(&request, &app, Step::Who).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let Some(kind) = ApplicantKind::parse(&form.choice) else {
            return Ok(who(&request, &app, &draft, true));
        };
        draft.application.choose_applicant(kind);
        if let [only] = kind.documents() {
            draft.application.choose_document(*only);
        }
        let locale = page(&request, &app, "apply-who-title").locale();
        draft::save(&request, &app, &draft, locale).await?;
        Ok(see_other(&draft.next_path()))
    })
    .await
}

async fn show_document(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        match draft::editable(&request, &app, Step::Document).await? {
            Ok(draft) => Ok(document(&request, &app, &draft, false)),
            Err(way) => Ok(way),
        }
    })
    .await
}

fn documents(draft: &Draft) -> &'static [DocumentKind] {
    draft
        .application
        .applicant
        .map_or(&[], ApplicantKind::documents)
}

fn document(request: &HttpRequest, app: &App, draft: &Draft, missing: bool) -> HttpResponse {
    let page = page(request, app, "apply-document-title");
    let options = documents(draft)
        .iter()
        .map(|kind| Choosable {
            value: kind.as_str(),
            label: page.t(&format!("document-{}", kind.as_str())),
            hint: None,
            chosen: draft.application.document == Some(*kind),
        })
        .collect();
    let mut errors = FormErrors::new();
    if missing {
        errors.add("choice", page.t("apply-document-missing"));
    }
    let error = errors.of("choice").map(ToOwned::to_owned);
    StepView::new(page, errors, Step::Document, draft)
        .lead("apply-document-lead")
        .part(Part::Choice(Choice {
            id: "choice",
            legend: None,
            error,
            options,
        }))
        .answer()
}

async fn choose_document(request: HttpRequest, app: Data<App>, form: Form<Chosen>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut draft = match draft::editable(&request, &app, Step::Document).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let kind =
            DocumentKind::parse(&form.choice).filter(|kind| documents(&draft).contains(kind));
        let Some(kind) = kind else {
            return Ok(document(&request, &app, &draft, true));
        };
        let changed = draft.application.document != Some(kind);
        draft.application.choose_document(kind);
        let locale = page(&request, &app, "apply-document-title").locale();
        draft::save(&request, &app, &draft, locale).await?;
        // Whoever comes to mend the document goes on to its number even when the kind stays.
        let mends = !changed && draft.row.number.is_some();
        let way = if mends {
            draft::path(Step::Number)
        } else {
            draft.next_path()
        };
        Ok(see_other(&way))
    })
    .await
}
