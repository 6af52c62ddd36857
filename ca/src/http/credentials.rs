//! `POST /credentials`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::Permission;
use serde::Deserialize;

use super::certificates::View;
use crate::app::App;
use crate::auth;
use crate::error::Error;
use crate::issuance::IdempotencyKey;
use crate::signing::credentials::{self, Activation, Holder, NewCredential};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    holder: Holder,
    activation: ActivationRequest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationRequest {
    credential_id: String,
    public_key: String,
    rp_id: String,
    origin: String,
}

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    body: super::Body<CreateRequest>,
) -> Result<HttpResponse, Error> {
    let app = app.into_inner();
    let caller = auth::require(&app, &request, Permission::ManageCredentials).await?;
    let key = match super::idempotency_key(request.headers())? {
        Some(key) => key,
        // Without a key of the caller's the request stands for itself.
        None => IdempotencyKey::parse(&app.sources.uuid().to_string())?,
    };
    let CreateRequest { holder, activation } = super::parsed(body)?;
    let activation = Activation::new(
        super::base64url("activation.credential_id", &activation.credential_id)?,
        super::base64("activation.public_key", &activation.public_key)?,
        activation.rp_id,
        activation.origin,
    )?;
    let new = NewCredential { holder, activation };
    let (credential, certificate) = credentials::create(&app, &caller, new, key).await?;
    let view = View::new(&app, &certificate)?;
    let mut answer = serde_json::to_value(view).map_err(Error::internal)?;
    if let Some(members) = answer.as_object_mut() {
        members.insert("id".to_owned(), credential.id.into());
    }
    Ok(HttpResponse::Created().json(answer))
}
