//! What a kind of token wants to be told when a key is made, as data: one TOML file per vendor, shipped in the program, or a file of
//! the site's own.
//!
//! A template may leave attributes out and add harmless ones. It cannot weaken a key: what it may send is a short list, and every
//! private or secret key is read back after it was made, whatever its template said.

mod flags;
mod naming;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use cryptoki::object::Attribute;
use serde::Deserialize;

use crate::{KeyAlgorithm, KeyLabel, KeyStoreError, SecretPurpose};
use flags::Changes;
use naming::Place;

pub(super) use naming::{Namer, TokenId};

/// The name of the template that sends everything, for tokens that take everything.
const GENERIC: &str = "generic";

/// The templates in the program, by the names that a setting calls them.
const BUILT_IN: [(&str, &str); 8] = [
    (GENERIC, ""),
    ("softhsm", include_str!("../../../templates/softhsm.toml")),
    ("kryoptic", include_str!("../../../templates/kryoptic.toml")),
    ("luna", include_str!("../../../templates/luna.toml")),
    ("nshield", include_str!("../../../templates/nshield.toml")),
    ("yubihsm", include_str!("../../../templates/yubihsm.toml")),
    ("cloudhsm", include_str!("../../../templates/cloudhsm.toml")),
    ("ykcs", include_str!("../../../templates/ykcs.toml")),
];

/// DER of the OID that names edwards25519 in CKA_EC_PARAMS (RFC 8410 §3).
const EDWARDS_OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// DER of the PrintableString that names it (PKCS#11 v3.0 §2.3.7).
const EDWARDS_NAME: &[u8] = b"\x13\x0cedwards25519";

/// When CKA_ID, which joins the halves of a key pair, can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenNamed {
    /// After the key was made: CKA_ID is the key's id, and a key is found by it.
    #[default]
    AfterGeneration,
    /// When it is made and never again: CKA_ID is random, and a key is found by its public half.
    AtGeneration,
    /// When it is made, to one of the places that the token has: the template says which label is where.
    Place,
}

/// How edwards25519 is called in CKA_EC_PARAMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EdwardsCurve {
    /// By its OID.
    #[default]
    Oid,
    /// By its name in a PrintableString.
    Name,
}

/// Who makes the nonces of AES-GCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GcmNonce {
    /// The driver, with random bytes of the token.
    #[default]
    Driver,
    /// The token, which overwrites a nonce of zeros.
    Token,
}

/// What a kind of token wants to be told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    #[serde(skip)]
    name: String,
    /// Whether keys are protected by software alone; their evidence says so.
    software: bool,
    /// Kinds of key pairs that the token makes.
    algorithms: Vec<KeyAlgorithm>,
    /// Kinds of key pairs that the token takes in when they were made elsewhere; those that it makes when absent.
    imports: Option<Vec<KeyAlgorithm>>,
    /// Kinds of symmetric keys that the token makes.
    secrets: Vec<SecretPurpose>,
    key_id: WhenNamed,
    edwards_curve: EdwardsCurve,
    gcm_nonce: GcmNonce,
    /// Whether the public half of a key pair is an object that is destroyed by itself.
    destroy_public: bool,
    /// Whether evidence of its making is kept beside every key, as a data object.
    evidence: bool,
    /// Labels of the places of a token whose keys have fixed places.
    places: BTreeMap<KeyLabel, Place>,
    private: Changes,
    public: Changes,
    secret: Changes,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            name: GENERIC.to_owned(),
            software: false,
            algorithms: KeyAlgorithm::ALL.to_vec(),
            imports: None,
            secrets: vec![SecretPurpose::KeyEncryption, SecretPurpose::Mac],
            key_id: WhenNamed::default(),
            edwards_curve: EdwardsCurve::default(),
            gcm_nonce: GcmNonce::default(),
            destroy_public: true,
            evidence: true,
            places: BTreeMap::new(),
            private: Changes::default(),
            public: Changes::default(),
            secret: Changes::default(),
        }
    }
}

fn wrong(name: &str, what: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("template '{name}': {what}"))
}

fn built_in(name: &str) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

impl Template {
    /// The template of a setting: a name in the program, or else the path of a file, which has a `/` in it.
    pub fn load(setting: &str) -> Result<Self, KeyStoreError> {
        if let Some(text) = built_in(setting) {
            return Self::parse(setting, text);
        }
        if !setting.contains('/') {
            let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(wrong(
                setting,
                format_args!(
                    "is none of {} and no path, which has a / in it",
                    names.join(", ")
                ),
            ));
        }
        let text = std::fs::read_to_string(Path::new(setting)).map_err(|e| wrong(setting, e))?;
        Self::parse(setting, &text)
    }

