//! One private key behind the daemon.

use std::sync::Arc;

use spki::SubjectPublicKeyInfoOwned;

use super::queue::{AHEAD, AHEAD_BYTES};
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

impl BridgeSigner {
    fn request(&self, message: &[u8]) -> Request {
        Request::Sign {
            id: self.key.id,
            scheme: self.scheme,
            payload: Payload::Message(message.to_vec()),
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
        let reply = if message.len() > MAX_WHOLE_MESSAGE && !scheme.signs_message() {
            let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
            let announcement = Request::SignLong { id, scheme, length };
            self.client.call_long(&target, &announcement, message)
        } else {
            self.client.call(&target, &self.request(message))
        };
        match reply? {
            Reply::Signature(signature) => Ok(signature),
            _ => Err(unexpected()),
        }
    }

    fn sign_batch(&self, messages: &[&[u8]]) -> Vec<Result<Vec<u8>, KeyStoreError>> {
        let target = Target::Label(self.key.label.clone());
        let mut results = Vec::with_capacity(messages.len());
        let mut rest = messages;
        while let Some((first, _)) = rest.split_first() {
            let mut bytes = 0_usize;
            let fits = rest.iter().take(AHEAD).take_while(|message| {
                bytes = bytes.saturating_add(message.len());
                bytes <= AHEAD_BYTES
            });
            let count = fits.count();
            if count == 0 {
                results.push(self.sign(first));
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let (ahead, later) = rest.split_at(count);
            let requests: Vec<_> = ahead.iter().map(|message| self.request(message)).collect();
            let replies = self.client.call_ahead(&target, &requests);
            results.extend(replies.into_iter().map(|reply| match reply? {
                Reply::Signature(signature) => Ok(signature),
                _ => Err(unexpected()),
            }));
            rest = later;
        }
        results
    }
}
