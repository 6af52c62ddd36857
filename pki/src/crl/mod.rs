//! Certificate revocation lists (RFC 5280 §5): built shard by shard, parsed, verified.
//!
//! Invariant: the distribution point in a shard equals, octet by octet, the one in the certificates
//! that the shard covers; otherwise clients ignore the shard.

mod build;
mod parse;
mod reason;

use hsm_bridge::KeyStoreError;

pub use build::{CrlBuilder, PreparedCrl, RevokedEntry};
pub(crate) use parse::same_names;
pub use parse::{CertificateList, Entry, parse};
pub use reason::CrlReason;

use crate::certificate::CertificateError;

/// Why a list cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// Not a CertificateList in DER or PEM.
    #[error("no certificate revocation list: {0}")]
    Malformed(der::Error),
    /// Longer than the limit of the parser.
    #[error("certificate revocation list is too long")]
    TooLong,
    /// An extension is malformed, repeated, or its signature part is.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Entries must arrive sorted by serial number, each once.
    #[error("revoked entries are not in ascending order of their serial numbers")]
    Unsorted,
    /// `nextUpdate` is not after `thisUpdate`, or a time lies outside what DER can say.
    #[error("times of the list are out of order or range")]
    Times,
    /// A shard beyond the issuer's number of shards.
    #[error("no such shard")]
    Shard,
    /// The issuer's certificate cannot sign lists.
    #[error("issuer: {0}")]
    Issuer(&'static str),
    /// Signer and issuer do not belong together.
    #[error("the signer's key or scheme is not the issuer's")]
    WrongSigner,
    /// The token failed.
    #[error("token: {0}")]
    KeyStore(#[from] KeyStoreError),
}

impl From<der::Error> for CrlError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error)
    }
}

#[cfg(test)]
mod tests;
