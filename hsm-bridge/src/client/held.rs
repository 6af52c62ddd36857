//! Keys of persons, through the daemon.

use der::Encode;

use super::{Client, unexpected};
use crate::activation::{Assertion, HeldKeys, Holder};
use crate::wire::{Answered, HeldRequest, Passkey, Reply, Request};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SignatureScheme};

impl HeldKeys for Client {
    fn generate_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<KeyId, KeyStoreError> {
        let public_key = holder
            .public_key()
            .to_der()
            .map_err(|e| KeyStoreError::BadRequest(format!("the holder's key: {e}")))?;
        let request = HeldRequest::Generate {
            label: label.clone(),
            algorithm,
            holder: Passkey {
                public_key,
                rp_id: holder.rp_id().to_owned(),
                origin: holder.origin().to_owned(),
            },
        };
        match self.call_for(label, &Request::Held(request))? {
            Reply::Made(id) => Ok(id),
            _ => Err(unexpected()),
        }
    }

    fn activate(
        &self,
        key: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError> {
        let label = self.describe(key)?.label.clone();
        let request = HeldRequest::Activate {
            id: key,
            context: context.to_vec(),
            digests: digests.iter().map(|digest| digest.to_vec()).collect(),
        };
        match self.call_for(&label, &Request::Held(request))? {
            Reply::Challenge(challenge) => Ok(challenge),
            _ => Err(unexpected()),
        }
    }

    fn sign_held(
        &self,
        key: KeyId,
        scheme: SignatureScheme,
        message: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let label = self.describe(key)?.label.clone();
        let request = HeldRequest::Sign {
            id: key,
            scheme,
            message: message.to_vec(),
            assertion: Answered {
                client_data_json: assertion.client_data_json.to_vec(),
                authenticator_data: assertion.authenticator_data.to_vec(),
                signature: assertion.signature.to_vec(),
            },
        };
        match self.call_for(&label, &Request::Held(request))? {
            Reply::Signature(signature) => Ok(signature),
            _ => Err(unexpected()),
        }
    }
}
