//! Signature checks in software, through OpenSSL; never in the token, which is slower and the thing being checked.

mod public_key;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use der::Encode;
use spki::SubjectPublicKeyInfoOwned;

pub(crate) use public_key::{PublicKey, Signed};

use crate::{SignatureScheme, SignatureVerifier, VerifyError};

/// How many parsed public keys are remembered; parsing one costs OpenSSL 3 about as much as a P-256 verification.
const REMEMBERED_KEYS: usize = 512;

/// The verifier of every service: OpenSSL, with a bounded memory of parsed public keys shared by the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenSslVerifier;

impl OpenSslVerifier {
    /// The same as the value itself.
    pub const fn new() -> Self {
        Self
    }
}

impl SignatureVerifier for OpenSslVerifier {
    fn verify(
        &self,
        public_key: &SubjectPublicKeyInfoOwned,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        remembered(public_key)?.verify(scheme, &Signed::Message(message), signature)
    }
}

fn remembered(public_key: &SubjectPublicKeyInfoOwned) -> Result<Arc<PublicKey>, VerifyError> {
    static KEYS: OnceLock<RwLock<HashMap<Vec<u8>, Arc<PublicKey>>>> = OnceLock::new();
    let keys = KEYS.get_or_init(RwLock::default);
    let der = public_key
        .to_der()
        .map_err(|e| VerifyError::PublicKey(e.to_string()))?;
    if let Some(key) = keys
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&der)
    {
        return Ok(Arc::clone(key));
    }
    let key = Arc::new(PublicKey::parse(public_key)?);
    let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
    if keys.len() >= REMEMBERED_KEYS {
        keys.clear();
    }
    keys.insert(der, Arc::clone(&key));
    Ok(key)
}
