//! One private key behind the daemon.

use std::sync::Arc;

use spki::SubjectPublicKeyInfoOwned;

use super::{Client, unexpected};
use crate::pkcs11::KeyInfo;
use crate::wire::{Payload, Reply, Request, Target};
use crate::{KeyStoreError, SignatureScheme, Signer};

/// Messages up to this length travel in one frame; longer ones travel in pieces, so that the bridge sees them all the same.
const MAX_WHOLE_MESSAGE: usize = 256 * 1024;

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
        let target = Target::Label(self.key.label.clone());
        let (id, scheme) = (self.key.id, self.scheme);
        let reply = if message.len() > MAX_WHOLE_MESSAGE && scheme != SignatureScheme::Ed25519 {
            let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
            let announcement = Request::SignLong { id, scheme, length };
            self.client.call_long(&target, &announcement, message)
        } else {
            let payload = Payload::Message(message.to_vec());
            let request = Request::Sign {
                id,
                scheme,
                payload,
            };
            self.client.call(&target, &request)
        };
        match reply? {
            Reply::Signature(signature) => Ok(signature),
            _ => Err(unexpected()),
        }
    }
}
