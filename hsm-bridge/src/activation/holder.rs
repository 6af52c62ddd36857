//! Who releases a key: a passkey at one relying party and origin, kept beside the key under a MAC of the bridge's own.

use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoOwned;

use super::ActivationError;
use crate::{KeyAlgorithm, KeyId, KeyStoreError, SignatureScheme};

/// Longest record of a holder, in bytes.
pub const MAX_HOLDER_RECORD: usize = 2048;

/// Longest relying party identifier or origin.
const MAX_NAME: usize = 255;
const MAC_LENGTH: usize = 32;
const VERSION: u8 = 1;
/// What the MAC covers starts with this, so that no other use of the MAC key makes a record.
const MAC_DOMAIN: &[u8] = b"romduol-holder-v1";

/// The holder of a key, as given when the key is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    public_key: SubjectPublicKeyInfoOwned,
    scheme: SignatureScheme,
    rp_id: String,
    origin: String,
}

impl Holder {
    /// Takes the passkey's public key (a DER SubjectPublicKeyInfo for ES256, EdDSA or RS256), its relying party and the origin of the
    /// one page that may ask: https, or http on localhost, with a host that is or lies below the relying party (Web Authentication
    /// Level 3 §5.1.3).
    pub fn new(public_key: &[u8], rp_id: &str, origin: &str) -> Result<Self, ActivationError> {
        const KEY: ActivationError = ActivationError::Holder("public key");
        let public_key = SubjectPublicKeyInfoOwned::from_der(public_key).map_err(|_| KEY)?;
        let scheme = match KeyAlgorithm::of(&public_key).ok_or(KEY)? {
            KeyAlgorithm::P256 => SignatureScheme::EcdsaP256Sha256,
            KeyAlgorithm::Ed25519 => SignatureScheme::Ed25519,
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
                SignatureScheme::RsaPkcs1Sha256
            }
            KeyAlgorithm::P384 => return Err(KEY),
            #[cfg(feature = "embedded")]
            KeyAlgorithm::MlDsa65 => return Err(KEY),
        };
        if !is_host(rp_id) {
            return Err(ActivationError::Holder("relying party"));
        }
        if !belongs(origin, rp_id) {
            return Err(ActivationError::Holder("origin"));
        }
        Ok(Self {
            public_key,
            scheme,
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
        })
    }

    /// The passkey's public key.
    pub const fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }

    /// How the passkey signs.
    pub const fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// The relying party identifier.
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// The one origin accepted.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Writes the record of `key`'s holder; `mac` computes HMAC-SHA-256 under a key of the bridge.
    pub fn encode(
        &self,
        key: KeyId,
        mac: impl FnOnce(&[u8]) -> Result<[u8; MAC_LENGTH], KeyStoreError>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let mut record = self.body(key)?;
        let mac = mac(&covered(&record))?;
        record.extend_from_slice(&mac);
        Ok(record)
    }

    /// Writes the record for a place that authenticates it by itself.
    pub(crate) fn body(&self, key: KeyId) -> Result<Vec<u8>, KeyStoreError> {
        let refused = || KeyStoreError::BadRequest("the holder cannot be encoded".to_owned());
        let public_key = self.public_key.to_der().map_err(|_| refused())?;
        let mut record = vec![VERSION];
        record.extend_from_slice(key.as_bytes());
        for part in [
            public_key.as_slice(),
            self.rp_id.as_bytes(),
            self.origin.as_bytes(),
        ] {
            let length = u16::try_from(part.len()).map_err(|_| refused())?;
            record.extend_from_slice(&length.to_be_bytes());
            record.extend_from_slice(part);
        }
        if record.len() > MAX_HOLDER_RECORD - MAC_LENGTH {
            return Err(refused());
        }
        Ok(record)
    }

    /// Reads the record of `key`'s holder; one of another key, of another version or with any bit changed is
    /// [`KeyStoreError::KeyRefused`].
    pub fn decode(
        record: &[u8],
        key: KeyId,
        mac: impl FnOnce(&[u8]) -> Result<[u8; MAC_LENGTH], KeyStoreError>,
    ) -> Result<Self, KeyStoreError> {
        let refused = |what| KeyStoreError::KeyRefused(format!("its holder's record {what}"));
        if record.len() > MAX_HOLDER_RECORD {
            return Err(refused("is too long"));
        }
        let (body, found) = record
            .split_last_chunk::<MAC_LENGTH>()
            .ok_or_else(|| refused("is too short"))?;
        // The MAC first: nothing is read out of bytes that are not ours.
        if !openssl::memcmp::eq(&mac(&covered(body))?, found) {
            return Err(refused("was changed"));
        }
        Self::from_body(body, key)
    }

    /// Reads what [`Holder::body`] wrote for the same key.
    pub(crate) fn from_body(body: &[u8], key: KeyId) -> Result<Self, KeyStoreError> {
        let refused = |what| KeyStoreError::KeyRefused(format!("its holder's record {what}"));
        let malformed = || refused("cannot be read");
        let (version, rest) = body.split_first().ok_or_else(malformed)?;
        let (owner, rest) = rest.split_first_chunk::<20>().ok_or_else(malformed)?;
        if *version != VERSION {
            return Err(refused("is of an unknown version"));
        }
        if owner != key.as_bytes() {
            return Err(refused("belongs to another key"));
        }
        let (public_key, rest) = part(rest).ok_or_else(malformed)?;
        let (rp_id, rest) = part(rest).ok_or_else(malformed)?;
        let (origin, rest) = part(rest).ok_or_else(malformed)?;
        let (Ok(rp_id), Ok(origin), []) = (
            std::str::from_utf8(rp_id),
            std::str::from_utf8(origin),
            rest,
        ) else {
            return Err(malformed());
        };
        Self::new(public_key, rp_id, origin).map_err(|_| malformed())
    }
}

fn covered(body: &[u8]) -> Vec<u8> {
    [MAC_DOMAIN, body].concat()
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Labels of lower-case letters, digits and hyphens joined by dots, as browsers write a host.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= MAX_NAME && text.split('.').all(label)
}

fn belongs(origin: &str, rp_id: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    // The serialisation of an origin has no leading zero and leaves the default port out (RFC 6454 §6.1).
    let plain_port = port.is_none_or(|port| {
        port.parse::<u16>().is_ok_and(|number| {
            number != 0
                && number.to_string() == port
                && !matches!((scheme, number), ("https", 443) | ("http", 80))
        })
    });
    let secure = scheme == "https" || (scheme == "http" && host == "localhost");
    let below = host
        .strip_suffix(rp_id)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    origin.len() <= MAX_NAME && secure && plain_port && is_host(host) && below
}
