//! Evidence of how a key was made: what module and token said about themselves and about the key, in that moment.
//!
//! It is JSON in canonical form (RFC 8785: members in order, no space, whole numbers), kept as a data object beside the key, so that
//! it is moved and saved with it. A token in software vouches for nothing, and its evidence says `"software":true`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::slot::Slot;
use der::Encode;
use serde::Serialize;
use spki::SubjectPublicKeyInfoOwned;

use super::index::Sought;
use super::live::Live;
use super::notary::Notary;
use super::provenance::Provenance;
use super::template::Namer;
use super::token::Fault;
use super::{attributes, data, keys, mechanism, secrets};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SecretPurpose};

/// The format of this version.
pub(super) const FORMAT: &str = "hsm-bridge evidence 1";

/// How a key of elsewhere came in, in the word of PKCS#11 for both steps together.
const IMPORT: &str = "CKM_RSA_AES_KEY_WRAP";

/// Who tells the time of day to those who write evidence.
pub type Clock = fn() -> SystemTime;

/// What is read of a key.
const READ: [AttributeType; 25] = [
    AttributeType::Class,
    AttributeType::KeyType,
    AttributeType::KeyGenMechanism,
    AttributeType::Token,
    AttributeType::Private,
    AttributeType::Sensitive,
    AttributeType::Extractable,
    AttributeType::AlwaysSensitive,
    AttributeType::NeverExtractable,
    AttributeType::Local,
    AttributeType::Modifiable,
    AttributeType::Copyable,
    AttributeType::Destroyable,
    AttributeType::Sign,
    AttributeType::SignRecover,
    AttributeType::Verify,
    AttributeType::VerifyRecover,
    AttributeType::Encrypt,
    AttributeType::Decrypt,
    AttributeType::Wrap,
    AttributeType::Unwrap,
    AttributeType::Derive,
    AttributeType::AlwaysAuthenticate,
    AttributeType::WrapWithTrusted,
    AttributeType::Trusted,
];

/// What a module and its token say about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    module: Module,
    token: Identity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Module {
    cryptoki: String,
    description: String,
    manufacturer: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Identity {
    firmware: String,
    hardware: String,
    label: String,
    manufacturer: String,
    model: String,
    serial: String,
}

impl About {
    pub(super) fn read(context: &Pkcs11, slot: Slot) -> Result<Self, Error> {
        let plain = |text: &str| text.trim_end_matches([' ', '\0']).to_owned();
        let library = context.get_library_info()?;
        let token = context.get_token_info(slot)?;
        Ok(Self {
            module: Module {
                cryptoki: library.cryptoki_version().to_string(),
                description: plain(library.library_description()),
                manufacturer: plain(library.manufacturer_id()),
                version: library.library_version().to_string(),
            },
            token: Identity {
                firmware: token.firmware_version().to_string(),
                hardware: token.hardware_version().to_string(),
                label: plain(token.label()),
                manufacturer: plain(token.manufacturer_id()),
                model: plain(token.model()),
                serial: plain(token.serial_number()),
            },
        })
    }
}

/// The document; its members are in the order of their names.
#[derive(Serialize)]
struct Document<'a> {
    algorithm: String,
    attributes: BTreeMap<&'static str, Attributes>,
    format: &'static str,
    /// By which order a key of elsewhere came.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<&'a Provenance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    label: &'a KeyLabel,
    /// Seconds since 1970, when a clock was handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_at: Option<u64>,
    mechanism: String,
    module: Module,
    /// DER of the SubjectPublicKeyInfo, in base64 (RFC 4648 §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    software: bool,
    template: &'a str,
    token: Identity,
    /// `generation`; `import` for keys of elsewhere; or `now` for keys beside which nothing was kept.
    when: &'static str,
}

/// An object's attributes as found, by their names in the standard; those that the token does not know are missing.
type Attributes = BTreeMap<String, Value>;

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value {
    Flag(bool),
    Name(String),
}

/// Both halves of a key pair.
pub(super) struct Halves<'a> {
    pub(super) public: ObjectHandle,
    pub(super) private: ObjectHandle,
    pub(super) public_key: &'a SubjectPublicKeyInfoOwned,
}

/// Who sees a key being made.
pub(super) struct Witness<'a> {
    pub(super) namer: Namer<'a>,
    pub(super) live: &'a Live,
    pub(super) clock: Option<Clock>,
    pub(super) notary: Option<&'a Notary>,
}

fn unwritable(error: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::KeyRefused(format!(
        "evidence of the key cannot be written: {error}"
    )))
}

