//! The symmetric keys of a token: what services do with them, and how they end.

use super::secrets;
use super::token::Token;
use crate::{DataKey, KeyLabel, KeyStoreError, SecretPurpose, SecretStore};

impl SecretStore for Token {
    fn generate_secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError> {
        let _one_at_a_time = self.making();
        self.call(|live, session| secrets::generate(&self.witness(live, session), label, purpose))
    }

    fn wrap(&self, kek: &KeyLabel, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyStoreError> {
        self.call(|live, session| {
            let namer = self.namer(live, session);
            live.retired.refuse(&namer, kek)?;
            secrets::wrap(live, &namer, kek, aad, key)
        })
    }

    /// A retired key opens what it wrapped, so that it can be wrapped under another.
    fn unwrap(&self, kek: &KeyLabel, aad: &[u8], wrapped: &[u8]) -> Result<DataKey, KeyStoreError> {
        self.call(|live, session| {
            secrets::unwrap(live, &self.namer(live, session), kek, aad, wrapped)
        })
    }

    fn hmac(&self, key: &KeyLabel, message: &[u8]) -> Result<[u8; 32], KeyStoreError> {
        self.call(|live, session| {
            let namer = self.namer(live, session);
            live.retired.refuse(&namer, key)?;
            secrets::hmac(live, &namer, key, message)
        })
    }
}

impl Token {
    /// What the symmetric key of a label is for; nothing when there is none.
    pub fn secret_purpose(&self, label: &KeyLabel) -> Result<Option<SecretPurpose>, KeyStoreError> {
        self.call(|live, session| {
            let found = secrets::find(&self.namer(live, session), label)?;
            Ok(found.map(|(_, purpose)| purpose))
        })
    }

    /// Destroys the symmetric key of a label and purpose for good; what it protected is lost.
    pub fn destroy_secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
    ) -> Result<(), KeyStoreError> {
        self.call(|live, session| {
            secrets::destroy(live, &self.namer(live, session), label, purpose)
        })
    }
}
