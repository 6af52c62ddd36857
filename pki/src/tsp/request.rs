//! TimeStampReq (RFC 3161 §2.4.1): read by the authority, written by a client.

use der::asn1::{AnyRef, IntRef, OctetStringRef};
use der::{Decode, Encode};

use super::asn1::{MessageImprintFields, TimeStampReq};
use super::{MAX_NONCE_BYTES, MAX_REQUEST_BYTES, PkiFailureInfo, Rejection, TspError};
use crate::cms::DigestAlgorithm;
use crate::oid::Oid;

/// The digest a token binds to a time, with its own DER kept for the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageImprint {
    /// Which digest.
    pub digest: DigestAlgorithm,
    /// Its value.
    pub hash: Vec<u8>,
    der: Vec<u8>,
}

impl MessageImprint {
    /// The imprint of a digest; its length must fit.
    pub fn new(digest: DigestAlgorithm, hash: &[u8]) -> Result<Self, TspError> {
        let fields = MessageImprintFields {
            hash_algorithm: digest.identifier(),
            hashed_message: OctetStringRef::new(hash)?,
        };
        Ok(Self::parse(&fields.to_der()?)?)
    }

    pub(super) fn parse(der: &[u8]) -> Result<Self, Rejection> {
        let format = Rejection::new(PkiFailureInfo::BadDataFormat, "malformed message imprint");
        let fields = MessageImprintFields::from_der(der).map_err(|_| format.clone())?;
        let digest = DigestAlgorithm::from_identifier(&fields.hash_algorithm).map_err(|_| {
            Rejection::new(PkiFailureInfo::BadAlg, "use SHA-256, SHA-384 or SHA-512")
        })?;
        let hash = fields.hashed_message.as_bytes();
        if hash.len() != digest.length() {
            return Err(format);
        }
        Ok(Self {
            digest,
            hash: hash.to_vec(),
            der: der.to_vec(),
        })
    }

    /// The DER as it was asked.
    pub(super) fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Same digest over the same data, however the algorithm's parameters are written.
    pub fn matches(&self, other: &Self) -> bool {
        self.digest == other.digest && self.hash == other.hash
    }
}

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStampRequest {
    /// What to stamp.
    pub imprint: MessageImprint,
    /// The policy asked for.
    pub policy: Option<Oid>,
    /// Content octets of the nonce's INTEGER.
    pub nonce: Option<Vec<u8>>,
    /// Whether the authority's certificate shall travel in the token.
    pub cert_req: bool,
}

impl TimeStampRequest {
    /// Parses a request; the refusal says what to answer.
    pub fn parse(der: &[u8]) -> Result<Self, Rejection> {
        let format = |text| Rejection::new(PkiFailureInfo::BadDataFormat, text);
        if der.len() > MAX_REQUEST_BYTES {
            return Err(format("request is too long"));
        }
        let request = TimeStampReq::from_der(der).map_err(|_| format("not a TimeStampReq"))?;
        if request.version != 1 {
            return Err(Rejection::new(
                PkiFailureInfo::BadRequest,
                "version is not 1",
            ));
        }
        // RFC 3161 §2.4.1: an extension that is not recognised, critical or not, ends the request.
        if request.extensions.is_some() {
            let text = "extensions are not supported";
            return Err(Rejection::new(PkiFailureInfo::UnacceptedExtension, text));
        }
        let imprint = request
            .message_imprint
            .to_der()
            .map_err(|_| format("message imprint"))?;
        let nonce = request.nonce.map(|n| n.as_bytes().to_vec());
        if nonce.as_ref().is_some_and(|n| n.len() > MAX_NONCE_BYTES) {
            return Err(format("nonce is too long"));
        }
        Ok(Self {
            imprint: MessageImprint::parse(&imprint)?,
            policy: request.req_policy,
            nonce,
            cert_req: request.cert_req,
        })
    }

    /// A client's request: certificate wanted, nonce from random octets.
    pub fn new(imprint: MessageImprint, random: [u8; 16]) -> Self {
        // A leading one octet keeps the INTEGER positive and keeps DER from cutting zeros, so that both sides
        // hold the same bytes.
        let mut nonce = vec![0x01];
        nonce.extend_from_slice(&random);
        Self {
            imprint,
            policy: None,
            nonce: Some(nonce),
            cert_req: true,
        }
    }

    /// The DER TimeStampReq.
    pub fn to_der(&self) -> Result<Vec<u8>, TspError> {
        let request = TimeStampReq {
            version: 1,
            message_imprint: AnyRef::from_der(self.imprint.as_der())?,
            req_policy: self.policy.clone(),
            nonce: self.nonce.as_deref().map(IntRef::new).transpose()?,
            cert_req: self.cert_req,
            extensions: None,
        };
        Ok(request.to_der()?)
    }
}
