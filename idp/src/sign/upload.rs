//! `/sign`: an official hands a PDF over.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use bytes::Bytes;
use domain::audit::{AuditEvent, action};
use futures_util::StreamExt;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use store::idp::{SigningCredential, SigningDocument};

use super::details::{self, Details, clean_name, hex};
use super::{CaError, PreparedDocument, ROLE};
use crate::account::{AccountError, Session, answer, session};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

/// Longest value of a field that is no file, in bytes.
const FIELD_MAX: usize = 1_000;
/// Longest reason, in characters.
const REASON_MAX: usize = 200;
/// Most parts of the form.
const PARTS_MAX: usize = 8;
/// What the streams of a file may grow to when unpacked.
const UNPACKED_MAX: usize = 64 * 1024 * 1024;
/// The name of the kind of file, as its first bytes say.
const PDF: &str = "application/pdf";

#[derive(Template)]
#[template(path = "sign/upload.html")]
struct View {
    page: Page,
    errors: FormErrors,
    reason: String,
    megabytes: String,
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require_role(&request, &app, ROLE).await?;
        credential(&app, &session).await?;
        Ok(form(&request, &app, String::new(), None))
    })
    .await
}

fn form(
    request: &HttpRequest,
    app: &App,
    reason: String,
    error: Option<(&'static str, &str)>,
) -> HttpResponse {
    let page = Page::new(request, app, "sign-title").signed_in(true);
    let megabytes = page.digits(&(app.ca.config().document_max_bytes / 1024 / 1024).to_string());
    let pages = page.digits(&app.ca.config().document_max_pages.to_string());
    let mut errors = FormErrors::new();
    if let Some((field, key)) = error {
        errors.add(
            field,
            page.t2(key, "max", megabytes.as_str(), "pages", pages),
        );
    }
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let view = View {
        page,
        errors,
        reason,
        megabytes,
    };
    respond(&view.page, &view, status)
}

/// The official's signing credential, or the way to set one up.
async fn credential(app: &App, session: &Session) -> Result<SigningCredential, AccountError> {
    let account = session.account;
    app.store
        .read(move |r| r.find_signing_credential(account))
        .await?
        .ok_or_else(|| AccountError::Elsewhere("/sign/setup".to_owned()))
}

#[derive(Default)]
struct Received {
    csrf: Option<String>,
    reason: String,
    name: String,
    content: Vec<u8>,
    too_large: bool,
}

pub(super) async fn submit(request: HttpRequest, app: Data<App>, body: Multipart) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require_role(&request, &app, ROLE).await?;
        let credential = credential(&app, &session).await?;
        let received = read(&request, &app, body).await?;
        let reason = received.reason.clone();
        match hand_over(&app, &session, &credential, received).await {
            Ok(id) => Ok(see_other(&format!("/sign/{id}"))),
            Err(Refusal::Said(key)) => Ok(form(&request, &app, reason, Some(("document", key)))),
            Err(Refusal::Fault(error)) => Err(error),
        }
    })
    .await
}

/// Reads the form; the token stands before the file, so that nothing of a foreign form is kept.
async fn read(
    request: &HttpRequest,
    app: &App,
    mut body: Multipart,
) -> Result<Received, AccountError> {
    let malformed = || AccountError::Invalid("multipart form");
    let mut received = Received::default();
    let mut checked = false;
    let mut parts = 0;
    while let Some(part) = body.next().await {
        let mut part = part.map_err(|_| malformed())?;
        parts += 1;
        if parts > PARTS_MAX {
            return Err(malformed());
        }
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = name == "document";
        if is_file {
            check_csrf(request, app, received.csrf.as_deref())?;
            checked = true;
            let sent = part
                .content_disposition()
                .and_then(|d| d.get_filename())
                .unwrap_or_default();
            received.name = clean_name(sent);
        }
        let limit = if is_file {
            app.ca.config().document_max_bytes
        } else {
            FIELD_MAX
        };
        let mut content = Vec::new();
        let mut over = false;
        while let Some(chunk) = part.next().await {
            let chunk = chunk.map_err(|_| malformed())?;
            // Read to the end and dropped, so that the browser gets an answer.
            over |= content.len() + chunk.len() > limit;
            if over {
                content = Vec::new();
            } else {
                content.extend_from_slice(&chunk);
            }
        }
        match name.as_str() {
            "document" => (received.content, received.too_large) = (content, over),
            "csrf" => received.csrf = String::from_utf8(content).ok(),
            "reason" => received.reason = String::from_utf8(content).map_err(|_| malformed())?,
            _ => {}
        }
    }
    if !checked {
        check_csrf(request, app, received.csrf.as_deref())?;
    }
    Ok(received)
}

