//! A request for a certificate after it was understood, and the key under which it may be repeated.

use der::Encode;
use pki::issue::SubjectAltName;
use pki::key::IssuerId;
use pki::name::{Attribute, DistinguishedName};
use pki::profile::ProfileName;
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;

use crate::error::Error;

/// Most further names in one certificate.
const MAX_SAN: usize = 32;
/// Longest idempotency key, in characters.
const MAX_KEY: usize = 128;

/// What to certify. The key's possession was proven, or the caller vouches for it.
#[derive(Clone, Debug)]
pub struct Order {
    profile: ProfileName,
    issuer: Option<IssuerId>,
    subject: DistinguishedName,
    san: Vec<SubjectAltName>,
    public_key: SubjectPublicKeyInfoOwned,
    spki_hash: [u8; 32],
    holder_hash: [u8; 32],
    request_hash: [u8; 32],
}

impl Order {
    /// Joins the parts; refuses a subject serialNumber where it is not the caller's to choose.
    pub fn new(
        profile: ProfileName,
        issuer: Option<IssuerId>,
        subject: DistinguishedName,
        san: Vec<SubjectAltName>,
        public_key: SubjectPublicKeyInfoOwned,
    ) -> Result<Self, Error> {
        if san.len() > MAX_SAN {
            return Err(Error::Profile(format!(
                "at most {MAX_SAN} subject alternative names"
            )));
        }
        let chosen_by_caller = matches!(profile, ProfileName::XroadAuth | ProfileName::XroadSign);
        if subject.value(Attribute::SerialNumber).is_some() && !chosen_by_caller {
            return Err(Error::Profile(
                "the subject's serial_number is a random identifier made by the authority"
                    .to_owned(),
            ));
        }
        let spki = public_key
            .to_der()
            .map_err(|_| Error::Key("malformed".to_owned()))?;
        let spki_hash = Sha256::digest(&spki).into();
        let holder = serde_json::to_vec(&subject).map_err(Error::internal)?;
        let holder_hash = Sha256::digest(&holder).into();
        let whole = serde_json::to_vec(&(profile, issuer, &subject, &san, &spki))
            .map_err(Error::internal)?;
        Ok(Self {
            profile,
            issuer,
            subject,
            san,
            public_key,
            spki_hash,
            holder_hash,
            request_hash: Sha256::digest(&whole).into(),
        })
    }

    /// The profile.
    pub fn profile(&self) -> ProfileName {
        self.profile
    }

    /// The issuer asked for, where the profile does not decide it.
    pub fn issuer(&self) -> Option<IssuerId> {
        self.issuer
    }

    /// The subject as asked for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// Further names.
    pub fn san(&self) -> &[SubjectAltName] {
        &self.san
    }

    /// The key to certify.
    pub fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }

    /// SHA-256 over the DER of the key.
    pub fn spki_hash(&self) -> &[u8] {
        &self.spki_hash
    }

    /// SHA-256 over the subject as asked for.
    pub fn holder_hash(&self) -> &[u8] {
        &self.holder_hash
    }

    /// SHA-256 over the whole order.
    pub fn request_hash(&self) -> &[u8] {
        &self.request_hash
    }
}

/// The caller's name for one request (`Idempotency-Key`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Accepts 1 to 128 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > MAX_KEY || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::BadRequest(format!(
                "Idempotency-Key is 1 to {MAX_KEY} visible ASCII characters"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_visible() {
        assert!(IdempotencyKey::parse("018f-1").is_ok());
        for bad in ["", "a b", "a\n", "ក", &"x".repeat(MAX_KEY + 1)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}
