//! `/sign/{id}`: what will be signed, the passkey's yes, and the signed file with its receipt.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue,
};
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use base64ct::{Base64UrlUnpadded, Encoding};
use domain::audit::{AuditEvent, action};
use jiff::SignedDuration;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::idp::{SigningCredential, SigningDocument};
use store::sealing::SubjectKey;
use uuid::Uuid;

use super::details::{self, Details, hex};
use super::{Assertion, CaError, ROLE};
use crate::account::{AccountError, Session, answer, session};
use crate::app::App;
use crate::page::{FormErrors, Page, PageError, check_csrf, respond, see_other};

/// Bytes of a kilobyte as people are told sizes.
const KILOBYTE: usize = 1024;

#[derive(Template)]
#[template(path = "sign/confirm.html")]
struct ConfirmView {
    page: Page,
    errors: FormErrors,
    id: String,
    details: Details,
    size: String,
    pages: String,
    rp_id: String,
    credential: String,
}

#[derive(Template)]
#[template(path = "sign/signed.html")]
struct SignedView {
    page: Page,
    id: String,
    details: Details,
    serial: String,
    at: String,
    until: String,
}

/// A document with everything that is needed to show it.
struct Loaded {
    session: Session,
    row: SigningDocument,
    credential: SigningCredential,
    key: SubjectKey,
    details: Details,
}

async fn load(request: &HttpRequest, app: &App, id: Uuid) -> Result<Loaded, AccountError> {
    let session = session::require_role(request, app, ROLE).await?;
    let account_id = session.account;
    let now = app.sources.unix();
    let (account, row, credential) = app
        .store
        .read(move |r| {
            let row = r.load_signing_document(account_id, &id.to_string())?;
            let credential = r
                .find_signing_credential(account_id)?
                .ok_or(store::StoreError::NotFound)?;
            Ok((r.load_account(account_id)?, row, credential))
        })
        .await?;
    if now >= row.expires_at {
        return Err(PageError::not_found(request, app).into());
    }
    let key = details::key(app, &account).await?;
    let details = details::open(&key, &row)?;
    Ok(Loaded {
        session,
        row,
        credential,
        key,
        details,
    })
}

pub(super) async fn show(request: HttpRequest, app: Data<App>, id: Path<Uuid>) -> HttpResponse {
    answer(&request, &app, async {
        let loaded = load(&request, &app, *id).await?;
        Ok(page(&request, &app, loaded, None))
    })
    .await
}

fn page(request: &HttpRequest, app: &App, loaded: Loaded, error: Option<&str>) -> HttpResponse {
    let Loaded {
        row,
        credential,
        details,
        ..
    } = loaded;
    if let Some(at) = details.signed_at {
        let page = Page::new(request, app, "signed-title").signed_in(true);
        let until = jiff::Timestamp::from_second(row.expires_at).unwrap_or(at);
        let view = SignedView {
            id: row.id,
            serial: credential.serial,
            at: page.moment(&at),
            until: page.moment(&until),
            details,
            page,
        };
        return respond(&view.page, &view, StatusCode::OK);
    }
    let page = Page::new(request, app, "sign-confirm-title").signed_in(true);
    let mut errors = FormErrors::new();
    if let Some(key) = error {
        errors.add("sign-confirm", page.t(key));
    }
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let view = ConfirmView {
        id: row.id,
        size: page.digits(&details.bytes.div_ceil(KILOBYTE).to_string()),
        pages: page.digits(&details.pages.to_string()),
        rp_id: app.config.issuer.host_str().unwrap_or_default().to_owned(),
        credential: Base64UrlUnpadded::encode_string(&credential.webauthn_id),
        details,
        errors,
        page,
    };
    respond(&view.page, &view, status)
}

#[derive(Deserialize)]
pub(super) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    credential_id: String,
    #[serde(default)]
    client_data_json: String,
    #[serde(default)]
    authenticator_data: String,
    #[serde(default)]
    signature: String,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    id: Path<Uuid>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let loaded = load(&request, &app, *id).await?;
        if form.signature.is_empty() {
            return Ok(page(&request, &app, loaded, Some("sign-needs-passkey")));
        }
        let assertion = Assertion {
            credential_id: form.credential_id.clone(),
            client_data_json: form.client_data_json.clone(),
            authenticator_data: form.authenticator_data.clone(),
            signature: form.signature.clone(),
        };
        match app.ca.sign_document(&loaded.row.id, &assertion).await {
            Ok(pdf) => {
                finish(&app, &loaded, &pdf).await?;
                Ok(see_other(&format!("/sign/{}", loaded.row.id)))
            }
            Err(CaError::Refused { status, problem }) if status < 500 => {
                tracing::info!(document = %loaded.row.id, problem, "signature refused");
                let key = match problem.as_str() {
                    "proof-refused" => "sign-proof-refused",
                    _ => "sign-too-late",
                };
                Ok(page(&request, &app, loaded, Some(key)))
            }
            Err(error) => Err(AccountError::Ca(error.to_string())),
        }
    })
    .await
}

async fn finish(app: &App, loaded: &Loaded, pdf: &[u8]) -> Result<(), AccountError> {
    let now = app.sources.now();
    let mut details = loaded.details.clone();
    let digest = hex(&Sha256::digest(pdf));
    details.result_digest = Some(digest.clone());
    details.signed_at = Some(now);
    let (account, id) = (loaded.session.account, loaded.row.id.clone());
    let sealed = details::seal(app, &loaded.key, &id, &details)?;
    let document = details::seal_document(app, &loaded.key, &id, pdf)?;
    let life = SignedDuration::from_mins(i64::from(app.ca.config().keep_minutes));
    let expires_at = now.saturating_add(life).unwrap_or(now).as_second();
    let event = AuditEvent::new(
        app.sources.uuid(),
        now,
        loaded.session.actor(Some(ROLE)),
        action::IDP_DOCUMENT_SIGNED,
        format!("document:{id}"),
    )
    .with_detail(serde_json::json!({
        "sha256": details.digest,
        "signed_sha256": digest,
        "serial": loaded.credential.serial,
    }));
    app.store
        .write(event, move |w| {
            w.finish_signing_document(
                account,
                &id,
                &sealed,
                &document,
                now.as_second(),
                expires_at,
            )
        })
        .await?;
    Ok(())
}

pub(super) async fn download(request: HttpRequest, app: Data<App>, id: Path<Uuid>) -> HttpResponse {
    answer(&request, &app, async {
        let loaded = load(&request, &app, *id).await?;
        let sealed = loaded
            .row
            .document_sealed
            .as_deref()
            .ok_or_else(|| PageError::not_found(&request, &app))?;
        let pdf = details::open_document(&loaded.key, &loaded.row.id, sealed)?;
        let name = signed_name(&loaded.details.name);
        let disposition = ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::FilenameExt(ExtendedValue {
                charset: Charset::Ext("UTF-8".to_owned()),
                language_tag: None,
                value: name.into_bytes(),
            })],
        };
        Ok(HttpResponse::Ok()
            .content_type("application/pdf")
            .insert_header(disposition)
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(pdf))
    })
    .await
}

/// `letter.pdf` becomes `letter-signed.pdf`.
fn signed_name(name: &str) -> String {
    let stem = name
        .strip_suffix(".pdf")
        .or_else(|| name.strip_suffix(".PDF"))
        .unwrap_or(name);
    format!("{stem}-signed.pdf")
}
