//! `/desk/cases/{id}`: evidence left, computed checks right, the level with its rule, the decision last.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::action;
use domain::document::ImageRole;
use domain::kyc::{CaseState, Lease, ReasonCode, Stage};
use store::idp::{CheckItem, DecisionItem};
use uuid::Uuid;

use super::decision::DecisionForm;
use super::findings::{self, Row};
use super::officer::{self, Officer};
use super::queue::{age, clock};
use super::{approval, refusal};
use crate::account::access_log::{self, Access, AccessBy};
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::apply::{Opened, event, open_application};
use crate::page::{FormErrors, Page, PageError, respond};

/// Most cases named as using the same document.
const MAX_DUPLICATES: i64 = 10;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/desk/cases/{id}").get(show));
}

struct Picture {
    id: Uuid,
    label: String,
    is_pdf: bool,
    width: i64,
    height: i64,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

/// A decision shown once it may be.
struct Made {
    stage: String,
    verdict: String,
    reason: Option<String>,
    at: String,
}

#[derive(Template)]
#[template(path = "desk/case.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what the page shows or ticks, each by itself"
)]
struct View {
    page: Page,
    errors: FormErrors,
    office: String,
    id: Uuid,
    stage: String,
    second: bool,
    until: String,
    waiting: String,
    oldest: Option<String>,
    document: String,
    pictures: Vec<Picture>,
    zone: Vec<String>,
    khmer: Option<String>,
    latin: String,
    zone_name: Option<String>,
    birth: String,
    sex: String,
    entity: Option<String>,
    document_number: String,
    rows: Vec<Row>,
    duplicates: Vec<String>,
    level: Option<(String, String)>,
    policy: &'static str,
    reasons: Vec<Choice>,
    note: String,
    digest: String,
    has_portrait: bool,
    document_genuine: bool,
    face_matches: bool,
}

#[derive(Template)]
#[template(path = "desk/closed.html")]
struct Closed {
    page: Page,
    office: String,
    id: Uuid,
    number: String,
    state: String,
    /// Whether the officer can take it now.
    can_take: bool,
    decisions: Vec<Made>,
}

async fn show(request: HttpRequest, app: Data<App>, path: Path<Uuid>) -> HttpResponse {
    answer(&request, &app, async {
        let officer = officer::require(&request, &app).await?;
        let id = path.into_inner();
        let opened = open_application(&app, move |r| r.find_case(id))
            .await?
            .filter(|opened| opened.row.case.state != CaseState::Draft)
            .ok_or_else(|| PageError::not_found(&request, &app))?;
        if lease(&app, &officer, &opened).is_none() {
            return closed(&request, &app, &officer, &opened).await;
        }
        record_look(&request, &app, &officer, &opened).await?;
        show_with(
            &request,
            &app,
            &officer,
            &opened,
            &DecisionForm::default(),
            FormErrors::new(),
        )
        .await
    })
    .await
}

fn lease(app: &App, officer: &Officer, opened: &Opened) -> Option<(Stage, Lease)> {
    match opened.row.case.state {
        CaseState::InReview(stage, lease)
            if lease.officer == officer.account() && lease.until > app.sources.now() =>
        {
            Some((stage, lease))
        }
        _ => None,
    }
}

async fn record_look(
    request: &HttpRequest,
    app: &App,
    officer: &Officer,
    opened: &Opened,
) -> Result<(), AccountError> {
    let access = access_log::prepare(
        app,
        &Access {
            subject: opened.row.case.subject,
            by: AccessBy::Staff {
                account: officer.account(),
                role: officer.role,
                office: officer.office(),
            },
            purpose: "access-proofing".to_owned(),
            items: vec!["evidence-application".to_owned()],
            reference: opened.row.number.clone(),
        },
    );
    let object = format!("case:{}", opened.row.id);
    let event = event(
        request,
        app,
        officer.actor(),
        action::IDP_EVIDENCE_VIEWED,
        object,
    );
    app.store
        .write(event, move |w| access_log::record(w, &access))
        .await?;
    Ok(())
}

/// A case that is not in the officer's hands: no personal data; decisions only once all are made.
async fn closed(
    request: &HttpRequest,
    app: &App,
    officer: &Officer,
    opened: &Opened,
) -> Result<HttpResponse, AccountError> {
    let row = &opened.row;
    let who = officer.for_case(app, row, Some(opened)).await?;
    let may_take = row.case.may_take(who, app.sources.now());
    let is_final = matches!(row.case.state, CaseState::Approved | CaseState::Rejected);
    let decided_here = row
        .case
        .decisions
        .iter()
        .any(|made| made.officer == officer.account());
    if let Err(refused) = may_take
        && row.case.state.stage().is_some()
        && !decided_here
    {
        return refusal::refuse(request, app, officer, row.id, refused).await;
    }
    let id = row.id;
    let decisions = if is_final {
        app.store.read(move |r| r.list_decisions(id)).await?
    } else {
        Vec::new()
    };
    let page = Page::new(request, app, "desk-case-title").signed_in(true);
    let state = match row.case.state {
        CaseState::Waiting(_) | CaseState::InReview(..) if decided_here => {
            "desk-state-decided-by-you".to_owned()
        }
        state => format!("desk-state-{}", state.as_str().replace('_', "-")),
    };
    let view = Closed {
        office: officer.office(),
        id,
        number: row.number.clone().unwrap_or_default(),
        state: page.t(&state),
        can_take: may_take.is_ok(),
        decisions: decisions.iter().map(|made| shown(&page, made)).collect(),
        page,
    };
    Ok(respond(&view.page, &view, StatusCode::OK))
}