impl Witness<'_> {
    /// Evidence of a key pair that was made just now.
    pub(super) fn pair(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        halves: &Halves<'_>,
    ) -> Result<String, Fault> {
        let now = self.clock.map(|clock| clock());
        self.pair_seen(label, algorithm, halves, ("generation", now))
    }

    fn pair_seen(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        halves: &Halves<'_>,
        (when, made_at): (&'static str, Option<SystemTime>),
    ) -> Result<String, Fault> {
        Self::write(&self.document(label, algorithm, halves, (when, made_at), &READ)?)
    }

    /// Evidence of a key pair of elsewhere that was taken in just now.
    pub(super) fn taken_in(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        halves: &Halves<'_>,
        provenance: &Provenance,
    ) -> Result<String, Fault> {
        let now = self.clock.map(|clock| clock());
        // No mechanism made it here, and some tokens have no word for that.
        let read: Vec<_> = READ
            .into_iter()
            .filter(|kind| *kind != AttributeType::KeyGenMechanism)
            .collect();
        Self::write(&Document {
            imported: Some(provenance),
            mechanism: IMPORT.to_owned(),
            ..self.document(label, algorithm, halves, ("import", now), &read)?
        })
    }

    fn document<'a>(
        &'a self,
        label: &'a KeyLabel,
        algorithm: KeyAlgorithm,
        halves: &Halves<'_>,
        (when, made_at): (&'static str, Option<SystemTime>),
        read: &[AttributeType],
    ) -> Result<Document<'a>, Fault> {
        let spki = halves.public_key.to_der().map_err(unwritable)?;
        let found = [
            ("private", self.attributes_of(halves.private, read)?),
            ("public", self.attributes_of(halves.public, read)?),
        ];
        Ok(Document {
            algorithm: algorithm.to_string(),
            attributes: BTreeMap::from(found),
            key_id: Some(KeyId::of_der(&spki)),
            mechanism: mechanism::generates(algorithm).mechanism_type().to_string(),
            public_key: Some(Base64::encode_string(&spki)),
            ..self.frame(label, when, made_at)?
        })
    }

    /// Evidence of a symmetric key that was made just now.
    pub(super) fn secret(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
        key: ObjectHandle,
    ) -> Result<String, Fault> {
        let now = self.clock.map(|clock| clock());
        self.secret_seen(label, purpose, key, ("generation", now))
    }

    fn secret_seen(
        &self,
        label: &KeyLabel,
        purpose: SecretPurpose,
        key: ObjectHandle,
        (when, made_at): (&'static str, Option<SystemTime>),
    ) -> Result<String, Fault> {
        let algorithm = match purpose {
            SecretPurpose::KeyEncryption => "aes256",
            SecretPurpose::Mac => "hmac",
        };
        Self::write(&Document {
            algorithm: algorithm.to_owned(),
            attributes: BTreeMap::from([("secret", self.attributes_of(key, &READ)?)]),
            mechanism: mechanism::generates_secret(purpose)
                .mechanism_type()
                .to_string(),
            ..self.frame(label, when, made_at)?
        })
    }

    fn frame<'a>(
        &'a self,
        label: &'a KeyLabel,
        when: &'static str,
        made_at: Option<SystemTime>,
    ) -> Result<Document<'a>, Fault> {
        let About { module, token } = self.live.about()?;
        let seconds = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH);
            since.unwrap_or_default().as_secs()
        };
        Ok(Document {
            algorithm: String::new(),
            attributes: BTreeMap::new(),
            format: FORMAT,
            imported: None,
            key_id: None,
            label,
            made_at: made_at.map(seconds),
            mechanism: String::new(),
            module,
            public_key: None,
            software: self.namer.template.software(),
            template: self.namer.template.name(),
            token,
            when,
        })
    }

    fn write(document: &Document<'_>) -> Result<String, Fault> {
        serde_json::to_string(document).map_err(unwritable)
    }

    fn attributes_of(
        &self,
        object: ObjectHandle,
        read: &[AttributeType],
    ) -> Result<Attributes, Fault> {
        let found = self.namer.session.get_attributes(object, read)?;
        let value = |attribute: &Attribute| match attribute {
            Attribute::Class(class) => Some(Value::Name(class.to_string())),
            Attribute::KeyType(kind) => Some(Value::Name(kind.to_string())),
            Attribute::KeyGenMechanism(mechanism) => Some(Value::Name(mechanism.to_string())),
            flag => attributes::truth(flag).map(Value::Flag),
        };
        Ok(found
            .iter()
            .filter_map(|attribute| {
                let name = attribute.attribute_type().to_string();
                value(attribute).map(|value| (name, value))
            })
            .collect())
    }

    /// What is kept beside the key of a label; where nothing is, what its attributes are now.
    pub(super) fn recall(&self, label: &KeyLabel) -> Result<String, Fault> {
        let namer = &self.namer;
        if let Some(kept) = data::read(namer, data::Kind::Evidence, label)? {
            return String::from_utf8(kept).map_err(unwritable);
        }
        if let Some(private) = keys::private_by_label(namer, label)? {
            let token_id = namer.token_id(private)?.ok_or_else(|| {
                Fault::Refused(KeyStoreError::KeyRefused(format!("{label} has no id")))
            })?;
            let (info, public) = keys::describe(namer, &token_id)?;
            let halves = Halves {
                public,
                private,
                public_key: &info.public_key,
            };
            return self.pair_seen(label, info.algorithm, &halves, ("now", None));
        }
        let sought = Sought::by_label(ObjectClass::SECRET_KEY, label);
        let unknown = || Fault::Refused(KeyStoreError::UnknownKey(label.to_string()));
        let key = keys::single(namer, &sought, label)?.ok_or_else(unknown)?;
        let purpose = secrets::purpose_of(namer.session, key)?.ok_or_else(unknown)?;
        self.secret_seen(label, purpose, key, ("now", None))
    }
}
