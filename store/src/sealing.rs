//! Sealed personal data: AES-256-GCM under a key of the subject, which the token wraps.
//!
//! A sealed value opens only with its subject's key and in the table, column and row it was sealed for. Erasing the
//! wrapped key makes everything sealed under it unreadable. Equality look-ups use an HMAC computed in the token.
//!
//! Sealed value: one byte of format, 12 bytes of nonce, ciphertext, 16 bytes of tag.

use std::sync::Arc;

use hsm_bridge::{DataKey, KeyLabel, KeyStoreError, SecretStore};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Format of sealed values: AES-256-GCM, associated data as [`SubjectKey::associated_data`] lays it out.
const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
/// First bytes of what a subject key is bound to while wrapped.
const WRAP_DOMAIN: &[u8] = b"romduol-subject-key-v1";
/// First bytes of every message of a blind index.
const INDEX_DOMAIN: &[u8] = b"romduol-blind-index-v1";

/// A value that could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The sealed bytes are damaged or belong elsewhere, or the key is another subject's.
    #[error("sealed value does not open")]
    Refused,
    /// The value could not be sealed.
    #[error("value could not be sealed")]
    Seal,
    /// The token did not answer, or refused.
    #[error("sealing key: {0}")]
    Token(#[from] KeyStoreError),
}

/// Where a sealed value lives; it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Table name.
    pub table: &'a str,
    /// Column name.
    pub column: &'a str,
    /// Primary key of the row, as text.
    pub row: &'a str,
}

/// Makes and opens subject keys, and computes blind indexes. Calls reach the token and block.
#[derive(Clone)]
pub struct Sealer {
    token: Arc<dyn SecretStore>,
    kek: KeyLabel,
    index: KeyLabel,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("kek", &self.kek)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer whose key-encryption key and blind-index key are already in the token.
    pub fn new(token: Arc<dyn SecretStore>, kek: KeyLabel, index: KeyLabel) -> Self {
        Self { token, kek, index }
    }

    /// A subject's new key, made of `random`, and its wrapped form for the database.
    pub fn new_subject_key(
        &self,
        subject: Uuid,
        random: [u8; 32],
    ) -> Result<(SubjectKey, Vec<u8>), SealingError> {
        let key = DataKey::from_bytes(random);
        let wrapped = self.token.wrap(&self.kek, &wrap_context(subject), &key)?;
        Ok((SubjectKey { subject, key }, wrapped))
    }

    /// The key that was wrapped for `subject`; refused for anybody else's.
    pub fn open_subject_key(
        &self,
        subject: Uuid,
        wrapped: &[u8],
    ) -> Result<SubjectKey, SealingError> {
        let key = self
            .token
            .unwrap(&self.kek, &wrap_context(subject), wrapped)?;
        Ok(SubjectKey { subject, key })
    }

    /// HMAC-SHA-256 in the token over `kind` and the already normalised value: equal values of one kind have equal
    /// indexes, and nobody without the token can try values out.
    pub fn blind_index(&self, kind: &str, normalised: &str) -> Result<[u8; 32], SealingError> {
        let message = encode(&[INDEX_DOMAIN, kind.as_bytes(), normalised.as_bytes()]);
        Ok(self.token.hmac(&self.index, &message)?)
    }
}

/// The opened key of one subject; wiped from memory when dropped.
#[derive(Clone)]
pub struct SubjectKey {
    subject: Uuid,
    key: DataKey,
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubjectKey")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl SubjectKey {
    /// Whose key this is.
    pub fn subject(&self) -> Uuid {
        self.subject
    }

    /// Seals `plaintext` for `field`. `nonce` must be fresh random: two values under one key and nonce reveal both.
    pub fn seal(
        &self,
        field: &Field<'_>,
        plaintext: &[u8],
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, SealingError> {
        let mut tag = [0; TAG_LENGTH];
        let aad = self.associated_data(field);
        let cipher = Cipher::aes_256_gcm();
        let text = encrypt_aead(
            cipher,
            self.key.as_bytes(),
            Some(&nonce),
            &aad,
            plaintext,
            &mut tag,
        )
        .map_err(|_| SealingError::Seal)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + text.len() + TAG_LENGTH);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what [`SubjectKey::seal`] made for the same subject and field.
    pub fn open(
        &self,
        field: &Field<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let refused = || SealingError::Refused;
        let (format, rest) = sealed.split_first().ok_or_else(refused)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(refused)?;
        let text_length = rest.len().checked_sub(TAG_LENGTH).ok_or_else(refused)?;
        let (text, tag) = rest.split_at_checked(text_length).ok_or_else(refused)?;
        if *format != FORMAT {
            return Err(refused());
        }
        let aad = self.associated_data(field);
        decrypt_aead(
            Cipher::aes_256_gcm(),
            self.key.as_bytes(),
            Some(nonce),
            &aad,
            text,
            tag,
        )
        .map(Zeroizing::new)
        .map_err(|_| refused())
    }

    fn associated_data(&self, field: &Field<'_>) -> Vec<u8> {
        encode(&[
            &[FORMAT],
            self.subject.as_bytes(),
            field.table.as_bytes(),
            field.column.as_bytes(),
            field.row.as_bytes(),
        ])
    }
}

fn wrap_context(subject: Uuid) -> Vec<u8> {
    encode(&[WRAP_DOMAIN, subject.as_bytes()])
}

/// Joins parts, each preceded by its length, so that no two lists of parts encode alike.
fn encode(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(subject: u128, byte: u8) -> SubjectKey {
        SubjectKey {
            subject: Uuid::from_u128(subject),
            key: DataKey::from_bytes([byte; 32]),
        }
    }

    const FIELD: Field<'_> = Field {
        table: "persons",
        column: "attributes",
        row: "r1",
    };

    #[test]
    fn a_value_opens_only_where_and_for_whom_it_was_sealed() {
        let sealed = key(1, 7).seal(&FIELD, b"Sok Dara", [9; 12]).unwrap();
        assert_eq!(&**key(1, 7).open(&FIELD, &sealed).unwrap(), b"Sok Dara");
        assert!(!sealed.windows(4).any(|w| w == b"Dara"));
        assert!(key(2, 7).open(&FIELD, &sealed).is_err(), "another subject");
        assert!(key(1, 8).open(&FIELD, &sealed).is_err(), "another key");
        for field in [
            Field { row: "r2", ..FIELD },
            Field {
                column: "attribute",
                ..FIELD
            },
            Field {
                table: "cases",
                ..FIELD
            },
            Field {
                table: "personsa",
                column: "ttributes",
                ..FIELD
            },
        ] {
            assert!(key(1, 7).open(&field, &sealed).is_err(), "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(
            plaintext in proptest::collection::vec(any::<u8>(), 0..200),
            nonce: [u8; 12],
            place: proptest::sample::Index,
            flip in 1u8..,
        ) {
            let mut sealed = key(1, 7).seal(&FIELD, &plaintext, nonce).unwrap();
            prop_assert_eq!(&**key(1, 7).open(&FIELD, &sealed).unwrap(), &plaintext[..]);
            let at = place.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert!(key(1, 7).open(&FIELD, &sealed).is_err());
        }

        #[test]
        fn opening_rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(key(1, 7).open(&FIELD, &bytes).is_err());
        }
    }
}