fn shown(page: &Page, made: &DecisionItem) -> Made {
    let decision = &made.recorded.decision;
    Made {
        stage: page.t(&format!("desk-stage-{}", made.recorded.stage.as_str())),
        verdict: page.t(&format!("verdict-{}", decision.verdict.as_str())),
        reason: decision
            .reason
            .map(|reason| page.t(&format!("desk-reason-{}", reason.as_str()))),
        at: page.moment(&made.recorded.at),
    }
}

/// The case in the officer's hands, with what a form got wrong.
pub(super) async fn show_with(
    request: &HttpRequest,
    app: &App,
    officer: &Officer,
    opened: &Opened,
    form: &DecisionForm,
    errors: FormErrors,
) -> Result<HttpResponse, AccountError> {
    let Some((stage, lease)) = lease(app, officer, opened) else {
        return closed(request, app, officer, opened).await;
    };
    let row = &opened.row;
    let (id, revision, subject) = (row.id, row.case.revision, row.case.subject);
    let index = row.document_index.clone();
    let (checks, others, (count, oldest)) = app
        .store
        .read(move |r| {
            let others = match index {
                Some(index) => r.list_cases_with_document(&index, subject, MAX_DUPLICATES)?,
                None => Vec::new(),
            };
            Ok((r.list_checks(id, revision)?, others, r.measure_queue()?))
        })
        .await?;
    let now = app.sources.now();
    let page = Page::new(request, app, "desk-case-title").signed_in(true);
    let title = page.t1(
        "desk-case-heading",
        "number",
        row.number.clone().unwrap_or_default(),
    );
    let page = page.with_title(title);
    let view = View {
        office: officer.office(),
        id,
        stage: page.t(&format!("desk-stage-{}", stage.as_str())),
        second: stage != Stage::First,
        until: clock(&page, lease.until.as_second()),
        waiting: page.digits(&count.to_string()),
        oldest: oldest.map(|second| age(&page, now, second)),
        duplicates: others
            .into_iter()
            .filter_map(|(_, number)| number)
            .collect(),
        level: level(&page, opened, &checks, now)?,
        policy: domain::assurance::KH_2026_11.version,
        reasons: reasons(&page, &form.reason),
        note: form.note.clone(),
        document_genuine: form.document_genuine.is_some(),
        face_matches: form.face_matches.is_some(),
        rows: findings::rows(&page, &opened.key, &checks)?,
        ..applicant(&page, opened, app)
    };
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let view = View {
        page,
        errors,
        ..view
    };
    Ok(respond(&view.page, &view, status))
}

/// What the applicant handed in.
fn applicant(page: &Page, opened: &Opened, app: &App) -> View {
    let application = &opened.application;
    let zone = application.read_zone(domain::kyc::today_in_cambodia(app.sources.now()));
    let place = |role| ImageRole::ALL.iter().position(|known| *known == role);
    let mut evidence: Vec<_> = opened.evidence.iter().collect();
    evidence.sort_by_key(|item| place(item.role));
    let pictures = evidence.into_iter().map(|item| {
        let (width, height) = item.pixels.unwrap_or_default();
        Picture {
            id: item.id,
            label: match item.role {
                ImageRole::Portrait => page.t("desk-photo-portrait"),
                role => page.t(&format!("photo-{}", role.as_str().replace('_', "-"))),
            },
            is_pdf: item.media_type == "application/pdf",
            width,
            height,
        }
    });
    let birth = application.birth_date;
    View {
        page: page.clone(),
        errors: FormErrors::new(),
        office: String::new(),
        id: opened.row.id,
        stage: String::new(),
        second: false,
        until: String::new(),
        waiting: String::new(),
        oldest: None,
        document: application
            .document
            .map(|kind| page.t(&format!("document-{}", kind.as_str())))
            .unwrap_or_default(),
        pictures: pictures.collect(),
        zone: application
            .zone
            .iter()
            .flat_map(|zone| zone.lines())
            .map(ToOwned::to_owned)
            .collect(),
        khmer: application
            .khmer
            .as_ref()
            .map(domain::name::NameParts::full),
        latin: application
            .latin
            .as_ref()
            .map(domain::name::NameParts::full)
            .unwrap_or_default(),
        zone_name: zone.map(|zone| zone.name.full()),
        birth: birth
            .map(|birth| {
                birth
                    .full()
                    .map_or_else(|| birth.to_string(), |date| page.date(&date))
            })
            .unwrap_or_default(),
        sex: application
            .sex
            .map(|sex| page.t(&format!("sex-{}", sex.as_str())))
            .unwrap_or_default(),
        entity: application
            .entity
            .as_ref()
            .map(|entity| format!("{} · {}", entity.khmer, entity.latin)),
        document_number: application.number.clone().unwrap_or_default(),
        rows: Vec::new(),
        duplicates: Vec::new(),
        level: None,
        policy: "",
        reasons: Vec::new(),
        note: String::new(),
        digest: crate::evidence::hex(&opened.row.case.evidence_digest.unwrap_or_default()),
        has_portrait: opened
            .evidence
            .iter()
            .any(|item| item.role == ImageRole::Portrait),
        document_genuine: false,
        face_matches: false,
    }
}

fn level(
    page: &Page,
    opened: &Opened,
    checks: &[CheckItem],
    now: jiff::Timestamp,
) -> Result<Option<(String, String)>, AccountError> {
    Ok(
        approval::level_if_approved(opened, checks, now)?.map(|assurance| {
            let number = page.digits(&assurance.ial().to_string());
            (number, page.t(assurance.reason().key()))
        }),
    )
}

fn reasons(page: &Page, chosen: &str) -> Vec<Choice> {
    ReasonCode::ALL
        .into_iter()
        .map(|reason| Choice {
            value: reason.as_str(),
            label: page.t(&format!("desk-reason-{}", reason.as_str())),
            chosen: reason.as_str() == chosen,
        })
        .collect()
}
