//! `POST /certificates`, `GET /certificates/{serial}`.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::{CertificateStatus, Permission};
use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::Certificate;
use pki::issue::SubjectAltName;
use pki::key::IssuerId;
use pki::name::DistinguishedName;
use pki::profile::ProfileName;
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;
use store::ca::CertificateRow;

use crate::app::App;
use crate::auth::{self, Caller};
use crate::error::Error;
use crate::issuance::{self, Order};

/// A request for a certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    profile: ProfileName,
    issuer: Option<IssuerId>,
    subject: Option<DistinguishedName>,
    csr: Option<String>,
    public_key: Option<String>,
    #[serde(default)]
    san: Vec<SubjectAltName>,
}

/// A certificate as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct View {
    serial: String,
    issuer: String,
    profile: String,
    certificate: String,
    chain: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl View {
    pub(super) fn new(app: &App, row: &CertificateRow) -> Result<Self, Error> {
        let pem = |certificate: &Certificate| certificate.pem().map_err(Error::internal);
        let certificate = Certificate::from_der(&row.certificate).map_err(Error::internal)?;
        let issuer = app.hierarchy.find(&row.issuer);
        let chain = issuer
            .map(|authority| pem(&authority.issuer.certificate))
            .transpose()?;
        let (reason, revoked_at) = match row.status()? {
            CertificateStatus::Good => (None, None),
            CertificateStatus::Revoked { reason, at } => (Some(reason.as_str()), Some(at)),
        };
        Ok(Self {
            serial: row.serial.clone(),
            issuer: row.issuer.clone(),
            profile: row.profile.clone(),
            certificate: pem(&certificate)?,
            chain: chain.into_iter().collect(),
            not_before: super::time(row.not_before)?,
            not_after: super::time(row.not_after)?,
            status: row.status()?.as_str(),
            reason,
            revoked_at,
        })
    }
}

pub(super) async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    body: super::Body<CreateRequest>,
) -> Result<HttpResponse, Error> {
    let app = app.into_inner();
    let caller = auth::authenticate(&app, &request).await?;
    let body = super::parsed(body)?;
    auth::check(&app, &caller, Permission::Issue(body.profile)).await?;
    let key = super::idempotency_key(request.headers())?;
    let public_key = public_key(body.csr.as_deref(), body.public_key.as_deref())?;
    let subject = match body.subject {
        Some(subject) => subject,
        None => subject_of_service(&app, body.profile, &public_key)?,
    };
    if !tls_names_fit(&caller, body.profile, &subject, &body.san) {
        return Err(auth::deny(&app, &caller, "TLS certificate for a foreign name").await);
    }
    let order = Order::new(body.profile, body.issuer, subject, body.san, public_key)?;
    let row = issuance::issue(&app, &caller, order, key).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/certificates/{}", row.serial)))
        .json(View::new(&app, &row)?))
}

pub(super) async fn read(
    app: web::Data<App>,
    request: HttpRequest,
    serial: web::Path<String>,
) -> Result<HttpResponse, Error> {
    auth::require(&app, &request, Permission::ReadCertificates).await?;
    let row = app
        .store
        .read(move |r| r.find_certificate(&serial))
        .await?
        .ok_or(Error::NotFound(
            "there is no certificate with this serial number",
        ))?;
    Ok(HttpResponse::Ok().json(View::new(&app, &row)?))
}

/// The key of a CSR, whose possession it proves, or a bare key that the caller vouches for.
fn public_key(csr: Option<&str>, bare: Option<&str>) -> Result<SubjectPublicKeyInfoOwned, Error> {
    match (csr, bare) {
        (Some(csr), None) => {
            let request =
                pki::csr::parse(csr.as_bytes(), &OpenSslVerifier).map_err(|error| match error {
                    pki::csr::CsrError::Malformed | pki::csr::CsrError::TooLong => {
                        Error::BadRequest(format!("csr: {error}"))
                    }
                    other => Error::Key(other.to_string()),
                })?;
            Ok(request.public_key().clone())
        }
        (None, Some(text)) => pki::key::parse(&super::base64("public_key", text)?)
            .map_err(|error| Error::Key(error.to_string())),
        _ => Err(Error::BadRequest(
            "exactly one of csr and public_key is needed".to_owned(),
        )),
    }
}

/// A service that renews the certificate of its key keeps its name.
fn subject_of_service(
    app: &App,
    profile: ProfileName,
    key: &SubjectPublicKeyInfoOwned,
) -> Result<DistinguishedName, Error> {
    app.hierarchy
        .services
        .iter()
        .find(|service| service.profile == profile && service.certificate.public_key() == key)
        .map(|service| service.subject.clone())
        .ok_or_else(|| Error::BadRequest("subject is needed".to_owned()))
}

/// A service gets TLS certificates for its own host names alone.
fn tls_names_fit(
    caller: &Caller,
    profile: ProfileName,
    subject: &DistinguishedName,
    san: &[SubjectAltName],
) -> bool {
    let Some(own) = &caller.tls_names else {
        return true;
    };
    if profile != ProfileName::TlsServer {
        return true;
    }
    let names_fit = san
        .iter()
        .all(|name| matches!(name, SubjectAltName::Dns(dns) if own.contains(dns)));
    let subject_fits = subject
        .common_name
        .as_ref()
        .is_none_or(|name| own.contains(name));
    names_fit && subject_fits
}