    /// Reads a template; what it says stands over the one that its `base` names.
    fn parse(name: &str, text: &str) -> Result<Self, KeyStoreError> {
        let table = |text: &str| {
            text.parse::<toml::Table>()
                .map_err(|e| wrong(name, e.message()))
        };
        let mut own = table(text)?;
        let mut all = match own.remove("base") {
            None => toml::Table::new(),
            Some(toml::Value::String(base)) => table(
                built_in(&base)
                    .ok_or_else(|| wrong(name, format_args!("base '{base}' is unknown")))?,
            )?,
            Some(_) => return Err(wrong(name, "base is a name")),
        };
        all.extend(own);
        let mut template: Self = all.try_into().map_err(|e| wrong(name, e.message()))?;
        name.clone_into(&mut template.name);
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), KeyStoreError> {
        let refuse = |what: String| wrong(&self.name, what);
        self.private.check(false).map_err(refuse)?;
        self.secret.check(false).map_err(refuse)?;
        self.public.check(true).map_err(refuse)?;
        if self.derives_ids() && (self.private.forbids_changes() || self.public.forbids_changes()) {
            return Err(wrong(
                &self.name,
                "CKA_MODIFIABLE = false does not let CKA_ID be set after generation",
            ));
        }
        if self.key_id != WhenNamed::Place && !self.places.is_empty() {
            return Err(wrong(&self.name, "[places] need key_id = \"place\""));
        }
        let mut places: Vec<_> = self.places.values().collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(wrong(&self.name, "[places]: two labels in one place"));
        }
        Ok(())
    }

    /// The setting that this template was loaded by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether keys are protected by software alone.
    pub(super) fn software(&self) -> bool {
        self.software
    }

    /// Whether CKA_ID is derived from the public key.
    pub(super) fn derives_ids(&self) -> bool {
        self.key_id == WhenNamed::AfterGeneration
    }

    pub(super) fn gcm_nonce(&self) -> GcmNonce {
        self.gcm_nonce
    }

    pub(super) fn destroys_public(&self) -> bool {
        self.destroy_public
    }

    pub(super) fn keeps_evidence(&self) -> bool {
        self.evidence
    }

    /// CKA_EC_PARAMS of edwards25519.
    pub(super) fn edwards25519(&self) -> &'static [u8] {
        match self.edwards_curve {
            EdwardsCurve::Oid => EDWARDS_OID,
            EdwardsCurve::Name => EDWARDS_NAME,
        }
    }

    /// Refuses a kind of key pair that the token does not make.
    pub(super) fn allows(&self, algorithm: KeyAlgorithm) -> Result<(), KeyStoreError> {
        if self.algorithms.contains(&algorithm) {
            Ok(())
        } else {
            Err(KeyStoreError::BadRequest(format!(
                "a token of the kind '{}' makes no {algorithm} keys",
                self.name
            )))
        }
    }

    /// Refuses a kind of key pair that the token does not take in.
    pub(super) fn takes_in(&self, algorithm: KeyAlgorithm) -> Result<(), KeyStoreError> {
        let kinds = self.imports.as_ref().unwrap_or(&self.algorithms);
        if kinds.contains(&algorithm) {
            Ok(())
        } else {
            Err(KeyStoreError::BadRequest(format!(
                "a token of the kind '{}' takes in no {algorithm} keys that were made elsewhere; nothing was done",
                self.name
            )))
        }
    }

    /// Refuses a kind of symmetric key that the token does not make.
    pub(super) fn allows_secret(&self, purpose: SecretPurpose) -> Result<(), KeyStoreError> {
        if self.secrets.contains(&purpose) {
            Ok(())
        } else {
            let what = match purpose {
                SecretPurpose::KeyEncryption => "wrap data keys",
                SecretPurpose::Mac => "authenticate",
            };
            Err(KeyStoreError::BadRequest(format!(
                "a token of the kind '{}' makes no keys that {what}",
                self.name
            )))
        }
    }

    pub(super) fn of_private(&self, attributes: Vec<Attribute>) -> Vec<Attribute> {
        self.private.apply(attributes)
    }

    pub(super) fn of_public(&self, attributes: Vec<Attribute>) -> Vec<Attribute> {
        self.public.apply(attributes)
    }

    pub(super) fn of_secret(&self, attributes: Vec<Attribute>) -> Vec<Attribute> {
        self.secret.apply(attributes)
    }
}
