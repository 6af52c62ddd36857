//! Time-stamps (RFC 3161, RFC 5816 ESSCertIDv2): requests, tokens, rejections, and the client's checks.
//!
//! A token binds a digest to a time; the time and the serial number are handed in, the signature comes from the
//! token behind `hsm-bridge`. Weak digests are refused before anything is signed.

mod asn1;
mod check;
mod issue;
mod rejection;
mod request;
mod time;

pub use check::{TimeStampToken, verify_response};
pub use issue::{Accuracy, Settings, TimeStamper};
pub use rejection::{PkiFailureInfo, Rejection};
pub use request::{MessageImprint, TimeStampRequest};

/// Longest request taken, in bytes; one with SHA-512, policy and nonce is under 150.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024;
/// Longest nonce repeated, in bytes.
pub const MAX_NONCE_BYTES: usize = 64;
/// Longest response taken by a client, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// Why a time-stamp could not be made or was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TspError {
    /// Larger than a limit of this module; names the part.
    #[error("{0} exceeds the size limit")]
    TooLarge(&'static str),
    /// Not the structure RFC 3161 describes; names the part.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The request cannot be served; carries what the client is told.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The authority answered with a failure; carries PKIStatus.
    #[error("time-stamping authority refused with status {0}")]
    Refused(u8),
    /// The token answers another request; names what differs.
    #[error("token does not answer the request: {0}")]
    Mismatch(&'static str),
    /// The certificate is not one for time-stamping alone (RFC 3161 §2.3).
    #[error("certificate is not for time-stamping")]
    Certificate,
    /// The token's CMS part.
    #[error(transparent)]
    Cms(#[from] crate::cms::CmsError),
    /// The token refused to sign.
    #[error("signing failed")]
    Sign(#[source] hsm_bridge::KeyStoreError),
    /// DER could not be written.
    #[error("encoding failed")]
    Encoding(#[from] der::Error),
}

impl TspError {
    /// What to answer the client whose request met this error.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::Rejected(rejection) => rejection.clone(),
            _ => Rejection::new(
                PkiFailureInfo::SystemFailure,
                "the request cannot be handled now",
            ),
        }
    }
}
