//! Keys of persons: made for a holder, announced, and used with the holder's word.

use std::time::Instant;

use super::record::word;
use super::service::{Outcome, Service, Subject};
use crate::activation::{Assertion, Holder, digest_of};
use crate::audit::DONE;
use crate::policy::{Operation, Payload as Kind, Proof};
use crate::verify::Signed;
use crate::wire::{Answered, HeldRequest, Passkey, Reply};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SignatureScheme};

impl Service {
    /// Answers a request about a key that only its holder releases.
    pub(super) fn held(&self, caller: &str, request: HeldRequest) -> Result<Reply, KeyStoreError> {
        match request {
            HeldRequest::Generate {
                label,
                algorithm,
                holder,
            } => self.generate_held(caller, &label, algorithm, &holder),
            HeldRequest::Activate {
                id,
                context,
                digests,
            } => self.activate(caller, id, &context, &digests),
            HeldRequest::Sign {
                id,
                scheme,
                message,
                assertion,
            } => self.sign_held(caller, id, scheme, &message, &assertion),
        }
    }

    fn generate_held(
        &self,
        caller: &str,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Passkey,
    ) -> Result<Reply, KeyStoreError> {
        let began = Instant::now();
        let subject = Subject {
            caller,
            operation: Operation::Generate,
            label: Some(label.clone()),
            id: None,
            scheme: None,
            tier: self.policy.rules(label).tier,
        };
        let outcome = self.authorise(&subject, None).and_then(|allowed| {
            let holder = Holder::new(&holder.public_key, &holder.rp_id, &holder.origin)?;
            let intent = self.lasting_intent(&subject, allowed.rules)?;
            Ok(Outcome {
                reply: self
                    .make_held_key(label, algorithm, &holder, allowed.rules)
                    .map(Reply::Made),
                intent,
                durable: allowed.rules.durable,
            })
        });
        self.settle(&subject, None, began, outcome)
    }

    /// Opens a record of digests that a holder may allow; who may sign with the key may ask.
    fn activate(
        &self,
        caller: &str,
        id: KeyId,
        context: &[u8],
        digests: &[Vec<u8>],
    ) -> Result<Reply, KeyStoreError> {
        let info = self.key_info(id)?;
        let label = &info.label;
        if !self.policy.may_see(caller, label) {
            return self.hide(caller, "activate", Some(label), Some(id));
        }
        let digests: Vec<&[u8]> = digests.iter().map(Vec::as_slice).collect();
        let activated = self.activate_key(id, context, &digests);
        let result = activated.as_ref().map_or_else(word, |_| DONE);
        let digest = digests.first().copied();
        self.recorder
            .noted(caller, "activate", Some(label), Some(id), digest, result)?;
        activated.map(Reply::Challenge)
    }

    fn sign_held(
        &self,
        caller: &str,
        id: KeyId,
        scheme: SignatureScheme,
        message: &[u8],
        answered: &Answered,
    ) -> Result<Reply, KeyStoreError> {
        let began = Instant::now();
        let (subject, _) = self.subject(caller, Operation::Sign, id, Some(scheme))?;
        let digest = scheme.digest(message);
        let allowed = self.authorise(&subject, Some(Kind::Message));
        let signed = allowed.and_then(|allowed| {
            if allowed.rules.proof != Some(Proof::Activation) {
                return Err(KeyStoreError::BadRequest(
                    "this key has no holder to ask".to_owned(),
                ));
            }
            let assertion = Assertion {
                client_data_json: &answered.client_data_json,
                authenticator_data: &answered.authenticator_data,
                signature: &answered.signature,
            };
            self.redeem(id, &digest_of(scheme, message), &assertion)?;
            let signed = Signed::Message(message);
            self.sign_checked(&subject, allowed, scheme, &signed, digest.as_ref())
        });
        self.settle(&subject, digest.as_ref(), began, signed)
    }
}
