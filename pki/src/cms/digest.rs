//! The digests of signed content.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use hsm_bridge::SignatureScheme;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierOwned;

use super::CmsError;

/// A digest accepted for new signatures and time-stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// All of them, strongest last.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digest that CMS pairs with a scheme (RFC 5754, RFC 8419 §3).
    pub fn of(scheme: SignatureScheme) -> Result<Self, CmsError> {
        Self::from_oid(scheme.digest_oid())
    }

    /// Recognises a digest; weak and unknown ones are refused.
    pub fn from_oid(oid: ObjectIdentifier) -> Result<Self, CmsError> {
        Self::ALL
            .into_iter()
            .find(|d| d.oid() == oid)
            .ok_or(CmsError::Algorithm(oid))
    }

    /// Recognises an AlgorithmIdentifier; parameters are absent or NULL (RFC 5754 §2).
    pub fn from_identifier(identifier: &AlgorithmIdentifierOwned) -> Result<Self, CmsError> {
        if identifier.parameters.as_ref().is_some_and(|p| !p.is_null()) {
            return Err(CmsError::Algorithm(identifier.oid));
        }
        Self::from_oid(identifier.oid)
    }

    /// Its object identifier.
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    /// Its AlgorithmIdentifier, without parameters (RFC 5754 §2).
    pub fn identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned {
            oid: self.oid(),
            parameters: None,
        }
    }

    /// Bytes of one digest.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of the concatenated parts.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hasher = D::new();
            for part in parts {
                hasher.update(part);
            }
            hasher.finalize().to_vec()
        }
        match self {
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha384 => run::<Sha384>(parts),
            Self::Sha512 => run::<Sha512>(parts),
        }
    }
}
