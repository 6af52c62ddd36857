//! Reading and writing the values that frames are made of.

use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoOwned;

use super::WireError;
use crate::{KeyAlgorithm, KeyId, KeyLabel, SecretPurpose, SignatureScheme};

/// Takes values off the front of a frame; every length is checked against what is left.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Fails when the frame goes on after its last value.
    pub(super) fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WireError::Malformed("trailing bytes"))
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Malformed("too short"))?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, tail) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(WireError::Malformed("too short"))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.u32()?).map_err(|_| WireError::Malformed("length"))?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Malformed("text"))
    }

    pub(super) fn label(&mut self) -> Result<KeyLabel, WireError> {
        KeyLabel::parse(self.text()?).map_err(|_| WireError::Malformed("key label"))
    }

    pub(super) fn id(&mut self) -> Result<KeyId, WireError> {
        Ok(KeyId::from_bytes(self.array()?))
    }

    pub(super) fn public_key(&mut self) -> Result<SubjectPublicKeyInfoOwned, WireError> {
        SubjectPublicKeyInfoOwned::from_der(self.bytes()?)
            .map_err(|_| WireError::Malformed("public key"))
    }

    pub(super) fn algorithm(&mut self) -> Result<KeyAlgorithm, WireError> {
        let code = self.byte()?;
        KeyAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm_code(*algorithm) == code)
            .ok_or(WireError::Malformed("key algorithm"))
    }

    pub(super) fn scheme(&mut self) -> Result<SignatureScheme, WireError> {
        let code = self.byte()?;
        SignatureScheme::ALL
            .into_iter()
            .find(|scheme| scheme_code(*scheme) == code)
            .ok_or(WireError::Malformed("signature scheme"))
    }

    pub(super) fn purpose(&mut self) -> Result<SecretPurpose, WireError> {
        match self.byte()? {
            1 => Ok(SecretPurpose::KeyEncryption),
            2 => Ok(SecretPurpose::Mac),
            _ => Err(WireError::Malformed("purpose")),
        }
    }
}

/// Appends values to a frame.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A length that does not fit is written as the largest one, which no reader accepts.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.raw(bytes);
    }

    pub(super) fn label(&mut self, label: &KeyLabel) {
        self.bytes(label.as_str().as_bytes());
    }

    /// A public key that was decoded can be encoded; should it not, the reader sees an empty one and refuses.
    pub(super) fn public_key(&mut self, key: &SubjectPublicKeyInfoOwned) {
        self.bytes(&key.to_der().unwrap_or_default());
    }

    pub(super) fn algorithm(&mut self, algorithm: KeyAlgorithm) {
        self.byte(algorithm_code(algorithm));
    }

    pub(super) fn scheme(&mut self, scheme: SignatureScheme) {
        self.byte(scheme_code(scheme));
    }

    pub(super) fn purpose(&mut self, purpose: SecretPurpose) {
        self.byte(match purpose {
            SecretPurpose::KeyEncryption => 1,
            SecretPurpose::Mac => 2,
        });
    }
}

const fn algorithm_code(algorithm: KeyAlgorithm) -> u8 {
    match algorithm {
        KeyAlgorithm::P256 => 1,
        KeyAlgorithm::P384 => 2,
        KeyAlgorithm::Ed25519 => 3,
        KeyAlgorithm::Rsa2048 => 4,
        KeyAlgorithm::Rsa3072 => 5,
        KeyAlgorithm::Rsa4096 => 6,
        #[cfg(feature = "embedded")]
        KeyAlgorithm::MlDsa65 => 7,
    }
}

const fn scheme_code(scheme: SignatureScheme) -> u8 {
    match scheme {
        SignatureScheme::EcdsaP256Sha256 => 1,
        SignatureScheme::EcdsaP384Sha384 => 2,
        SignatureScheme::Ed25519 => 3,
        SignatureScheme::RsaPkcs1Sha256 => 4,
        SignatureScheme::RsaPssSha256 => 5,
        #[cfg(feature = "embedded")]
        SignatureScheme::MlDsa65 => 6,
    }
}
