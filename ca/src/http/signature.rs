//! `POST /documents/{id}/signature`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::Permission;
use serde::Deserialize;
use uuid::Uuid;

use crate::app::App;
use crate::auth;
use crate::error::Error;
use crate::signing::sign::{self, HolderAssertion};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    credential_id: String,
    client_data_json: String,
    authenticator_data: String,
    signature: String,
}

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<Uuid>,
    body: super::Body<CreateRequest>,
) -> Result<HttpResponse, Error> {
    let app = app.into_inner();
    let caller = auth::require(&app, &request, Permission::SignDocuments).await?;
    let body = super::parsed(body)?;
    let assertion = HolderAssertion {
        credential_id: super::base64url("credential_id", &body.credential_id)?,
        client_data_json: super::base64url("client_data_json", &body.client_data_json)?,
        authenticator_data: super::base64url("authenticator_data", &body.authenticator_data)?,
        signature: super::base64url("signature", &body.signature)?,
    };
    let pdf = sign::sign(&app, &caller, id.into_inner(), assertion).await?;
    Ok(HttpResponse::Ok().content_type("application/pdf").body(pdf))
}