/// Why a document was not taken.
enum Refusal {
    /// A text key for the official.
    Said(&'static str),
    Fault(AccountError),
}

impl<E: Into<AccountError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

async fn hand_over(
    app: &App,
    session: &Session,
    credential: &SigningCredential,
    received: Received,
) -> Result<String, Refusal> {
    if received.too_large {
        return Err(Refusal::Said("sign-too-large"));
    }
    if received.content.is_empty() {
        return Err(Refusal::Said("sign-no-document"));
    }
    let reason: String = received
        .reason
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(REASON_MAX)
        .collect();
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    let pdf = Bytes::from(received.content);
    let pages = count_pages(app, pdf.clone())
        .await?
        .ok_or(Refusal::Said("sign-not-pdf"))?;
    if pages == 0 || pages > app.ca.config().document_max_pages {
        return Err(Refusal::Said("sign-pages"));
    }
    let prepared = app
        .ca
        .prepare_document(&credential.id, reason.as_deref(), pdf.clone())
        .await
        .map_err(|error| refusal(&error))?;
    let details = Details {
        name: received.name,
        reason,
        bytes: pdf.len(),
        pages,
        digest: hex(&Sha256::digest(&pdf)),
        signed_digest: prepared.digest.clone(),
        challenge: prepared.challenge.clone(),
        result_digest: None,
        signed_at: None,
    };
    keep(app, session, credential, &prepared, &details).await?;
    Ok(prepared.id.to_string())
}

fn refusal(error: &CaError) -> Refusal {
    if error.is("document-refused") {
        Refusal::Said("sign-refused")
    } else {
        Refusal::Fault(AccountError::Ca(error.to_string()))
    }
}

async fn keep(
    app: &App,
    session: &Session,
    credential: &SigningCredential,
    prepared: &PreparedDocument,
    details: &Details,
) -> Result<(), AccountError> {
    let id = session.account;
    let account = app.store.read(move |r| r.load_account(id)).await?;
    let key = details::key(app, &account).await?;
    let now = app.sources.now();
    let life = SignedDuration::from_mins(i64::from(app.ca.config().keep_minutes));
    let document = prepared.id.to_string();
    let row = SigningDocument {
        details_sealed: details::seal(app, &key, &document, details)?,
        account_id: session.account.to_string(),
        credential_id: credential.id.clone(),
        state: "waiting".to_owned(),
        document_sealed: None,
        created_at: now.as_second(),
        signed_at: None,
        expires_at: now.saturating_add(life).unwrap_or(now).as_second(),
        id: document,
    };
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        session.actor(Some(ROLE)),
        action::IDP_DOCUMENT_PREPARED,
        format!("document:{}", row.id),
    )
    .with_detail(serde_json::json!({ "sha256": details.digest, "credential": row.credential_id }));
    Ok(app
        .store
        .write(event, move |w| w.insert_signing_document(&row))
        .await?)
}

/// Pages of a PDF, judged by its content; `None` when it is none or cannot be read.
async fn count_pages(app: &App, pdf: Bytes) -> Result<Option<usize>, AccountError> {
    let is_pdf = infer::get(&pdf).is_some_and(|kind| kind.mime_type() == PDF);
    if !is_pdf {
        return Ok(None);
    }
    let pages = service::blocking(&app.pool, move || {
        let options = lopdf::LoadOptions::with_max_decompressed_size(UNPACKED_MAX);
        lopdf::Document::load_mem_with_options(&pdf, options)
            .ok()
            .filter(|document| !document.is_encrypted())
            .map(|document| document.get_pages().len())
    })
    .await?;
    Ok(pages)
}
