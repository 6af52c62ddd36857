//! `/apply/photos`: pictures of the document and of the applicant. Good ones are kept even when others are refused.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::{Actor, action};
use domain::document::{ImageRole, KH_2026_11};
use domain::kyc::Step;
use sha2::{Digest, Sha256};
use store::StoreError;
use store::idp::EvidenceItem;
use store::sealing::Field;

use super::draft::{self, Draft};
use super::upload::{self, Malformed, Received};
use super::vault::event;
use super::view::progress;
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::evidence::{Clean, EvidenceFiles, UploadError, inspect};
use crate::page::{FormErrors, Page, PageError, check_csrf, respond, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/photos").get(show).post(take));
}

/// One picture asked for.
struct Slot {
    id: &'static str,
    label: String,
    hint: String,
    accept: &'static str,
    error: Option<String>,
    /// What is there already.
    held: Option<String>,
}

#[derive(Template)]
#[template(path = "apply/photos.html")]
struct View {
    page: Page,
    errors: FormErrors,
    progress: Option<String>,
    slots: Vec<Slot>,
    code: Option<String>,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        match draft::editable(&request, &app, Step::Photos).await? {
            Ok(draft) => Ok(view(&request, &app, &draft, FormErrors::new())),
            Err(way) => Ok(way),
        }
    })
    .await
}

fn asked(draft: &Draft) -> &'static [ImageRole] {
    draft
        .application
        .rule(&KH_2026_11)
        .map_or(&[], |rule| rule.images)
}

fn view(request: &HttpRequest, app: &App, draft: &Draft, errors: FormErrors) -> HttpResponse {
    let page = Page::new(request, app, "apply-photos-title");
    let slots = asked(draft)
        .iter()
        .map(|role| {
            let id = role.as_str();
            let held = draft
                .evidence
                .iter()
                .find(|item| item.role == *role)
                .map(|item| held(&page, item));
            Slot {
                id,
                label: page.t(&format!("photo-{}", id.replace('_', "-"))),
                hint: page.t(&format!("photo-{}-hint", id.replace('_', "-"))),
                accept: if role.accepts_pdf() {
                    "image/jpeg,image/png,application/pdf"
                } else {
                    "image/jpeg,image/png"
                },
                error: errors.of(id).map(ToOwned::to_owned),
                held,
            }
        })
        .collect();
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let progress = Some(progress(&page, Step::Photos));
    let view = View {
        page,
        errors,
        progress,
        slots,
        code: Some(draft.code.clone()),
    };
    respond(&view.page, &view, status)
}

fn held(page: &Page, item: &EvidenceItem) -> String {
    match (item.pixels, item.pages) {
        (_, Some(pages)) => page.t1("photo-held-pdf", "pages", page.digits(&pages.to_string())),
        (Some((width, height)), None) => {
            let size = format!("{width} × {height}");
            page.t1("photo-held", "size", size)
        }
        (None, None) => page.t1("photo-held", "size", item.size.to_string()),
    }
}

async fn take(request: HttpRequest, app: Data<App>, body: Payload) -> HttpResponse {
    let form = upload::open(&request, body);
    answer(&request, &app, async {
        let upload = upload::read(form, |token| {
            check_csrf(&request, &app, token).map_err(AccountError::from)
        })
        .await
        .map_err(|error| match error {
            AccountError::Invalid(_) => PageError::bad_request(&request, &app, error).into(),
            other => other,
        })?;
        let mut draft = match draft::editable(&request, &app, Step::Photos).await? {
            Ok(draft) => draft,
            Err(way) => return Ok(way),
        };
        let page = Page::new(&request, &app, "apply-photos-title");
        let mut errors = FormErrors::new();
        let asked = asked(&draft);
        for file in upload
            .files
            .into_iter()
            .filter(|file| asked.contains(&file.role))
        {
            let role = file.role;
            match examine(&app, file).await? {
                Ok(clean) => {
                    let item = keep(&request, &app, &draft, role, clean).await?;
                    draft.evidence.retain(|old| old.role != role);
                    draft.evidence.push(item);
                }
                Err(error) => errors.add(role.as_str(), page.t(error.key())),
            }
        }
        for role in asked {
            if !errors.has(role.as_str()) && !draft.roles().contains(role) {
                errors.add(role.as_str(), page.t("photo-missing"));
            }
        }
        if errors.is_empty() {
            Ok(see_other(&draft.next_path()))
        } else {
            Ok(view(&request, &app, &draft, errors))
        }
    })
    .await
}

