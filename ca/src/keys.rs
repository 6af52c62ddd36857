//! The authority's keys, reached through the token's door and remembered by label.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hsm_bridge::activation::{Assertion, HeldKeys, Holder};
use hsm_bridge::{Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, Signer};
use spki::SubjectPublicKeyInfoOwned;

/// What the running authority needs from a token: making and using signing keys, those that their holders release among them, and a
/// sign of life.
pub trait TokenDoor: KeyStore + HeldKeys + Health {}

impl<T: KeyStore + HeldKeys + Health> TokenDoor for T {}

/// Signers by label; a look-up in the token happens once per key. All calls block.
#[derive(Clone)]
pub struct Keys {
    door: Arc<dyn TokenDoor>,
    signers: Arc<Mutex<HashMap<KeyLabel, Arc<dyn Signer>>>>,
}

/// Signers remembered before all are forgotten; signing credentials would otherwise add up for ever.
const MAX_REMEMBERED: usize = 4096;

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Keys behind this door.
    pub fn new(door: Arc<dyn TokenDoor>) -> Self {
        Self {
            door,
            signers: Arc::default(),
        }
    }

    /// The signer of a label, with the key's default scheme.
    pub fn signer(&self, label: &KeyLabel) -> Result<Arc<dyn Signer>, KeyStoreError> {
        if let Some(signer) = self.lock().get(label) {
            return Ok(Arc::clone(signer));
        }
        let id = self
            .door
            .find(label)?
            .ok_or_else(|| KeyStoreError::UnknownKey(label.to_string()))?;
        let signer: Arc<dyn Signer> = Arc::from(self.door.signer(id, None)?);
        let mut signers = self.lock();
        if signers.len() >= MAX_REMEMBERED {
            signers.clear();
        }
        signers.insert(label.clone(), Arc::clone(&signer));
        Ok(signer)
    }

    /// Makes a key for a holder, or finds the one that an interrupted attempt made under this label for the same holder; gives its
    /// public half as well.
    pub fn make_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<(KeyId, SubjectPublicKeyInfoOwned), KeyStoreError> {
        let id = self.door.generate_held(label, algorithm, holder)?;
        let public_key = self.door.signer(id, None)?.public_key().clone();
        Ok((id, public_key))
    }

    /// The challenge by which a key's holder allows exactly this digest; `context` names the request.
    pub fn activate(
        &self,
        key: KeyId,
        context: &[u8],
        digest: &[u8],
    ) -> Result<[u8; 32], KeyStoreError> {
        self.door.activate(key, context, &[digest])
    }

    /// Signs with a held key, under the key's default scheme, what its holder agreed to.
    pub fn sign_held(
        &self,
        key: KeyId,
        message: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let scheme = self.door.signer(key, None)?.scheme();
        self.door.sign_held(key, scheme, message, assertion)
    }

    /// Whether the token would answer now.
    pub fn health(&self) -> Result<(), KeyStoreError> {
        self.door.health()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<KeyLabel, Arc<dyn Signer>>> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
