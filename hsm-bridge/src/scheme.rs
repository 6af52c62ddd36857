//! The one home of signature algorithms: scheme <-> AlgorithmIdentifier <-> JOSE name <-> digest.
//!
//! How a scheme reads in PKCS#11 is known to the driver alone.

use const_oid::ObjectIdentifier;
#[cfg(feature = "embedded")]
use const_oid::db::fips204;
use const_oid::db::{rfc5912, rfc8410};
use der::Decode;
use der::asn1::{Any, Null};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha384};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::KeyAlgorithm;

/// A complete way to sign: key kind, hash and padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignatureScheme {
    /// ecdsa-with-SHA256 on P-256 (RFC 5758 §3.2), `ES256`.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// ecdsa-with-SHA384 on P-384 (RFC 5758 §3.2), `ES384`.
    #[serde(rename = "ecdsa-p384-sha384")]
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8410 §3), `EdDSA`.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// sha256WithRSAEncryption (RFC 4055 §5), `RS256`.
    #[serde(rename = "rsa-pkcs1-sha256")]
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 4055 §3.1), `PS256`.
    #[serde(rename = "rsa-pss-sha256")]
    RsaPssSha256,
    /// ML-DSA-65 over the message itself with an empty context (RFC 9881 §2), `ML-DSA-65`; in builds with the embedded token.
    #[cfg(feature = "embedded")]
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
}

/// How many schemes this build knows.
const SCHEMES: usize = if cfg!(feature = "embedded") { 6 } else { 5 };

/// RSASSA-PSS-params of [`SignatureScheme::RsaPssSha256`] with NULL after each hash, as RFC 8017 A.2.3 writes them.
const PSS_SHA256: &[u8] = &[
    0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
    0x01, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
    0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0xa2, 0x03, 0x02, 0x01, 0x20,
];

/// The same with the NULLs left out, which RFC 4055 §2.1 tells readers to accept.
const PSS_SHA256_WITHOUT_NULL: &[u8] = &[
    0x30, 0x30, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
    0x01, 0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0xa2, 0x03, 0x02,
    0x01, 0x20,
];

/// The digest a scheme feeds to its key; Ed25519 takes the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-384.
    Sha384([u8; 48]),
}

impl Digest {
    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha384(bytes) => bytes,
        }
    }
}

