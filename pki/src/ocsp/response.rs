//! OCSP answers: one ResponseData, signed once through the token.

use der::asn1::{AnyRef, BitString, Null, OctetString};
use der::{Decode, Encode};
use hsm_bridge::{SignatureScheme, Signer};
use jiff::Timestamp;
use sha1::{Digest, Sha1};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;

use crate::Certificate;

use super::asn1::{
    self, BasicOcspResponse, OcspResponse, ResponderId, ResponseBytes, ResponseDataFields,
    ResponseStatus, RevokedInfo, SingleResponseFields, StatusChoice,
};
use super::{CertId, Nonce, OcspError};

/// What is known of one certificate (RFC 6960 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertStatus {
    /// Issued and not revoked.
    Good,
    /// Revoked at that time.
    Revoked {
        /// When it was revoked.
        at: Timestamp,
        /// Why; `unspecified` is left out of the answer (RFC 5280 §5.3.1).
        reason: Option<CrlReason>,
    },
    /// Never issued by this CA: answered as revoked since 1970 on hold, with the extended-revoke extension, so
    /// that a forged certificate is not taken for good (RFC 6960 §2.2, §4.4.8).
    NotIssued,
    /// Not known here; the client may ask another source.
    Unknown,
}

/// The answer for one CertID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleResponse {
    /// As asked.
    pub cert_id: CertId,
    /// What is known.
    pub status: CertStatus,
    /// The newest moment at which the status is known to be right.
    pub this_update: Timestamp,
    /// When newer knowledge will be there; RFC 9919 §3.2.4 asks for it always.
    pub next_update: Option<Timestamp>,
    /// Until when the status of expired certificates is kept (RFC 6960 §4.4.4).
    pub archive_cutoff: Option<Timestamp>,
}

/// Collects answers for one response.
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    responder_key_hash: [u8; 20],
    produced_at: Timestamp,
    singles: Vec<SingleResponse>,
    nonce: Option<Nonce>,
}

impl ResponseBuilder {
    /// A response of the responder whose certificate this is, named by its key (ResponderID byKey).
    pub fn new(responder: &Certificate, produced_at: Timestamp) -> Self {
        let key = &responder.public_key().subject_public_key;
        Self {
            responder_key_hash: Sha1::digest(key.raw_bytes()).into(),
            produced_at,
            singles: Vec::new(),
            nonce: None,
        }
    }

    /// Adds the answer for one certificate.
    #[must_use]
    pub fn single(mut self, single: SingleResponse) -> Self {
        self.singles.push(single);
        self
    }

    /// Repeats the request's nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: Option<Nonce>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Writes the part that is signed.
    pub fn build(self) -> Result<ResponseData, OcspError> {
        if self.singles.is_empty() {
            return Err(OcspError::Malformed("no single response"));
        }
        let mut extensions = Vec::new();
        if let Some(nonce) = &self.nonce {
            extensions.push(nonce.to_extension()?);
        }
        if self
            .singles
            .iter()
            .any(|s| s.status == CertStatus::NotIssued)
        {
            extensions.push(extension(asn1::EXTENDED_REVOKE, &Null)?);
        }
        let responses = self
            .singles
            .iter()
            .map(fields)
            .collect::<Result<Vec<_>, _>>()?;
        let data = ResponseDataFields {
            version: asn1::Version::V1,
            responder_id: ResponderId::ByKey(OctetString::new(self.responder_key_hash)?),
            produced_at: asn1::generalized(self.produced_at)?,
            responses,
            response_extensions: (!extensions.is_empty()).then_some(extensions),
        };
        Ok(ResponseData {
            der: data.to_der()?,
        })
    }

    /// Builds, signs and wraps in one go. `certificates` are embedded: the delegated responder's own, or none
    /// where the CA signs itself.
    pub fn sign(
        self,
        signer: &dyn Signer,
        certificates: &[Certificate],
    ) -> Result<Vec<u8>, OcspError> {
        let data = self.build()?;
        let signature = signer.sign(data.as_der()).map_err(OcspError::Sign)?;
        data.finish(signer.scheme(), &signature, certificates)
    }
}

fn extension(
    oid: const_oid::ObjectIdentifier,
    value: &impl Encode,
) -> Result<Extension, OcspError> {
    Ok(Extension {
        extn_id: oid,
        critical: false,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

fn fields(single: &SingleResponse) -> Result<SingleResponseFields<'_>, OcspError> {
    let cert_status = match single.status {
        CertStatus::Good => StatusChoice::Good(Null),
        CertStatus::Unknown => StatusChoice::Unknown(Null),
        CertStatus::Revoked { at, reason } => StatusChoice::Revoked(RevokedInfo {
            revocation_time: asn1::generalized(at)?,
            revocation_reason: reason.filter(|r| *r != CrlReason::Unspecified),
        }),
        CertStatus::NotIssued => StatusChoice::Revoked(RevokedInfo {
            revocation_time: asn1::generalized(Timestamp::UNIX_EPOCH)?,
            revocation_reason: Some(CrlReason::CertificateHold),
        }),
    };
    let cutoff = match single.archive_cutoff {
        Some(time) => Some(vec![extension(
            asn1::ARCHIVE_CUTOFF,
            &asn1::generalized(time)?,
        )?]),
        None => None,
    };
    Ok(SingleResponseFields {
        cert_id: AnyRef::from_der(single.cert_id.as_der())?,
        cert_status,
        this_update: asn1::generalized(single.this_update)?,
        next_update: single.next_update.map(asn1::generalized).transpose()?,
        single_extensions: cutoff,
    })
}

/// The to-be-signed part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseData {
    der: Vec<u8>,
}

impl ResponseData {
    /// What is signed.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The whole OCSPResponse around a signature over [`ResponseData::as_der`].
    pub fn finish(
        self,
        scheme: SignatureScheme,
        signature: &[u8],
        certificates: &[Certificate],
    ) -> Result<Vec<u8>, OcspError> {
        let certs = certificates
            .iter()
            .map(|certificate| AnyRef::from_der(certificate.der()))
            .collect::<Result<Vec<_>, _>>()?;
        let basic = BasicOcspResponse {
            tbs_response_data: AnyRef::from_der(&self.der)?,
            signature_algorithm: scheme.algorithm_identifier(),
            signature: BitString::from_bytes(signature)?,
            certs: (!certs.is_empty()).then_some(certs),
        };
        let response = OcspResponse {
            response_status: ResponseStatus::Successful,
            response_bytes: Some(ResponseBytes {
                response_type: asn1::BASIC_RESPONSE,
                response: OctetString::new(basic.to_der()?)?,
            }),
        };
        Ok(response.to_der()?)
    }
}
