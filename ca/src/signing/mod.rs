//! Signing documents for a holder: the key stays in the token, and only the holder's passkey releases it.
//!
//! A prepared document has one challenge, which the bridge makes from the key, the document's identifier, what will be signed and a
//! random value; the holder's fresh assertion over exactly that challenge, checked here and again in the bridge, allows exactly that
//! signature, once.

pub mod credentials;
pub mod documents;
pub mod sign;

use hsm_bridge::KeyId;
use pki::Certificate;
use store::ca::{CertificateRow, CredentialRow};

use crate::app::App;
use crate::error::Error;
use crate::hierarchy::IssuingAuthority;

/// The key of an active credential.
fn key_of(credential: &CredentialRow) -> Result<KeyId, Error> {
    let id = credential.key_id.as_deref().unwrap_or_default();
    id.parse().map_err(Error::internal)
}

/// A credential that may sign now, with its certificate.
struct Usable {
    credential: CredentialRow,
    certificate: Certificate,
    issuer: Certificate,
}

/// Checks that a credential is active and its certificate neither revoked nor expired.
fn usable(
    app: &App,
    credential: CredentialRow,
    certificate: Option<&CertificateRow>,
) -> Result<Usable, Error> {
    let refused = Error::Conflict("the credential is revoked or expired");
    let now = app.sources.unix();
    let row = match certificate {
        Some(row) if credential.state == "active" => row,
        _ => return Err(refused),
    };
    if row.status()?.is_revoked() || !(row.not_before..=row.not_after).contains(&now) {
        return Err(refused);
    }
    let issuer: &IssuingAuthority = app
        .hierarchy
        .find(&row.issuer)
        .ok_or_else(|| Error::Internal("a certificate of no authority here".to_owned()))?;
    Ok(Usable {
        credential,
        certificate: Certificate::from_der(&row.certificate).map_err(Error::internal)?,
        issuer: issuer.issuer.certificate.clone(),
    })
}
