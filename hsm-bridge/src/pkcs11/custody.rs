//! What a token does by order of its administrators, beside making and destroying keys.

use super::provenance::Provenance;
use super::token::{Fault, Token};
use super::transport::{Purpose, TRANSPORT};
use super::{import, keys};
use crate::admin::ImportedKey;
use crate::{KeyId, KeyLabel, KeyStoreError};
use spki::SubjectPublicKeyInfoOwned;

impl Token {
    /// Makes an RSA key pair whose private half unwraps keys that were made elsewhere, and does nothing else; refused in a token that
    /// takes none in.
    pub fn make_transport_key(&self, label: &KeyLabel) -> Result<KeyId, KeyStoreError> {
        let _one_at_a_time = self.making();
        self.call(|live, session| {
            let witness = self.witness(live, session);
            import::check_able(&witness)?;
            keys::generate_for(&witness, label, TRANSPORT, Purpose::Transport)
        })
    }

    /// Why the token takes in no keys that were made elsewhere, in words; nothing when it takes some.
    pub(crate) fn import_obstacle(&self) -> Result<Option<String>, KeyStoreError> {
        self.call(|live, _| import::obstacle(live, self.template()))
    }

    /// Takes a wrapped private key in: not extractable, for signing alone, tried once, with evidence of where it came from beside it.
    pub fn import(
        &self,
        key: &ImportedKey,
        provenance: &Provenance,
    ) -> Result<KeyId, KeyStoreError> {
        let _one_at_a_time = self.making();
        self.call(|live, session| {
            live.retired
                .refuse(&self.namer(live, session), &key.transport_key)?;
            import::import(&self.witness(live, session), key, provenance)
        })
    }

    /// The public half of the key pair of a label, whatever it is for; says nothing about whether this driver would use the key.
    pub fn public_key(
        &self,
        label: &KeyLabel,
    ) -> Result<Option<SubjectPublicKeyInfoOwned>, KeyStoreError> {
        self.call(|live, session| {
            let namer = self.namer(live, session);
            let Some(private) = keys::private_by_label(&namer, label)? else {
                return Ok(None);
            };
            match namer.token_id(private)? {
                Some(id) => Ok(Some(keys::describe(&namer, &id)?.0.public_key)),
                None => Ok(None),
            }
        })
    }

    /// Whether records are kept beside keys in this token, without which none can be retired.
    pub(crate) fn keeps_records(&self) -> bool {
        self.template().keeps_evidence()
    }

    /// Lets the key of a label protect nothing more, neither by a signature nor by wrapping nor by HMAC, here and after every restart; `record` says who ordered it.
    pub fn retire(&self, label: &KeyLabel, record: &[u8]) -> Result<(), KeyStoreError> {
        self.call(|live, session| {
            let namer = self.namer(live, session);
            let template = namer.template;
            if !template.keeps_evidence() {
                return Err(Fault::Refused(KeyStoreError::BadRequest(format!(
                    "a token of the kind '{}' keeps no records beside keys, so none can be retired in it; destroy the key, or take its grants from the policy",
                    template.name()
                ))));
            }
            live.retired.add(&namer, label, record)
        })
    }

    /// Lets a retired key protect again; nothing happens to one that is not retired.
    pub fn reinstate(&self, label: &KeyLabel) -> Result<(), KeyStoreError> {
        self.call(|live, session| live.retired.remove(&self.namer(live, session), label))
    }

    /// Whether the key of a label is retired.
    pub fn is_retired(&self, label: &KeyLabel) -> Result<bool, KeyStoreError> {
        if let Some(known) = self.live()?.retired.known(label) {
            return Ok(known);
        }
        self.call(|live, session| live.retired.contains(&self.namer(live, session), label))
    }
}
