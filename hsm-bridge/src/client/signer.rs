//! One private key behind the daemon.

use std::sync::Arc;

use spki::SubjectPublicKeyInfoOwned;

use super::{Client, unexpected};
use crate::pkcs11::KeyInfo;
use crate::wire::{Payload, Reply, Request};
use crate::{KeyStoreError, SignatureScheme, Signer};

/// Messages up to this length travel whole, so that a policy may look at what it signs; longer ones travel as digests.
const MAX_WHOLE_MESSAGE: usize = 64 * 1024;

pub(super) struct BridgeSigner {
    client: Client,
    key: Arc<KeyInfo>,
    scheme: SignatureScheme,
}

impl BridgeSigner {
    pub(super) fn new(client: Client, key: Arc<KeyInfo>, scheme: SignatureScheme) -> Self {
        Self {
            client,
            key,
            scheme,
        }
    }
}

impl Signer for BridgeSigner {
    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.key.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let payload = match self.scheme.digest(message) {
            Some(digest) if message.len() > MAX_WHOLE_MESSAGE => {
                Payload::Digest(digest.as_bytes().to_vec())
            }
            _ => Payload::Message(message.to_vec()),
        };
        match self.client.call(&Request::Sign {
            id: self.key.id,
            scheme: self.scheme,
            payload,
        })? {
            Reply::Signature(signature) => Ok(signature),
            _ => Err(unexpected()),
        }
    }
}
