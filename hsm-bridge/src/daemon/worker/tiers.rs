//! Where a key lives: in the token, or sealed. A label has one key, whichever place that is in.
//!
//! Fresh keys are made where their rule says. A key that was made in the token before its rule said otherwise is still used from there;
//! a sealed key is used only while its rule says so, since its rule may have become stricter.

use std::sync::Arc;

use super::service::Service;
use crate::activation::{Assertion, HeldKeys, Holder};
use crate::pkcs11::KeyInfo;
use crate::policy::{KeyRules, Tier};
use crate::sealed::Opened;
use crate::verify::Signed;
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme};

impl Service {
    pub(super) fn find_key(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError> {
        match self.sealed.find(label) {
            Some(id) => Ok(Some(id)),
            None => self.token.find(label),
        }
    }

    pub(super) fn key_info(&self, id: KeyId) -> Result<Arc<KeyInfo>, KeyStoreError> {
        self.key_info_and_tier(id).map(|(info, _)| info)
    }

    pub(super) fn key_info_and_tier(
        &self,
        id: KeyId,
    ) -> Result<(Arc<KeyInfo>, Tier), KeyStoreError> {
        match self.sealed.key(id)? {
            Some(key) => Ok((Arc::clone(key.info()), Tier::Sealed)),
            None => self.token.describe(id).map(|info| (info, Tier::Token)),
        }
    }

    pub(super) fn make_key(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        rules: &KeyRules,
    ) -> Result<KeyId, KeyStoreError> {
        match rules.tier {
            Tier::Sealed => self.sealed.generate(label, algorithm, None),
            Tier::Token => {
                self.check_unsealed(label)?;
                self.token.generate(label, algorithm)
            }
        }
    }

    pub(super) fn make_held_key(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
        rules: &KeyRules,
    ) -> Result<KeyId, KeyStoreError> {
        match rules.tier {
            Tier::Sealed => self.sealed.generate_held(label, algorithm, holder),
            Tier::Token => {
                self.check_unsealed(label)?;
                self.holders.generate_held(label, algorithm, holder)
            }
        }
    }

    pub(super) fn check_unsealed(&self, label: &KeyLabel) -> Result<(), KeyStoreError> {
        match self.sealed.find(label) {
            Some(_) => Err(KeyStoreError::KeyExists(label.to_string())),
            None => Ok(()),
        }
    }

    pub(super) fn destroy_key(&self, id: KeyId) -> Result<(), KeyStoreError> {
        // The label may come again, for a key that nobody retired. A file that no longer opens does not say its label.
        let label = match self.sealed.key(id) {
            Ok(Some(key)) => Some(key.info().label.clone()),
            _ => None,
        };
        if self.sealed.destroy(id)? {
            return match label {
                Some(label) if self.token.is_retired(&label)? => self.token.reinstate(&label),
                _ => Ok(()),
            };
        }
        self.token.destroy(id)
    }

    /// Signs with a key that its caller may use; `rules` are those of its label.
    pub(super) fn sign_key(
        &self,
        id: KeyId,
        scheme: SignatureScheme,
        signed: &Signed<'_>,
        rules: &KeyRules,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let Some(key) = self.sealed.key(id)? else {
            return self.token.sign(id, scheme, signed, rules.verify);
        };
        if rules.tier != Tier::Sealed || rules.is_bound() {
            return Err(KeyStoreError::KeyRefused(format!(
                "{} is sealed, and its rule keeps it in the token",
                key.info().label
            )));
        }
        if self.token.is_retired(&key.info().label)? {
            return Err(KeyStoreError::KeyRefused(format!(
                "{} is retired",
                key.info().label
            )));
        }
        // What a holder was promised outlives a change of the policy.
        if key.holder().is_some() && rules.proof.is_none() {
            return Err(KeyStoreError::NotPermitted);
        }
        key.sign(scheme, signed, rules.verify)
    }

    pub(super) fn activate_key(
        &self,
        id: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError> {
        match self.sealed.key(id)? {
            Some(key) => {
                holder_of(&key)?;
                self.holders.begin(id, context, digests)
            }
            None => self.holders.activate(id, context, digests),
        }
    }

    /// Uses up the holder's word for a digest; only then may it be signed.
    pub(super) fn redeem(
        &self,
        id: KeyId,
        digest: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<(), KeyStoreError> {
        match self.sealed.key(id)? {
            Some(key) => self
                .holders
                .redeem_of(id, holder_of(&key)?, digest, assertion),
            None => self.holders.redeem(id, digest, assertion),
        }
    }
}

fn holder_of(key: &Opened) -> Result<&Holder, KeyStoreError> {
    key.holder()
        .ok_or_else(|| KeyStoreError::KeyRefused(format!("{} has no holder", key.info().label)))
}
