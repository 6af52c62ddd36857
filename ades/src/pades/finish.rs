//! The second phase: the signature goes into the space that waits for it.

use core::ops::Range;

use hsm_bridge::{SignatureScheme, SignatureVerifier};
use pki::cms::{self, DigestAlgorithm};
use pki::tsp::{MessageImprint, TimeStampToken};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Level, MAX_FILE_BYTES, PadesError, serialise};

/// What a stored `Prepared` starts with; the digit is the version of its form.
const MAGIC: &[u8; 8] = b"RDPADES1";
/// Bytes of the length in front of the stored description.
const LENGTH_BYTES: usize = 4;

/// A PDF that waits for its signature. [`Prepared::encode`] stores it, so that a person may take minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    file: Vec<u8>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    gap: Range<usize>,
    cms: cms::Prepared,
    level: Level,
    byte_range_digest: Vec<u8>,
}

impl Prepared {
    pub(super) fn new(
        file: Vec<u8>,
        gap: Range<usize>,
        cms: cms::Prepared,
        level: Level,
        byte_range_digest: Vec<u8>,
    ) -> Self {
        Self {
            file,
            state: State {
                gap,
                cms,
                level,
                byte_range_digest,
            },
        }
    }

    /// What the key signs: DER of the signed attributes.
    pub fn signed_attributes(&self) -> &[u8] {
        self.state.cms.signed_attributes()
    }

    /// SHA-256 of [`Prepared::signed_attributes`]: names this signature of this document, certificate included,
    /// and is what a signer consents to.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.signed_attributes()).into()
    }

    /// Digest of the document as signed, by the scheme's own algorithm.
    pub fn byte_range_digest(&self) -> &[u8] {
        &self.state.byte_range_digest
    }

    /// How the key must sign.
    pub fn scheme(&self) -> SignatureScheme {
        self.state.cms.scheme()
    }

    /// The level promised.
    pub fn level(&self) -> Level {
        self.state.level
    }

    /// Checks a signature over [`Prepared::signed_attributes`] against the signer's certificate.
    pub fn check(
        &self,
        signature: &[u8],
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), PadesError> {
        Ok(self.state.cms.check(signature, verifier)?)
    }

    /// What a time-stamping authority is asked to stamp for this signature value.
    pub fn time_stamp_imprint(&self, signature: &[u8]) -> Result<MessageImprint, PadesError> {
        let hash = DigestAlgorithm::Sha256.digest(&[signature]);
        Ok(MessageImprint::new(DigestAlgorithm::Sha256, &hash)?)
    }

    /// The signed PDF. `signature` is the value over the signed attributes (ECDSA as DER); `time_stamp` a
    /// TimeStampToken over that value, which level B-T demands: nothing falls back to B-B in silence.
    pub fn finish(
        self,
        signature: &[u8],
        time_stamp: Option<&[u8]>,
    ) -> Result<Vec<u8>, PadesError> {
        match (self.state.level, time_stamp) {
            (Level::BT, None) => return Err(PadesError::TimeStampMissing),
            (_, Some(token)) => check_token(token, signature)?,
            (Level::BB, None) => {}
        }
        let cms = self.state.cms.finish(signature, time_stamp)?;
        let mut file = self.file;
        let gap = file
            .get_mut(self.state.gap.clone())
            .ok_or(PadesError::NotPrepared)?;
        let available = gap.len().saturating_sub(2) / 2;
        let text = serialise::hex(&cms);
        match gap.get_mut(1..=text.len()) {
            Some(place) if cms.len() <= available => place.copy_from_slice(text.as_bytes()),
            _ => {
                return Err(PadesError::ContentsTooSmall {
                    needed: cms.len(),
                    available,
                });
            }
        }
        Ok(file)
    }

    /// The stored form.
    pub fn encode(&self) -> Result<Vec<u8>, PadesError> {
        let state = serde_json::to_vec(&self.state).map_err(|_| PadesError::NotPrepared)?;
        let length = u32::try_from(state.len()).map_err(|_| PadesError::TooLarge("file"))?;
        Ok([&MAGIC[..], &length.to_be_bytes(), &state, &self.file].concat())
    }

    /// Reads the stored form back and checks that it is whole: the digest is computed anew.
    pub fn decode(bytes: &[u8]) -> Result<Self, PadesError> {
        if bytes.len() > 2 * MAX_FILE_BYTES {
            return Err(PadesError::TooLarge("file"));
        }
        let bad = || PadesError::NotPrepared;
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(bad)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(bad)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| bad())?;
        let (state, file) = rest.split_at_checked(length).ok_or_else(bad)?;
        let state: State = serde_json::from_slice(state).map_err(|_| bad())?;
        let before = file.get(..state.gap.start).ok_or_else(bad)?;
        let after = file.get(state.gap.end..).ok_or_else(bad)?;
        let digest = DigestAlgorithm::of(state.cms.scheme())?.digest(&[before, after]);
        if digest != state.byte_range_digest || state.gap.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            file: file.to_vec(),
            state,
        })
    }
}

fn check_token(token: &[u8], signature: &[u8]) -> Result<(), PadesError> {
    let token = TimeStampToken::parse(token)?;
    if token.imprint.hash != token.imprint.digest.digest(&[signature]) {
        return Err(PadesError::TimeStampMismatch);
    }
    Ok(())
}
