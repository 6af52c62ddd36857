//! How keys are named: people say a label, programs say an id derived from the public key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;
use thiserror::Error;

use crate::KeyStoreError;

/// The longest key label, in bytes.
pub const MAX_LABEL_LENGTH: usize = 128;

/// Why a label or key id was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// A label is segments of `A-Z a-z 0-9 . _ -` joined by `/`, at most 128 bytes in all.
    #[error(
        "a key label is segments of letters, digits, '.', '_' and '-' joined by '/', at most 128 bytes"
    )]
    Label,
    /// A key id is 40 lower-case hexadecimal digits.
    #[error("a key id is 40 lower-case hexadecimal digits")]
    Id,
}

/// The human name of a key, `SERVICE/PURPOSE/GENERATION`, such as `ca/persons/g1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyLabel(String);

impl KeyLabel {
    /// Accepts one or more non-empty segments of `A-Z a-z 0-9 . _ -` joined by `/`, at most [`MAX_LABEL_LENGTH`] bytes.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let segment = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        };
        if text.len() <= MAX_LABEL_LENGTH && text.split('/').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(LabelError::Label)
        }
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyLabel {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for KeyLabel {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::parse(&text)
    }
}

impl From<KeyLabel> for String {
    fn from(label: KeyLabel) -> Self {
        label.0
    }
}

/// The machine name of a key pair: the first 20 bytes of SHA-256 over its DER SubjectPublicKeyInfo; equals CKA_ID in the token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 20]);

impl KeyId {
    /// Takes the 20 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Derives the id from the DER of a SubjectPublicKeyInfo.
    pub fn of_der(spki: &[u8]) -> Self {
        let mut id = [0; 20];
        for (to, from) in id.iter_mut().zip(Sha256::digest(spki)) {
            *to = from;
        }
        Self(id)
    }

    /// Derives the id from a public key; fails only when the key cannot be encoded.
    pub fn of(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, KeyStoreError> {
        let der = der::Encode::to_der(spki)
            .map_err(|e| KeyStoreError::BadRequest(format!("public key: {e}")))?;
        Ok(Self::of_der(&der))
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(LabelError::Id),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 20 || !rest.is_empty() {
            return Err(LabelError::Id);
        }
        let mut id = [0; 20];
        for (to, [high, low]) in id.iter_mut().zip(pairs) {
            *to = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for KeyId {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_of_the_house_are_accepted_and_odd_ones_refused() {
        for good in [
            "ca/root/g1",
            "idp/id-token/2026-11",
            "sign/01931d4e-0000-7000-8000-000000000000",
            "a",
        ] {
            assert_eq!(KeyLabel::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a b",
            "ca/../root",
            "ca/*",
            "ក",
            &"a".repeat(129),
        ] {
            assert_eq!(KeyLabel::parse(bad), Err(LabelError::Label), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn ids_survive_text(bytes: [u8; 20]) {
            let id = KeyId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        }

        #[test]
        fn parsers_never_panic(text in ".{0,200}") {
            let _ = KeyLabel::parse(&text);
            let _ = text.parse::<KeyId>();
        }
    }
}
