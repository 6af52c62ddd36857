//! The file of one sealed key: what is public about it, the wrapped data key, and the private key under that.
//!
//! ```text
//! "RSK" 1 | label | id | algorithm | public half | generation, wrapped data key | sealed text
//! ```
//!
//! Everything before the generation is authenticated by both layers; the second layer is replaced when the token's key is.

use crate::{KeyAlgorithm, KeyId, KeyLabel};

/// Marks a file of this kind and version.
const MAGIC: [u8; 4] = *b"RSK\x01";
/// Longest file; a label, a public half, a wrapped key and a sealed key with its holder fit twice.
pub(super) const MAX_FILE: usize = 8 * 1024;
/// Kinds of keys that are sealed, and their numbers in files.
const ALGORITHMS: [(u8, KeyAlgorithm); 3] = [
    (1, KeyAlgorithm::P256),
    (2, KeyAlgorithm::P384),
    (3, KeyAlgorithm::Ed25519),
];

/// A file as it is read, before anything in it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SealedFile {
    pub(super) public: Identity,
    /// Generation of the token's key.
    pub(super) generation: u32,
    /// The data key as the token wrapped it.
    pub(super) wrapped: Vec<u8>,
    /// What the data key sealed.
    pub(super) sealed: Vec<u8>,
}

/// What a file says for all to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) label: KeyLabel,
    pub(super) id: KeyId,
    pub(super) algorithm: KeyAlgorithm,
    /// The SubjectPublicKeyInfo in DER.
    pub(super) public_key: Vec<u8>,
}

/// Whether keys of this kind can be sealed.
pub(super) fn can_be_sealed(algorithm: KeyAlgorithm) -> bool {
    ALGORITHMS.iter().any(|(_, known)| *known == algorithm)
}

impl Identity {
    /// The bytes that both layers authenticate; `None` for a kind that is never sealed, or a part that is too long.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let number = ALGORITHMS
            .iter()
            .find(|(_, algorithm)| *algorithm == self.algorithm)?;
        let mut to = MAGIC.to_vec();
        part(&mut to, self.label.as_str().as_bytes())?;
        to.extend_from_slice(self.id.as_bytes());
        to.push(number.0);
        part(&mut to, &self.public_key)?;
        Some(to)
    }
}

impl SealedFile {
    /// Writes the file; `None` when it would be too long to be read again.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut to = self.public.encode()?;
        to.extend_from_slice(&self.generation.to_be_bytes());
        part(&mut to, &self.wrapped)?;
        part(&mut to, &self.sealed)?;
        (to.len() <= MAX_FILE).then_some(to)
    }

    /// Reads a file; `None` when it is not exactly what [`SealedFile::encode`] writes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_FILE {
            return None;
        }
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (label, rest) = taken(rest)?;
        let (id, rest) = rest.split_first_chunk::<20>()?;
        let (number, rest) = rest.split_first()?;
        let (public_key, rest) = taken(rest)?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let (wrapped, rest) = taken(rest)?;
        let (sealed, rest) = taken(rest)?;
        let (_, algorithm) = ALGORITHMS.iter().find(|(known, _)| known == number)?;
        rest.is_empty().then_some(())?;
        Some(Self {
            public: Identity {
                label: KeyLabel::parse(std::str::from_utf8(label).ok()?).ok()?,
                id: KeyId::from_bytes(*id),
                algorithm: *algorithm,
                public_key: public_key.to_vec(),
            },
            generation: u32::from_be_bytes(*generation),
            wrapped: wrapped.to_vec(),
            sealed: sealed.to_vec(),
        })
    }
}

/// Appends a part behind its length.
pub(super) fn part(to: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let length = u16::try_from(bytes.len()).ok()?;
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
    Some(())
}

/// Reads a part, and gives what comes after.
pub(super) fn taken(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
