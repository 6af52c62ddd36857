//! The contracts every key store keeps, whether the token is in this process or behind the daemon. All calls block.

use spki::SubjectPublicKeyInfoOwned;

use crate::{
    DataKey, KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SecretPurpose, SignatureScheme,
    VerifyError,
};

/// A token that generates and holds private keys, and never gives one out.
pub trait KeyStore: Send + Sync {
    /// Makes a non-extractable signing key pair; a label in use is refused with [`KeyStoreError::KeyExists`].
    fn generate(&self, label: &KeyLabel, algorithm: KeyAlgorithm) -> Result<KeyId, KeyStoreError>;
    /// Looks a key pair up by label; two keys of one label are an error, none is `None`.
    fn find(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError>;
    /// Opens a key for signing, by its default scheme or by another one that fits the key.
    fn signer(
        &self,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<Box<dyn Signer>, KeyStoreError>;
    /// Destroys a key pair for good; an unknown id is an error.
    fn destroy(&self, id: KeyId) -> Result<(), KeyStoreError>;
}

/// One private key, reached through its store.
pub trait Signer: Send + Sync {
    /// The scheme every signature of this signer follows.
    fn scheme(&self) -> SignatureScheme;
    /// The public half.
    fn public_key(&self) -> &SubjectPublicKeyInfoOwned;
    /// Signs `message`, hashed as the scheme says; ECDSA gives a DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3). The signature was verified.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError>;
    /// Signs several messages, each as [`Signer::sign`] does; the results stand in the order of the messages. A store that is reached
    /// over a wire sends them ahead of the answers.
    fn sign_batch(&self, messages: &[&[u8]]) -> Vec<Result<Vec<u8>, KeyStoreError>> {
        messages.iter().map(|message| self.sign(message)).collect()
    }
}

/// Symmetric keys that stay in the token.
pub trait SecretStore: Send + Sync {
    /// Makes a non-extractable secret of one purpose; a label in use is refused with [`KeyStoreError::KeyExists`].
    fn generate_secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError>;
    /// Encrypts a data key under `kek` with AES-256-GCM, bound to `aad`.
    fn wrap(&self, kek: &KeyLabel, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError>;
    /// Opens what [`SecretStore::wrap`] made under the same `kek` and `aad`; anything else is [`KeyStoreError::BadRequest`].
    fn unwrap(&self, kek: &KeyLabel, aad: &[u8], wrapped: &[u8]) -> Result<DataKey, KeyStoreError>;
    /// HMAC-SHA-256 (RFC 2104) of `message` under a `Mac` key.
    fn hmac(&self, key: &KeyLabel, message: &[u8]) -> Result<[u8; 32], KeyStoreError>;
}

/// Whether the token answers now.
pub trait Health {
    /// Succeeds when a key operation would reach the token.
    fn health(&self) -> Result<(), KeyStoreError>;
}

/// Checks signatures with public keys alone.
pub trait SignatureVerifier: Send + Sync {
    /// Succeeds when `signature` over `message` verifies under `public_key` and `scheme`; ECDSA signatures are DER.
    fn verify(
        &self,
        public_key: &SubjectPublicKeyInfoOwned,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError>;
}
