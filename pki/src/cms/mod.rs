//! Cryptographic Message Syntax SignedData (RFC 5652) with the attributes that CAdES and PAdES ask for
//! (RFC 5035, ETSI EN 319 122-1).
//!
//! Making one has two phases: [`prepare`] fixes the signed attributes, whose DER is what the key signs;
//! [`Prepared::finish`] adds the signature. Between the two a `Prepared` may wait in a database for a person's
//! consent. Checking is over the very octets that arrived, with a handed-in verifier.

mod asn1;
mod digest;
mod parse;
mod prepare;
mod verify;

pub use digest::DigestAlgorithm;
pub use parse::{SignedData, SignerInfo};
pub use prepare::{Content, Options, Prepared, prepare};
pub use verify::{Signed, VerifiedSigner};

use const_oid::ObjectIdentifier;

/// id-data: content that is only octets (RFC 5652 §4).
pub const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// id-ct-TSTInfo: content of a time-stamp token (RFC 3161 §2.4.2).
pub const ID_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// id-aa-signatureTimeStampToken (RFC 3161 appendix A).
pub const ID_SIGNATURE_TIME_STAMP: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");

/// Longest SignedData taken without its content, in bytes; revocation data inside makes one grow.
pub const MAX_SIGNED_DATA_BYTES: usize = 8 * 1024 * 1024;
/// Most certificates taken in one SignedData.
pub const MAX_CERTIFICATES: usize = 64;
/// Most signers taken in one SignedData.
pub const MAX_SIGNERS: usize = 16;

/// Why a SignedData was refused or could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CmsError {
    /// Larger than a limit of this module; names the part.
    #[error("{0} exceeds the size limit")]
    TooLarge(&'static str),
    /// Not the structure RFC 5652 describes; names the part.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A digest or signature algorithm that is not accepted.
    #[error("algorithm {0} is not accepted")]
    Algorithm(ObjectIdentifier),
    /// The certificate's key does not fit the scheme.
    #[error("signature scheme does not fit the certificate's key")]
    Scheme,
    /// The signer's certificate is not in the SignedData.
    #[error("signer certificate is missing")]
    SignerCertificate,
    /// A signed attribute that must be there is missing, occurs twice or says something else.
    #[error("signed attribute {0} is missing or wrong")]
    Attribute(&'static str),
    /// The content is not the one that was signed.
    #[error("content does not match the signed digest")]
    Digest,
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// DER could not be written.
    #[error("encoding failed")]
    Encoding(#[from] der::Error),
}
