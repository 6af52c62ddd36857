//! `POST /documents?credential=ID&level=b-b|b-t&reason=..&location=..` with a PDF as body.

use actix_web::{HttpRequest, HttpResponse, web};
use ades::pades::Level;
use base64ct::{Base64UrlUnpadded, Encoding};
use domain::certificate::Permission;
use serde::Deserialize;
use uuid::Uuid;

use crate::app::App;
use crate::auth;
use crate::error::Error;
use crate::hex;
use crate::signing::documents::{self, NewDocument};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    credential: Uuid,
    level: Level,
    reason: Option<String>,
    location: Option<String>,
}

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    query: web::Query<Query>,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let app = app.into_inner();
    // Who may not sign is turned away before the body is read.
    let caller = auth::require(&app, &request, Permission::SignDocuments).await?;
    super::expect_type(request.headers(), "application/pdf")?;
    let limit = app.config.signing.max_document_bytes;
    let body = payload
        .to_bytes_limited(limit)
        .await
        .map_err(|_| Error::TooLarge(limit))?
        .map_err(|error| Error::BadRequest(format!("the body could not be read: {error}")))?;
    let query = query.into_inner();
    let document = NewDocument {
        credential: query.credential,
        level: query.level,
        reason: query.reason,
        location: query.location,
        pdf: body.to_vec(),
    };
    let row = documents::prepare(&app, &caller, document).await?;
    Ok(HttpResponse::Created().json(serde_json::json!({
        "id": row.id,
        "digest": hex::encode(&row.document_digest),
        "dtbs_digest": hex::encode(&row.dtbs_digest),
        "challenge": Base64UrlUnpadded::encode_string(&row.challenge),
        "expires_at": super::time(row.expires_at)?,
    })))
}
