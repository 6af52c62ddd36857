//! The words of a grant.

use serde::Deserialize;

use crate::SignatureScheme;

/// What a caller may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make a key pair or a symmetric key.
    Generate,
    /// Destroy a key pair.
    Destroy,
    /// Sign with a key pair.
    Sign,
    /// Wrap a data key.
    Wrap,
    /// Open a wrapped data key.
    Unwrap,
    /// Compute an HMAC.
    Hmac,
}

impl Operation {
    /// Every operation, for tests and for reading records back.
    pub const ALL: [Self; 6] = [
        Self::Generate,
        Self::Destroy,
        Self::Sign,
        Self::Wrap,
        Self::Unwrap,
        Self::Hmac,
    ];

    /// The name in policy files and audit records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Destroy => "destroy",
            Self::Sign => "sign",
            Self::Wrap => "wrap",
            Self::Unwrap => "unwrap",
            Self::Hmac => "hmac",
        }
    }

    /// Recognises a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }
}

/// The digest a signature is made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestName {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512, which CMS names beside a scheme that signs the message itself (RFC 8419 §3).
    Sha512,
}

impl DigestName {
    /// The digest of a scheme.
    pub const fn of(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::EcdsaP256Sha256
            | SignatureScheme::RsaPkcs1Sha256
            | SignatureScheme::RsaPssSha256 => Self::Sha256,
            SignatureScheme::EcdsaP384Sha384 => Self::Sha384,
            SignatureScheme::Ed25519 => Self::Sha512,
            #[cfg(feature = "embedded")]
            SignatureScheme::MlDsa65 => Self::Sha512,
        }
    }
}
