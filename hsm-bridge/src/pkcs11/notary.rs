//! Evidence is bound in the moment in which it is made: the owner of the token is told its hash before it is written beside its key, and
//! what the owner cannot note down is not kept, nor is its key.

use sha2::{Digest, Sha256};

use super::data::{self, Kind};
use super::evidence::Witness;
use super::token::{Fault, Token};
use crate::{KeyId, KeyLabel, KeyStoreError};

/// Is told of a key's label, its id where it is a key pair, and the SHA-256 of its evidence; an error says that it could not be noted.
pub(super) type Notary =
    Box<dyn Fn(&KeyLabel, Option<KeyId>, &[u8; 32]) -> Result<(), KeyStoreError> + Send + Sync>;

impl Token {
    /// Has evidence noted from now on; the first notary stays.
    pub(crate) fn set_notary(&self, notary: Notary) {
        if self.0.notary.set(notary).is_err() {
            tracing::warn!("the evidence of this token is noted already");
        }
    }
}

impl Witness<'_> {
    /// Has evidence noted, and writes it beside its key.
    pub(super) fn keep(
        &self,
        label: &KeyLabel,
        id: Option<KeyId>,
        evidence: &str,
    ) -> Result<(), Fault> {
        if let Some(notary) = self.notary {
            notary(label, id, &Sha256::digest(evidence).into()).map_err(Fault::Refused)?;
        }
        data::write(&self.namer, Kind::Evidence, label, evidence.as_bytes())
    }
}
