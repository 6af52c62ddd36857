//! Why a structure is not signed.

use thiserror::Error;

use crate::KeyStoreError;

/// Why a to-be-signed structure was refused; the text names the field and never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TbsError {
    /// The bytes are not DER of the structure; says where reading stopped.
    #[error("not DER of the structure: {0}")]
    Malformed(&'static str),
    /// The structure or a part of it is longer than any honest one.
    #[error("too long: {0}")]
    TooLong(&'static str),
    /// The bytes end before the structure does.
    #[error("the structure is cut off")]
    Truncated,
    /// Bytes follow the structure, or its length is not the announced one.
    #[error("the length is not the announced one")]
    Length,
    /// A certificate that is not v3, or a list that is not v2.
    #[error("the version is not the one with extensions")]
    Version,
    /// The serial number is not positive, or its length is outside the rule.
    #[error("the serial number is not positive or not of the length in the rule")]
    Serial,
    /// The algorithm named inside is not the one that signs.
    #[error("the algorithm named inside is not the one that signs")]
    Algorithm,
    /// The issuer is not the one pinned for this key.
    #[error("the issuer is not the one of this key")]
    Issuer,
    /// notBefore or thisUpdate is too far from now.
    #[error("the beginning is too far from now")]
    Beginning,
    /// notAfter or nextUpdate is not after the beginning and after now.
    #[error("the end is not after the beginning and after now")]
    End,
    /// The validity is longer than the rule allows.
    #[error("the validity is longer than the rule allows")]
    Validity,
    /// notAfter is beyond the end of the key itself.
    #[error("the end is beyond the end of this key")]
    KeyEnd,
    /// The subject's key is the signing key.
    #[error("the subject's key is the signing key")]
    OwnKey,
    /// A certificate for an authority, which the rule forbids or bounds otherwise.
    #[error("the rule allows no such authority")]
    Authority,
    /// keyCertSign or cRLSign without an authority, or an authority without keyCertSign.
    #[error("the key usage does not fit the basic constraints")]
    KeyUsage,
    /// An extended key usage outside the rule, or none where the rule demands one.
    #[error("the extended key usage is outside the rule")]
    ExtendedKeyUsage,
    /// A critical extension that is not on the list.
    #[error("a critical extension is not on the list")]
    Critical,
    /// An extension that RFC 5280 superseded and that could still make an authority.
    #[error("an extension of before RFC 5280 that could make an authority")]
    Superseded,
    /// An extension occurs twice.
    #[error("an extension occurs twice")]
    Duplicate,
    /// An extension that must be there is missing.
    #[error("missing extension: {0}")]
    Missing(&'static str),
    /// A list that speaks for other issuers.
    #[error("the list is indirect")]
    Indirect,
}

impl From<der::Error> for TbsError {
    fn from(_: der::Error) -> Self {
        Self::Malformed("encoding")
    }
}

impl From<TbsError> for KeyStoreError {
    fn from(error: TbsError) -> Self {
        Self::BadRequest(format!("refused by the key's rules: {error}"))
    }
}
