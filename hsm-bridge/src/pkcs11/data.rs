//! Small records beside keys, as data objects of the token (PKCS#11 v3.0 §4.5): they are moved and saved with the keys.

use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::Session;

use super::attributes;
use super::keys::single;
use super::token::Fault;
use crate::KeyLabel;

/// What a data object is, as its CKA_APPLICATION says; a key may have one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The holder of a key.
    Holder,
    /// How a key was made.
    Evidence,
    /// That a key signs no more, and by which order.
    Retired,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Holder, Self::Evidence, Self::Retired];

    pub(super) fn application(self) -> Attribute {
        let name: &[u8] = match self {
            Self::Holder => b"romduol hsm-bridge",
            Self::Evidence => b"romduol hsm-bridge evidence",
            Self::Retired => b"romduol hsm-bridge retired",
        };
        Attribute::Application(name.into())
    }

    fn of(self, label: &KeyLabel) -> [Attribute; 4] {
        let [class, token, label] = attributes::by_label(ObjectClass::DATA, label);
        [class, token, label, self.application()]
    }
}

/// The record of a kind under a label.
pub(super) fn read(
    session: &Session,
    kind: Kind,
    label: &KeyLabel,
) -> Result<Option<Vec<u8>>, Fault> {
    let template = kind.of(label);
    let Some(object) = single(session, &template, label)? else {
        return Ok(None);
    };
    let found = session.get_attributes(object, &[AttributeType::Value])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(bytes) => Some(bytes),
        _ => None,
    }))
}

/// Writes the record of a kind for a label that has none.
pub(super) fn write(
    session: &Session,
    kind: Kind,
    label: &KeyLabel,
    value: &[u8],
) -> Result<(), Fault> {
    session.create_object(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Modifiable(false),
        kind.application(),
        Attribute::Label(label.as_str().into()),
        Attribute::Value(value.into()),
    ])?;
    Ok(())
}

/// Takes the record of a kind away, if there is one.
pub(super) fn remove_one(session: &Session, kind: Kind, label: &KeyLabel) -> Result<(), Fault> {
    if let Some(object) = single(session, &kind.of(label), label)? {
        session.destroy_object(object)?;
    }
    Ok(())
}

/// Takes the records of a label away, if there are any.
pub(super) fn remove(session: &Session, label: &KeyLabel) -> Result<(), Fault> {
    for kind in Kind::ALL {
        remove_one(session, kind, label)?;
    }
    Ok(())
}