impl SignatureScheme {
    /// Every scheme, for tests and listings.
    pub const ALL: [Self; SCHEMES] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
        Self::RsaPkcs1Sha256,
        Self::RsaPssSha256,
        #[cfg(feature = "embedded")]
        Self::MlDsa65,
    ];

    /// The AlgorithmIdentifier that certificates, CRLs, OCSP responses and CMS carry for this scheme.
    pub fn algorithm_identifier(self) -> AlgorithmIdentifierOwned {
        let parameters = match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha384 | Self::Ed25519 => None,
            Self::RsaPkcs1Sha256 => Some(Any::from(Null)),
            Self::RsaPssSha256 => Any::from_der(PSS_SHA256).ok(),
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => None,
        };
        AlgorithmIdentifierOwned {
            oid: self.oid(),
            parameters,
        }
    }

    /// Recognises an AlgorithmIdentifier; parameters that its RFC does not allow give `None`.
    pub fn from_algorithm_identifier(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        let scheme = Self::ALL
            .into_iter()
            .find(|scheme| scheme.oid() == identifier.oid)?;
        let parameters = identifier.parameters.as_ref();
        let allowed = match scheme {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha384 | Self::Ed25519 => parameters.is_none(),
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => parameters.is_none(),
            Self::RsaPkcs1Sha256 => parameters.is_none_or(Any::is_null),
            Self::RsaPssSha256 => {
                let der = der::Encode::to_der(parameters?).ok()?;
                der == PSS_SHA256 || der == PSS_SHA256_WITHOUT_NULL
            }
        };
        allowed.then_some(scheme)
    }

    /// The default scheme of a public key; `None` when the key is of a kind we never sign with.
    pub fn for_public_key(public_key: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        KeyAlgorithm::of(public_key).map(KeyAlgorithm::default_scheme)
    }

    /// The signature algorithm's OID.
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::EcdsaP256Sha256 => rfc5912::ECDSA_WITH_SHA_256,
            Self::EcdsaP384Sha384 => rfc5912::ECDSA_WITH_SHA_384,
            Self::Ed25519 => rfc8410::ID_ED_25519,
            Self::RsaPkcs1Sha256 => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
            Self::RsaPssSha256 => rfc5912::ID_RSASSA_PSS,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => fips204::ID_ML_DSA_65,
        }
    }

    /// The OID of the digest that CMS names beside this scheme; SHA-512 for Ed25519 (RFC 8419 §3) and ML-DSA-65 (RFC 9882 §3.3).
    pub const fn digest_oid(self) -> ObjectIdentifier {
        match self {
            Self::EcdsaP256Sha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => {
                rfc5912::ID_SHA_256
            }
            Self::EcdsaP384Sha384 => rfc5912::ID_SHA_384,
            Self::Ed25519 => rfc5912::ID_SHA_512,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => rfc5912::ID_SHA_512,
        }
    }

    /// The `alg` header value (RFC 7518 §3.1, RFC 8037 §3.1, the IANA registry for ML-DSA).
    pub const fn jose_alg(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ES256",
            Self::EcdsaP384Sha384 => "ES384",
            Self::Ed25519 => "EdDSA",
            Self::RsaPkcs1Sha256 => "RS256",
            Self::RsaPssSha256 => "PS256",
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => "ML-DSA-65",
        }
    }

    /// Recognises an `alg` header value; `none` and everything unknown give `None`.
    pub fn from_jose_alg(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.jose_alg() == name)
    }

    /// Whether the key signs the message itself, so that a digest is no help.
    pub const fn signs_message(self) -> bool {
        match self {
            Self::Ed25519 => true,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => true,
            Self::EcdsaP256Sha256
            | Self::EcdsaP384Sha384
            | Self::RsaPkcs1Sha256
            | Self::RsaPssSha256 => false,
        }
    }

    /// Hashes a message as this scheme does; `None` for one that signs the message itself.
    pub fn digest(self, message: &[u8]) -> Option<Digest> {
        match self {
            Self::EcdsaP256Sha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => {
                Some(Digest::Sha256(Sha256::digest(message).into()))
            }
            Self::EcdsaP384Sha384 => Some(Digest::Sha384(Sha384::digest(message).into())),
            Self::Ed25519 => None,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => None,
        }
    }

    /// Takes a digest made elsewhere; `None` when its length is not this scheme's or the scheme takes no digest.
    pub fn digest_from(self, bytes: &[u8]) -> Option<Digest> {
        match self {
            Self::EcdsaP256Sha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => {
                bytes.try_into().ok().map(Digest::Sha256)
            }
            Self::EcdsaP384Sha384 => bytes.try_into().ok().map(Digest::Sha384),
            Self::Ed25519 => None,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => None,
        }
    }

    /// The length of r and of s in bytes for an ECDSA scheme.
    pub const fn ecdsa_scalar_length(self) -> Option<usize> {
        match self {
            Self::EcdsaP256Sha256 => Some(32),
            Self::EcdsaP384Sha384 => Some(48),
            Self::Ed25519 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => None,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_survives_its_two_notations() {
        for scheme in SignatureScheme::ALL {
            let identifier = scheme.algorithm_identifier();
            assert_eq!(
                SignatureScheme::from_algorithm_identifier(&identifier),
                Some(scheme)
            );
            assert_eq!(
                SignatureScheme::from_jose_alg(scheme.jose_alg()),
                Some(scheme)
            );
        }
        assert_eq!(SignatureScheme::from_jose_alg("none"), None);
        assert_eq!(SignatureScheme::from_jose_alg("HS256"), None);
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let mut ecdsa = SignatureScheme::EcdsaP256Sha256.algorithm_identifier();
        ecdsa.parameters = Some(Any::from(Null));
        assert_eq!(SignatureScheme::from_algorithm_identifier(&ecdsa), None);
        let mut pss = SignatureScheme::RsaPssSha256.algorithm_identifier();
        pss.parameters = None; // means SHA-1
        assert_eq!(SignatureScheme::from_algorithm_identifier(&pss), None);
        pss.parameters = Some(Any::from_der(PSS_SHA256_WITHOUT_NULL).unwrap());
        assert_eq!(
            SignatureScheme::from_algorithm_identifier(&pss),
            Some(SignatureScheme::RsaPssSha256)
        );
    }
}
