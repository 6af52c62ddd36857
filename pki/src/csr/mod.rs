//! Certification requests (PKCS#10, RFC 2986): parsed only together with their proof of possession.

use der::{Decode, Encode};
use hsm_bridge::SignatureVerifier;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};

use crate::certificate::{self, CertificateError};
use crate::key::{self, KeyError};

/// Largest request that is parsed, in octets.
pub const MAX_OCTETS: usize = 16 * 1024;
const PEM_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const PEM_START: &[u8] = b"-----BEGIN ";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrError {
    /// Neither a request in DER nor one in PEM.
    #[error("no certification request in DER or PEM")]
    Malformed,
    /// Longer than [`MAX_OCTETS`].
    #[error("certification request is too long")]
    TooLong,
    /// The key fails its checks.
    #[error("public key: {0}")]
    Key(#[from] KeyError),
    /// The request's signature was not made with the requested key.
    #[error("proof of possession fails: {0}")]
    Possession(CertificateError),
}

/// A request whose key passed its checks and whose signature proves possession of that key.
#[derive(Debug, Clone)]
pub struct CertificationRequest {
    inner: CertReq,
}

/// Parses a request in DER or PEM, checks its key and verifies its signature.
pub fn parse(
    input: &[u8],
    verifier: &dyn SignatureVerifier,
) -> Result<CertificationRequest, CsrError> {
    if input.len() > MAX_OCTETS {
        return Err(CsrError::TooLong);
    }
    let trimmed = input.trim_ascii();
    if trimmed.starts_with(PEM_START) {
        let (label, der) = der::pem::decode_vec(trimmed).map_err(|_| CsrError::Malformed)?;
        if !PEM_LABELS.contains(&label) {
            return Err(CsrError::Malformed);
        }
        parse_der(&der, verifier)
    } else {
        parse_der(input, verifier)
    }
}

fn parse_der(
    der: &[u8],
    verifier: &dyn SignatureVerifier,
) -> Result<CertificationRequest, CsrError> {
    let inner = CertReq::from_der(der).map_err(|_| CsrError::Malformed)?;
    key::check(&inner.info.public_key)?;
    let signed = certificate::signed_part(der).map_err(|_| CsrError::Malformed)?;
    let message = der.get(signed).ok_or(CsrError::Malformed)?;
    let signature = inner.signature.as_bytes().ok_or(CsrError::Malformed)?;
    certificate::verify(
        &inner.info.public_key,
        &inner.algorithm,
        message,
        signature,
        verifier,
    )
    .map_err(CsrError::Possession)?;
    Ok(CertificationRequest { inner })
}

impl CertificationRequest {
    /// The key whose possession is proven.
    pub fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.inner.info.public_key
    }

    /// The name that the request asks for; a wish, not a fact.
    pub fn subject(&self) -> &Name {
        &self.inner.info.subject
    }

    /// The extensions that the request asks for (RFC 2985 §5.4.2); wishes, not facts.
    pub fn extensions(&self) -> Result<Vec<Extension>, CsrError> {
        let mut wanted = Vec::new();
        let attributes = self.inner.info.attributes.iter();
        for attribute in
            attributes.filter(|one| one.oid == <ExtensionReq as const_oid::AssociatedOid>::OID)
        {
            for value in attribute.values.iter() {
                let der = value.to_der().map_err(|_| CsrError::Malformed)?;
                let request = ExtensionReq::from_der(&der).map_err(|_| CsrError::Malformed)?;
                wanted.extend(request.0);
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests;
