//! Keys of persons as a key store: made for a holder, announced, and used with the holder's word.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::{Activations, Assertion, Holder, Redemption, digest_of};
use crate::pkcs11::Token;
use crate::verify::{OpenSslVerifier, Signed};
use crate::{
    Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore,
    SignatureScheme, Signer,
};

/// The secret in the token that authenticates the records of holders; no policy can grant it.
const RECORD_KEY: &str = "bridge/holders/g1";
/// Holders remembered before all are forgotten.
const MAX_REMEMBERED: usize = 4096;

/// Keys that only their holders release.
pub trait HeldKeys: Send + Sync {
    /// Makes a key for a holder. An attempt that was cut short is taken up again; a key that has another holder, or was made without
    /// one and used, is [`KeyStoreError::KeyExists`].
    fn generate_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<KeyId, KeyStoreError>;

    /// The challenge by which the holder allows exactly these digests; `context` names the request it is for.
    fn activate(
        &self,
        key: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError>;

    /// Signs a message whose digest the holder agreed to; anything else is [`KeyStoreError::NotPermitted`].
    fn sign_held(
        &self,
        key: KeyId,
        scheme: SignatureScheme,
        message: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<Vec<u8>, KeyStoreError>;
}

/// Held keys of a token in this process.
pub struct Holders {
    token: Token,
    activations: Activations,
    known: RwLock<HashMap<KeyId, Arc<Holder>>>,
}

impl Holders {
    /// The held keys of a token, with no activation under way.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            activations: Activations::new(),
            known: RwLock::default(),
        }
    }

    fn record_key() -> Result<KeyLabel, KeyStoreError> {
        KeyLabel::parse(RECORD_KEY)
            .map_err(|e| KeyStoreError::Configuration(format!("{RECORD_KEY}: {e}")))
    }

    fn mac(&self, bytes: &[u8]) -> Result<[u8; 32], KeyStoreError> {
        let key = Self::record_key()?;
        match self.token.hmac(&key, bytes) {
            Err(KeyStoreError::UnknownKey(_)) => {
                match self.token.generate_secret(&key, SecretPurpose::Mac) {
                    Ok(()) | Err(KeyStoreError::KeyExists(_)) => self.token.hmac(&key, bytes),
                    Err(error) => Err(error),
                }
            }
            settled => settled,
        }
    }

    /// The holder of a key; a key without one is [`KeyStoreError::KeyRefused`].
    fn holder(&self, key: KeyId) -> Result<Arc<Holder>, KeyStoreError> {
        if let Some(holder) = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(Arc::clone(holder));
        }
        let label = self.token.describe(key)?.label.clone();
        let record = self
            .token
            .record(&label)?
            .ok_or_else(|| KeyStoreError::KeyRefused(format!("{label} has no holder")))?;
        let holder = Arc::new(Holder::decode(&record, key, |bytes| self.mac(bytes))?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        Ok(Arc::clone(known.entry(key).or_insert(holder)))
    }

    /// Opens a record of digests for a key that has a holder.
    pub(crate) fn begin(
        &self,
        key: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError> {
        let digests = digests.iter().map(|digest| digest.to_vec()).collect();
        let nonce = self.token.random()?;
        let challenge = self
            .activations
            .begin(key, context, digests, nonce, Instant::now())?;
        Ok(challenge.bytes)
    }

    /// Uses up the holder's word for these digests; only then may they be signed.
    pub(crate) fn redeem(
        &self,
        key: KeyId,
        digest: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<(), KeyStoreError> {
        self.redeem_of(key, &*self.holder(key)?, digest, assertion)
    }

    /// Does as [`Holders::redeem`], for a key whose holder is known from elsewhere.
    pub(crate) fn redeem_of(
        &self,
        key: KeyId,
        holder: &Holder,
        digest: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<(), KeyStoreError> {
        let redemption = Redemption {
            key,
            digests: &[digest],
            assertion: *assertion,
        };
        self.activations
            .redeem(&redemption, holder, Instant::now(), &OpenSslVerifier)
            .map_err(|error| {
                tracing::warn!(key = %key, %error, "a signature was not activated");
                error.into()
            })
    }
}

/// What has no holder is the token's own business.
impl KeyStore for Holders {
    fn generate(&self, label: &KeyLabel, algorithm: KeyAlgorithm) -> Result<KeyId, KeyStoreError> {
        self.token.generate(label, algorithm)
    }

    fn find(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError> {
        self.token.find(label)
    }

    fn signer(
        &self,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<Box<dyn Signer>, KeyStoreError> {
        self.token.signer(id, scheme)
    }

    fn destroy(&self, id: KeyId) -> Result<(), KeyStoreError> {
        self.token.destroy(id)
    }
}

impl Health for Holders {
    fn health(&self) -> Result<(), KeyStoreError> {
        self.token.health()
    }
}

impl HeldKeys for Holders {
    fn generate_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<KeyId, KeyStoreError> {
        let key = match self.token.find(label)? {
            Some(key) => key,
            None => self.token.generate(label, algorithm)?,
        };
        if self.token.record(label)?.is_some() {
            return if *self.holder(key)? == *holder {
                Ok(key)
            } else {
                Err(KeyStoreError::KeyExists(label.to_string()))
            };
        }
        let record = holder.encode(key, |bytes| self.mac(bytes))?;
        self.token.set_record(label, &record)?;
        Ok(key)
    }

    fn activate(
        &self,
        key: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError> {
        // A key without a holder could never be released.
        self.holder(key)?;
        self.begin(key, context, digests)
    }

    fn sign_held(
        &self,
        key: KeyId,
        scheme: SignatureScheme,
        message: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.redeem(key, &digest_of(scheme, message), assertion)?;
        self.token
            .sign(key, scheme, &Signed::Message(message), true)
    }
}
