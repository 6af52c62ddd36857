//! Attributes that a template leaves out or adds, and which of them it may.

use std::collections::BTreeMap;

use cryptoki::object::{Attribute, AttributeType};
use serde::Deserialize;

/// Changes to the attributes of one class of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Changes {
    /// Attributes that are not sent; the key is read back all the same.
    omit: Vec<Flag>,
    /// Attributes that are sent besides.
    send: BTreeMap<Flag, bool>,
}

/// A flag of an object that a caller may send, called `SENSITIVE` for `CKA_SENSITIVE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Flag {
    Private,
    Sensitive,
    Extractable,
    Sign,
    SignRecover,
    Verify,
    VerifyRecover,
    Encrypt,
    Decrypt,
    Wrap,
    Unwrap,
    Derive,
    Modifiable,
    Copyable,
    Destroyable,
    WrapWithTrusted,
    // Known so that they can be refused with a reason.
    Token,
    AlwaysSensitive,
    NeverExtractable,
    Local,
    KeyGenMechanism,
}

impl Flag {
    fn kind(self) -> AttributeType {
        match self {
            Self::Private => AttributeType::Private,
            Self::Sensitive => AttributeType::Sensitive,
            Self::Extractable => AttributeType::Extractable,
            Self::Sign => AttributeType::Sign,
            Self::SignRecover => AttributeType::SignRecover,
            Self::Verify => AttributeType::Verify,
            Self::VerifyRecover => AttributeType::VerifyRecover,
            Self::Encrypt => AttributeType::Encrypt,
            Self::Decrypt => AttributeType::Decrypt,
            Self::Wrap => AttributeType::Wrap,
            Self::Unwrap => AttributeType::Unwrap,
            Self::Derive => AttributeType::Derive,
            Self::Modifiable => AttributeType::Modifiable,
            Self::Copyable => AttributeType::Copyable,
            Self::Destroyable => AttributeType::Destroyable,
            Self::WrapWithTrusted => AttributeType::WrapWithTrusted,
            Self::Token => AttributeType::Token,
            Self::AlwaysSensitive => AttributeType::AlwaysSensitive,
            Self::NeverExtractable => AttributeType::NeverExtractable,
            Self::Local => AttributeType::Local,
            Self::KeyGenMechanism => AttributeType::KeyGenMechanism,
        }
    }

    /// The attribute, for those that may be sent.
    fn attribute(self, value: bool, public: bool) -> Option<Attribute> {
        match self {
            Self::Modifiable => Some(Attribute::Modifiable(value)),
            Self::Copyable => Some(Attribute::Copyable(value)),
            Self::Destroyable => Some(Attribute::Destroyable(value)),
            Self::WrapWithTrusted => Some(Attribute::WrapWithTrusted(value)),
            Self::VerifyRecover => (!value).then_some(Attribute::VerifyRecover(false)),
            Self::Private => public.then_some(Attribute::Private(value)),
            _ => None,
        }
    }
}

impl Changes {
    /// Refuses what would weaken a key, or what the token sets itself.
    pub(super) fn check(&self, public: bool) -> Result<(), String> {
        for flag in self.omit.iter().chain(self.send.keys()) {
            match flag {
                Flag::Token => return Err("CKA_TOKEN is always sent as true".to_owned()),
                Flag::AlwaysSensitive
                | Flag::NeverExtractable
                | Flag::Local
                | Flag::KeyGenMechanism => {
                    return Err(format!(
                        "{} is set by the token and never sent",
                        flag.kind()
                    ));
                }
                _ => {}
            }
        }
        for (flag, value) in &self.send {
            if flag.attribute(*value, public).is_none() {
                return Err(format!(
                    "{} = {value} is not for a template to say",
                    flag.kind()
                ));
            }
            if self.omit.contains(flag) {
                return Err(format!("{} is both sent and left out", flag.kind()));
            }
        }
        Ok(())
    }

    /// Whether an object cannot be changed after it was made.
    pub(super) fn forbids_changes(&self) -> bool {
        self.send.get(&Flag::Modifiable) == Some(&false)
    }

    /// The attributes with these changes, each at most once.
    pub(super) fn apply(&self, mut attributes: Vec<Attribute>) -> Vec<Attribute> {
        let sent = self
            .send
            .iter()
            .filter_map(|(flag, value)| flag.attribute(*value, true));
        let sent: Vec<_> = sent.collect();
        attributes.retain(|attribute| {
            let kind = attribute.attribute_type();
            !self.omit.iter().any(|flag| flag.kind() == kind)
                && !sent.iter().any(|other| other.attribute_type() == kind)
        });
        attributes.extend(sent);
        attributes
    }
}
