//! `POST /certificates/{serial}/revocation`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::{Permission, RevocationReason};
use pki::profile::ProfileName;
use serde::Deserialize;

use super::certificates::View;
use crate::app::App;
use crate::error::Error;
use crate::{auth, revocation};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    reason: RevocationReason,
}

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    serial: web::Path<String>,
    body: super::Body<CreateRequest>,
) -> Result<HttpResponse, Error> {
    let app = app.into_inner();
    let caller = auth::require(&app, &request, Permission::Revoke).await?;
    let body = super::parsed(body)?;
    let serial = serial.into_inner();
    let wanted = serial.clone();
    let row = app
        .store
        .read(move |r| r.find_certificate(&wanted))
        .await?
        .ok_or(Error::NotFound(
            "there is no certificate with this serial number",
        ))?;
    // An authority is revoked by the root, whose key is not here.
    if row.profile == ProfileName::Issuing.as_str() {
        return Err(Error::Conflict("an authority is revoked at a key ceremony"));
    }
    let row = revocation::revoke(&app, &caller, serial, body.reason).await?;
    Ok(HttpResponse::Ok().json(View::new(&app, &row)?))
}
