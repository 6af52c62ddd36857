//! What the token does for sealed keys.

use zeroize::Zeroizing;

use crate::pkcs11::Token;
use crate::{DataKey, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore};

/// Label of the token's key, up to its generation; no policy can grant it.
const KEK: &str = "bridge/sealed/g";
/// Random bytes that one sealed key takes from the token: its seed and its data key.
pub(super) const FRESH: usize = 80;

/// The token as the keeper of what opens sealed keys.
pub(crate) trait Vault: Send + Sync {
    /// Random bytes.
    fn fresh(&self) -> Result<Zeroizing<[u8; FRESH]>, KeyStoreError>;
    /// The newest generation of the token's key.
    fn newest(&self) -> Result<Option<u32>, KeyStoreError>;
    /// Whether a generation wraps no more, by order.
    fn is_retired(&self, generation: u32) -> Result<bool, KeyStoreError>;
    /// Makes a generation; one that exists is [`KeyStoreError::KeyExists`].
    fn make(&self, generation: u32) -> Result<(), KeyStoreError>;
    /// Wraps a data key, bound to `aad`.
    fn wrap(&self, generation: u32, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError>;
    /// Opens what [`Vault::wrap`] made of the same generation and `aad`.
    fn unwrap(&self, generation: u32, aad: &[u8], wrapped: &[u8])
    -> Result<DataKey, KeyStoreError>;
    /// Whether the token holds a key pair of this label.
    fn has(&self, label: &KeyLabel) -> Result<bool, KeyStoreError>;
}

/// The label of a generation.
pub(crate) fn label_of(generation: u32) -> Result<KeyLabel, KeyStoreError> {
    KeyLabel::parse(&format!("{KEK}{generation}"))
        .map_err(|e| KeyStoreError::Configuration(format!("{KEK}{generation}: {e}")))
}

/// The generation whose label this is, in its one notation.
pub(crate) fn generation_of(label: &KeyLabel) -> Option<u32> {
    let generation = label.as_str().strip_prefix(KEK)?.parse().ok()?;
    (label_of(generation).as_ref() == Ok(label)).then_some(generation)
}

impl Vault for Token {
    fn fresh(&self) -> Result<Zeroizing<[u8; FRESH]>, KeyStoreError> {
        self.random().map(Zeroizing::new)
    }

    fn newest(&self) -> Result<Option<u32>, KeyStoreError> {
        // What is not one of ours in the token is not a generation either.
        let secrets = self.list_secrets()?.into_iter().flatten();
        Ok(secrets
            .filter(|secret| secret.purpose == SecretPurpose::KeyEncryption)
            .filter_map(|secret| generation_of(&secret.label))
            .max())
    }

    fn is_retired(&self, generation: u32) -> Result<bool, KeyStoreError> {
        Self::is_retired(self, &label_of(generation)?)
    }

    fn make(&self, generation: u32) -> Result<(), KeyStoreError> {
        self.generate_secret(&label_of(generation)?, SecretPurpose::KeyEncryption)
    }

    fn wrap(&self, generation: u32, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError> {
        SecretStore::wrap(self, &label_of(generation)?, aad, key)
    }

    fn unwrap(
        &self,
        generation: u32,
        aad: &[u8],
        wrapped: &[u8],
    ) -> Result<DataKey, KeyStoreError> {
        SecretStore::unwrap(self, &label_of(generation)?, aad, wrapped)
    }

    fn has(&self, label: &KeyLabel) -> Result<bool, KeyStoreError> {
        self.find(label).map(|found| found.is_some())
    }
}