impl From<Malformed> for AccountError {
    fn from(error: Malformed) -> Self {
        tracing::info!(%error, "upload refused");
        Self::Invalid("the form could not be read")
    }
}

/// Decoding is the costliest thing a stranger can ask for: it runs in the bounded pool.
async fn examine(app: &App, file: Received) -> Result<Result<Clean, UploadError>, AccountError> {
    let Received {
        role,
        declared,
        content,
    } = file;
    let bytes = match content {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    let inspected = service::blocking(&app.pool, move || {
        inspect(&bytes, declared.as_deref(), role.accepts_pdf())
    });
    Ok(inspected.await?)
}

/// Seals the picture into a file, durable before the row that names it.
async fn keep(
    request: &HttpRequest,
    app: &App,
    draft: &Draft,
    role: ImageRole,
    clean: Clean,
) -> Result<EvidenceItem, AccountError> {
    let (id, case, now) = (app.sources.uuid(), draft.row.id, app.sources.unix());
    let (key, sealer, nonce) = (
        draft.key.clone(),
        app.sealer.clone(),
        app.sources.random::<12>(),
    );
    let folder = app.config.evidence.clone();
    let item = service::blocking(&app.pool, move || -> Result<_, AccountError> {
        let content = crate::evidence::hex(&Sha256::digest(&clean.bytes));
        let content_index = sealer.blind_index("evidence-content", &content)?;
        let row = id.to_string();
        let field = Field {
            table: "kyc_evidence",
            column: "blob",
            row: &row,
        };
        let blob = key.seal(&field, &clean.bytes, nonce)?;
        let blob_digest = EvidenceFiles::open(&folder)?.write(&blob)?;
        Ok(EvidenceItem {
            id,
            case,
            role,
            media_type: clean.media_type.to_owned(),
            size: i64::try_from(clean.bytes.len()).unwrap_or(i64::MAX),
            pixels: clean
                .pixels
                .map(|(width, height)| (i64::from(width), i64::from(height))),
            pages: clean.pages.and_then(|pages| i64::try_from(pages).ok()),
            content_index,
            blob_digest,
            created_at: now,
        })
    })
    .await??;
    let actor = Actor::Person {
        id: draft.row.case.subject,
    };
    let event = event(
        request,
        app,
        actor,
        action::IDP_EVIDENCE_STORED,
        format!("case:{case}"),
    )
    .with_detail(serde_json::json!({ "role": role.as_str(), "media_type": item.media_type }));
    let row = item.clone();
    let replaced = app
        .store
        .write(event, move |w| {
            if !w.load_case(case)?.case.state.is_editable() {
                return Err(StoreError::Conflict(
                    "the application was handed in meanwhile",
                ));
            }
            w.replace_evidence(&row)
        })
        .await?;
    if let Some(old) = replaced {
        let folder = app.config.evidence.clone();
        let removed = service::blocking(&app.pool, move || {
            EvidenceFiles::open(&folder)?.remove(&old)
        })
        .await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(case = %case, "a replaced picture could not be removed");
        }
    }
    Ok(item)
}

impl From<crate::evidence::FileError> for AccountError {
    fn from(error: crate::evidence::FileError) -> Self {
        match error {
            crate::evidence::FileError::Io(error) => Self::File(error),
            other => Self::File(std::io::Error::other(other)),
        }
    }
}
