//! Reading and checking an answer, as a relying party does (RFC 6960 §3.2).

use der::{Decode, Encode};
use hsm_bridge::{SignatureScheme, SignatureVerifier};
use jiff::Timestamp;
use sha1::{Digest, Sha1};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use crate::Certificate;

use super::asn1::{
    self, BasicOcspResponse, OcspResponse, ResponderId, ResponseDataFields, ResponseStatus,
    SingleResponseFields, StatusChoice,
};
use super::request::find_nonce;
use super::{CertId, CertStatus, MAX_RESPONSE_BYTES, Nonce, OcspError, OcspResponseStatus};

/// The status of one certificate as a response states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleStatus {
    /// Which certificate.
    pub cert_id: CertId,
    /// What is said; a never-issued certificate reads as revoked.
    pub status: CertStatus,
    /// Since when.
    pub this_update: Timestamp,
    /// Until when.
    pub next_update: Option<Timestamp>,
}

/// A parsed basic response, not proven before [`Response::verify`].
#[derive(Clone, Debug)]
pub struct Response {
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    responder: ResponderId,
    certificates: Vec<Certificate>,
    /// When the responder signed.
    pub produced_at: Timestamp,
    /// One entry per certificate.
    pub singles: Vec<SingleStatus>,
    /// The nonce repeated, if any.
    pub nonce: Option<Nonce>,
    /// Whether "revoked" may also mean "never issued" (RFC 6960 §4.4.8).
    pub extended_revoke: bool,
}

/// Parses an OCSPResponse; an unsuccessful one is [`OcspError::NotSuccessful`].
pub fn parse_response(der: &[u8]) -> Result<Response, OcspError> {
    if der.len() > MAX_RESPONSE_BYTES {
        return Err(OcspError::TooLarge("response"));
    }
    let bad = |_| OcspError::Malformed("response");
    let outer = OcspResponse::from_der(der).map_err(bad)?;
    let body = match (status(outer.response_status), outer.response_bytes) {
        (OcspResponseStatus::Successful, Some(body)) => body,
        (OcspResponseStatus::Successful, None) => return Err(OcspError::Malformed("response")),
        (other, _) => return Err(OcspError::NotSuccessful(other)),
    };
    if body.response_type != asn1::BASIC_RESPONSE {
        return Err(OcspError::Malformed("response type"));
    }
    let basic = BasicOcspResponse::from_der(body.response.as_bytes()).map_err(bad)?;
    let tbs = basic.tbs_response_data.to_der().map_err(bad)?;
    let data = ResponseDataFields::from_der(&tbs).map_err(bad)?;
    let mut certificates = Vec::new();
    for certificate in basic.certs.unwrap_or_default() {
        let der = certificate.to_der().map_err(bad)?;
        let certificate = Certificate::from_der(&der);
        certificates.push(certificate.map_err(|_| OcspError::Malformed("certificate"))?);
    }
    let extensions = data.response_extensions.as_deref().unwrap_or_default();
    let response = Response {
        algorithm: basic.signature_algorithm,
        signature: basic
            .signature
            .as_bytes()
            .ok_or(OcspError::Malformed("signature"))?
            .to_vec(),
        certificates,
        produced_at: asn1::timestamp(&data.produced_at)?,
        singles: data
            .responses
            .iter()
            .map(single)
            .collect::<Result<_, _>>()?,
        nonce: find_nonce(extensions)?,
        extended_revoke: extensions
            .iter()
            .any(|e| e.extn_id == asn1::EXTENDED_REVOKE),
        responder: data.responder_id.clone(),
        tbs: Vec::new(),
    };
    Ok(Response { tbs, ..response })
}

fn status(status: ResponseStatus) -> OcspResponseStatus {
    match status {
        ResponseStatus::Successful => OcspResponseStatus::Successful,
        ResponseStatus::MalformedRequest => OcspResponseStatus::MalformedRequest,
        ResponseStatus::InternalError => OcspResponseStatus::InternalError,
        ResponseStatus::TryLater => OcspResponseStatus::TryLater,
        ResponseStatus::SigRequired => OcspResponseStatus::SigRequired,
        ResponseStatus::Unauthorized => OcspResponseStatus::Unauthorized,
    }
}

fn single(fields: &SingleResponseFields<'_>) -> Result<SingleStatus, OcspError> {
    let status = match &fields.cert_status {
        StatusChoice::Good(_) => CertStatus::Good,
        StatusChoice::Unknown(_) => CertStatus::Unknown,
        StatusChoice::Revoked(info) => CertStatus::Revoked {
            at: asn1::timestamp(&info.revocation_time)?,
            reason: info.revocation_reason,
        },
    };
    let next_update = fields
        .next_update
        .as_ref()
        .map(asn1::timestamp)
        .transpose()?;
    Ok(SingleStatus {
        cert_id: CertId::parse(&fields.cert_id.to_der()?)?,
        status,
        this_update: asn1::timestamp(&fields.this_update)?,
        next_update,
    })
}

impl Response {
    /// Checks that `issuer`, or a responder whose certificate `issuer` signed for OCSP, signed this answer, and
    /// that a delegated certificate is valid at `now` (RFC 6960 §4.2.2.2). Freshness of each single status is
    /// the caller's rule.
    pub fn verify(
        &self,
        issuer: &Certificate,
        now: Timestamp,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), OcspError> {
        let signer = if self.is_responder(issuer)? {
            issuer
        } else {
            let mut candidates = self.certificates.iter();
            let delegated = loop {
                let candidate = candidates
                    .next()
                    .ok_or(OcspError::Signer("not in response"))?;
                if self.is_responder(candidate)? {
                    break candidate;
                }
            };
            check_delegation(delegated, issuer, now, verifier)?;
            delegated
        };
        let scheme = scheme(&self.algorithm)?;
        verifier
            .verify(signer.public_key(), scheme, &self.tbs, &self.signature)
            .map_err(|_| OcspError::Signature)
    }

    fn is_responder(&self, certificate: &Certificate) -> Result<bool, OcspError> {
        match &self.responder {
            ResponderId::ByName(name) => Ok(name.to_der()? == certificate.subject().to_der()?),
            ResponderId::ByKey(hash) => {
                let key = certificate.public_key().subject_public_key.raw_bytes();
                Ok(Sha1::digest(key).as_slice() == hash.as_bytes())
            }
        }
    }
}

fn scheme(algorithm: &AlgorithmIdentifierOwned) -> Result<SignatureScheme, OcspError> {
    SignatureScheme::from_algorithm_identifier(algorithm)
        .ok_or(OcspError::Signer("unknown signature algorithm"))
}

fn check_delegation(
    delegated: &Certificate,
    issuer: &Certificate,
    now: Timestamp,
    verifier: &dyn SignatureVerifier,
) -> Result<(), OcspError> {
    if delegated.issuer().to_der()? != issuer.subject().to_der()? {
        return Err(OcspError::Signer("issued by another CA"));
    }
    let usage = delegated
        .extension::<ExtendedKeyUsage>()
        .map_err(|_| OcspError::Signer("extended key usage"))?;
    if !usage.is_some_and(|(_, eku)| eku.0.contains(&asn1::OCSP_SIGNING)) {
        return Err(OcspError::Signer("extended key usage"));
    }
    let now = u64::try_from(now.as_second()).map_err(|_| OcspError::Malformed("time"))?;
    if now < delegated.not_before() || now > delegated.not_after() {
        return Err(OcspError::Signer("not valid now"));
    }
    delegated
        .verify(issuer.public_key(), verifier)
        .map_err(|_| OcspError::Signer("not signed by the issuer"))
}
