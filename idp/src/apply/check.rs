//! `/apply/check`: all answers once more, then handing in.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::document::KH_2026_11;
use domain::kyc::{Application, CaseState, Step};
use domain::name::NameParts;
use store::StoreError;

use super::draft::{self, Draft};
use super::start::Token;
use super::submit::submit;
use super::view::progress;
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{Page, check_csrf, respond, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/check").get(show).post(take));
}

/// One answer and the page that changes it.
struct Answered {
    id: &'static str,
    label: String,
    values: Vec<String>,
    mono: bool,
    change: Option<String>,
}

#[derive(Template)]
#[template(path = "apply/check.html")]
struct View {
    page: Page,
    progress: Option<String>,
    answers: Vec<Answered>,
    code: Option<String>,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let draft = match complete(&request, &app).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let page = Page::new(&request, &app, "apply-check-title");
        let answers = answers(&page, &draft);
        let progress = Some(progress(&page, Step::Check));
        let view = View {
            progress,
            answers,
            code: Some(draft.code.clone()),
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

/// The application with every question answered, or the way to the first that is not.
async fn complete(
    request: &HttpRequest,
    app: &App,
) -> Result<Result<Draft, HttpResponse>, AccountError> {
    let draft = match draft::editable(request, app, Step::Check).await? {
        Ok(draft) => draft,
        Err(way) => return Ok(Err(way)),
    };
    Ok(if draft.next_step() == Step::Check {
        Ok(draft)
    } else {
        Err(see_other(&draft.next_path()))
    })
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<Token>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let draft = match complete(&request, &app).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        match submit(&request, &app, &draft).await {
            Ok(_) => Ok(see_other("/apply/receipt")),
            // Sent twice, or changed in another window: the page shows how things stand.
            Err(AccountError::Store(StoreError::Conflict(_))) => Ok(see_other("/apply/status")),
            Err(other) => Err(other),
        }
    })
    .await
}

fn answers(page: &Page, draft: &Draft) -> Vec<Answered> {
    let application = &draft.application;
    // After an officer's question only the page that was asked for can be changed.
    let free = draft.row.case.state == CaseState::Draft;
    let row = |id: &'static str, step: Step, values: Vec<String>| Answered {
        id,
        label: page.t(&format!("check-{id}")),
        values,
        mono: false,
        change: free.then(|| draft::path(step)),
    };
    let full = |name: &Option<NameParts>| name.as_ref().map(NameParts::full);
    let mut rows = vec![
        row(
            "who",
            Step::Who,
            one(application
                .applicant
                .map(|who| page.t(&format!("applicant-{}", who.as_str())))),
        ),
        row(
            "document",
            Step::Document,
            one(application
                .document
                .map(|kind| page.t(&format!("document-{}", kind.as_str())))),
        ),
        row("number", Step::Number, one(application.number.clone())),
    ];
    if let Some(zone) = &application.zone {
        let lines = zone.lines().map(ToOwned::to_owned).collect();
        rows.push(Answered {
            mono: true,
            ..row("zone", Step::Number, lines)
        });
    }
    if let Some(last) = application.expires_on {
        rows.push(row("expires", Step::Number, vec![page.date(&last)]));
    }
    rows.push(row("photos", Step::Photos, photos(page, draft)));
    if let Some(entity) = &application.entity {
        rows.push(row(
            "entity",
            Step::Name,
            vec![entity.khmer.clone(), entity.latin.clone()],
        ));
    }
    let names = full(&application.khmer)
        .into_iter()
        .chain(full(&application.latin))
        .collect();
    rows.push(row("name", Step::Name, names));
    rows.push(row("birth", Step::Name, one(birth(page, application))));
    rows.push(row(
        "sex",
        Step::Name,
        one(application
            .sex
            .map(|sex| page.t(&format!("sex-{}", sex.as_str())))),
    ));
    let contact = application
        .contact
        .as_ref()
        .map(|contact| contact.value.clone());
    rows.push(row("contact", Step::Contact, one(contact)));
    rows
}

fn one(value: Option<String>) -> Vec<String> {
    value.into_iter().collect()
}

fn birth(page: &Page, application: &Application) -> Option<String> {
    let birth = application.birth_date?;
    Some(
        birth
            .full()
            .map_or_else(|| birth.to_string(), |date| page.date(&date)),
    )
}

fn photos(page: &Page, draft: &Draft) -> Vec<String> {
    let asked = draft
        .application
        .rule(&KH_2026_11)
        .map_or(&[][..], |rule| rule.images);
    let held = draft
        .evidence
        .iter()
        .filter(|item| asked.contains(&item.role));
    held.map(|item| page.t(&format!("photo-{}", item.role.as_str().replace('_', "-"))))
        .collect()
}
