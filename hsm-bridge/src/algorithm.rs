//! Kinds of key pairs and how to recognise them in a SubjectPublicKeyInfo.

use std::fmt;

#[cfg(feature = "embedded")]
use const_oid::db::fips204;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::UintRef;
use der::{Decode, Sequence};
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;

use crate::SignatureScheme;

/// A kind of key pair that the token may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    #[serde(rename = "p256")]
    P256,
    /// ECDSA on NIST P-384.
    #[serde(rename = "p384")]
    P384,
    /// Ed25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA, 2048 bits.
    #[serde(rename = "rsa2048")]
    Rsa2048,
    /// RSA, 3072 bits.
    #[serde(rename = "rsa3072")]
    Rsa3072,
    /// RSA, 4096 bits.
    #[serde(rename = "rsa4096")]
    Rsa4096,
    /// ML-DSA-65 (FIPS 204), in builds with the embedded token: others have no OpenSSL that verifies it.
    #[cfg(feature = "embedded")]
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
}

/// How many kinds this build knows.
const KINDS: usize = if cfg!(feature = "embedded") { 7 } else { 6 };
/// Length in bytes of an ML-DSA-65 public key (FIPS 204 table 2).
#[cfg(feature = "embedded")]
const ML_DSA_65_LENGTH: usize = 1952;

/// RFC 8017 A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

impl KeyAlgorithm {
    /// Every kind, for tests and listings.
    pub const ALL: [Self; KINDS] = [
        Self::P256,
        Self::P384,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        #[cfg(feature = "embedded")]
        Self::MlDsa65,
    ];

    /// Recognises a public key; `None` for kinds the token never makes (other curves, other RSA sizes) and for malformed ones.
    pub fn of(spki: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let oid = spki.algorithm.oid;
        let parameters = spki.algorithm.parameters.as_ref();
        let key = spki.subject_public_key.as_bytes()?;
        if oid == rfc5912::ID_EC_PUBLIC_KEY {
            let curve = parameters?
                .decode_as::<der::asn1::ObjectIdentifier>()
                .ok()?;
            // Uncompressed points alone: hybrid ones are forbidden (RFC 5480 §2.2), and one key has one encoding, so one id.
            return match (curve, key.len(), key.first()) {
                (rfc5912::SECP_256_R_1, 65, Some(4)) => Some(Self::P256),
                (rfc5912::SECP_384_R_1, 97, Some(4)) => Some(Self::P384),
                _ => None,
            };
        }
        if oid == rfc8410::ID_ED_25519 {
            return (parameters.is_none() && key.len() == 32).then_some(Self::Ed25519);
        }
        #[cfg(feature = "embedded")]
        if oid == fips204::ID_ML_DSA_65 {
            // RFC 9881 §2 and §4: no parameters, the key as it is.
            let plain = parameters.is_none() && key.len() == ML_DSA_65_LENGTH;
            return plain.then_some(Self::MlDsa65);
        }
        if oid == rfc5912::RSA_ENCRYPTION {
            let key = RsaPublicKey::from_der(key).ok()?;
            let first = key.modulus.as_bytes().first()?;
            let bits = key.modulus.as_bytes().len() * 8 - first.leading_zeros() as usize;
            return Self::ALL
                .into_iter()
                .find(|algorithm| algorithm.rsa_bits() == Some(bits));
        }
        None
    }

    /// The modulus length of an RSA kind.
    pub const fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            Self::P256 | Self::P384 | Self::Ed25519 => None,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => None,
        }
    }

    /// The scheme used when nobody asks for another.
    pub const fn default_scheme(self) -> SignatureScheme {
        match self {
            Self::P256 => SignatureScheme::EcdsaP256Sha256,
            Self::P384 => SignatureScheme::EcdsaP384Sha384,
            Self::Ed25519 => SignatureScheme::Ed25519,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => SignatureScheme::RsaPkcs1Sha256,
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => SignatureScheme::MlDsa65,
        }
    }

    /// Whether a key of this kind may sign by `scheme`.
    pub fn fits(self, scheme: SignatureScheme) -> bool {
        self.default_scheme() == scheme
            || (self.rsa_bits().is_some() && scheme == SignatureScheme::RsaPssSha256)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
            #[cfg(feature = "embedded")]
            Self::MlDsa65 => "ml-dsa-65",
        })
    }
}
