//! Online certificate status (RFC 6960, RFC 9654 nonce, RFC 9919 lightweight profile).
//!
//! Requests come from anyone and are bounded before they are decoded; a [`CertId`] keeps its own bytes, so that
//! a response repeats exactly what was asked. Signing goes through the token; time is handed in.

mod asn1;
mod cert_id;
mod check;
mod request;
mod response;

pub use cert_id::{CertId, CertIdHash, IssuerHashes};
pub use check::{Response, SingleStatus, parse_response};
pub use request::{Nonce, Request, RequestBuilder};
pub use response::{CertStatus, ResponseBuilder, ResponseData, SingleResponse};

/// Longest request taken, in bytes. The lightweight profile's request is under 100.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// Longest GET path taken, in characters; RFC 6960 §A.1 asks clients to stay below 255 bytes in all.
pub const MAX_PATH_CHARS: usize = 2_048;
/// Most certificates answered for in one request.
pub const MAX_CERT_IDS: usize = 20;
/// Longest nonce (RFC 9654 §2.1); the shortest is one byte.
pub const MAX_NONCE_BYTES: usize = 128;
/// Longest response taken by the parser, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// OCSPResponseStatus (RFC 6960 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspResponseStatus {
    /// A signed answer follows.
    Successful = 0,
    /// The request is not OCSP syntax.
    MalformedRequest = 1,
    /// The responder is inconsistent; ask another.
    InternalError = 2,
    /// The responder cannot answer now.
    TryLater = 3,
    /// Requests must be signed here.
    SigRequired = 5,
    /// The responder does not know this issuer, or the client may not ask.
    Unauthorized = 6,
}

/// An unsigned answer that carries only a status (RFC 6960 §2.3). `Successful` makes no sense alone, and comes
/// out as `InternalError`.
pub fn error_response(status: OcspResponseStatus) -> Vec<u8> {
    let status = match status {
        OcspResponseStatus::Successful => OcspResponseStatus::InternalError,
        other => other,
    };
    vec![0x30, 0x03, 0x0a, 0x01, status as u8]
}

/// Why a request or response was refused, or an answer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// Larger than a limit of this module; names the part.
    #[error("{0} exceeds the size limit")]
    TooLarge(&'static str),
    /// Not the DER or base64 that RFC 6960 describes; names the part.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A critical extension that is not understood.
    #[error("unknown critical extension")]
    CriticalExtension,
    /// A response without a signed body.
    #[error("responder answered {0:?}")]
    NotSuccessful(OcspResponseStatus),
    /// The answer is not signed by the issuer or by a responder it delegated to (RFC 6960 §4.2.2.2).
    #[error("response signer is not authorised: {0}")]
    Signer(&'static str),
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// The token refused to sign.
    #[error("signing failed")]
    Sign(#[source] hsm_bridge::KeyStoreError),
    /// DER could not be written, as for a time before 1970 or after 9999.
    #[error("encoding failed")]
    Encoding(#[from] der::Error),
}

impl OcspError {
    /// What to answer a client whose request met this error.
    pub fn status(&self) -> OcspResponseStatus {
        match self {
            Self::TooLarge(_) | Self::Malformed(_) | Self::CriticalExtension => {
                OcspResponseStatus::MalformedRequest
            }
            Self::Sign(_) => OcspResponseStatus::TryLater,
            _ => OcspResponseStatus::InternalError,
        }
    }
}
