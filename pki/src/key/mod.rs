//! Public keys: their identifiers, and the checks that a key passes before it is certified.
//!
//! Only public values are computed with, so `num-bigint`, which is not constant-time, is fit for it.

mod ec;
mod rsa;

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;

pub(crate) const ID_EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ISSUER_ID_OCTETS: usize = 16;
const KEY_IDENTIFIER_OCTETS: usize = 20;

/// Why a key is not certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a SubjectPublicKeyInfo in DER.
    #[error("no SubjectPublicKeyInfo in DER")]
    Der,
    /// An algorithm or curve that no profile accepts.
    #[error("key algorithm {0} is not accepted")]
    Algorithm(ObjectIdentifier),
    /// Algorithm parameters that are absent, explicit or wrong.
    #[error("algorithm parameters are not the ones of the algorithm's RFC")]
    Parameters,
    /// An elliptic-curve point that is compressed, at infinity or off its curve.
    #[error("point is not an uncompressed point on its curve")]
    Point,
    /// A modulus outside 2048..=8192 bits, or not a multiple of eight bits long.
    #[error("RSA modulus is not 2048 to 8192 bits long")]
    ModulusLength,
    /// An even modulus, or one with a prime factor below 752.
    #[error("RSA modulus has a small factor")]
    SmallFactor,
    /// A public exponent that is even, below 65537 or above 2^256.
    #[error("RSA exponent is not an odd number from 65537 to 2^256")]
    Exponent,
    /// Two primes so close that Fermat's method finds them.
    #[error("RSA primes are too close together")]
    ClosePrimes,
    /// The fingerprint of CVE-2017-15361 (ROCA).
    #[error("RSA modulus was made by a generator known to be weak")]
    Roca,
}

/// Checks that a key is well-formed and not of a known weak kind (P-256, P-384 or RSA).
pub fn check(key: &SubjectPublicKeyInfoOwned) -> Result<(), KeyError> {
    match key.algorithm.oid {
        ID_EC_PUBLIC_KEY => ec::check(key),
        RSA_ENCRYPTION => rsa::check(key),
        other => Err(KeyError::Algorithm(other)),
    }
}

/// Parses a SubjectPublicKeyInfo in DER and checks the key.
pub fn parse(der: &[u8]) -> Result<SubjectPublicKeyInfoOwned, KeyError> {
    let key = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| KeyError::Der)?;
    check(&key)?;
    Ok(key)
}

/// The name of an issuer's key in URLs: lower-case hex of SHA-256(SubjectPublicKeyInfo) cut to 16 octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssuerId([u8; ISSUER_ID_OCTETS]);

/// Text that is no [`IssuerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an issuer id is 32 lower-case hexadecimal digits")]
pub struct IssuerIdError;

/// The identifier of an issuer's key; a renewed certificate over the same key keeps it.
pub fn issuer_id(key: &SubjectPublicKeyInfoOwned) -> der::Result<IssuerId> {
    let digest = Sha256::digest(key.to_der()?);
    let mut octets = [0; ISSUER_ID_OCTETS];
    octets
        .iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    Ok(IssuerId(octets))
}

/// The key identifier of certificates: the leftmost 160 bits of SHA-256 over the key's BIT STRING
/// (RFC 7093 §2, method 1), because nothing that we make should depend on SHA-1.
pub fn key_identifier(key: &SubjectPublicKeyInfoOwned) -> Vec<u8> {
    let digest = Sha256::digest(key.subject_public_key.raw_bytes());
    digest.iter().take(KEY_IDENTIFIER_OCTETS).copied().collect()
}

impl IssuerId {
    /// The sixteen octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerId({self})")
    }
}

impl FromStr for IssuerId {
    type Err = IssuerIdError;

    fn from_str(text: &str) -> Result<Self, IssuerIdError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * ISSUER_ID_OCTETS
            || digits
                .iter()
                .any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(IssuerIdError);
        }
        let mut octets = [0; ISSUER_ID_OCTETS];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| IssuerIdError)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| IssuerIdError)?;
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for IssuerId {
    type Error = IssuerIdError;

    fn try_from(text: String) -> Result<Self, IssuerIdError> {
        text.parse()
    }
}

impl From<IssuerId> for String {
    fn from(id: IssuerId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests;
