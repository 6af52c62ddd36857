//! Small records beside keys, as data objects of the token (PKCS#11 v3.0 §4.5): they are moved and saved with the keys.

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};

use super::attributes;
use super::index::Sought;
use super::keys::{search, single};
use super::template::Namer;
use super::token::Fault;
use crate::KeyLabel;

/// What a data object is, as its CKA_APPLICATION says; a key may have one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    pub(super) fn application(self) -> &'static [u8] {
        match self {
            Self::Holder => b"romduol hsm-bridge",
            Self::Evidence => b"romduol hsm-bridge evidence",
            Self::Retired => b"romduol hsm-bridge retired",
        }
    }

    /// The kind whose CKA_APPLICATION this is.
    pub(super) fn of_application(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.application() == name)
    }

    /// What finds the record of a label.
    pub(super) fn of(self, label: &KeyLabel) -> [Attribute; 4] {
        let [class, token, label] = attributes::by_label(ObjectClass::DATA, label);
        let application = Attribute::Application(self.application().into());
        [class, token, label, application]
    }
}

/// The record of a kind under a label.
pub(super) fn read(
    namer: &Namer<'_>,
    kind: Kind,
    label: &KeyLabel,
) -> Result<Option<Vec<u8>>, Fault> {
    let Some(object) = single(namer, &Sought::record(kind, label), label)? else {
        return Ok(None);
    };
    let found = namer
        .session
        .get_attributes(object, &[AttributeType::Value])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(bytes) => Some(bytes),
        _ => None,
    }))
}

/// Writes the record of a kind for a label that has none.
pub(super) fn write(
    namer: &Namer<'_>,
    kind: Kind,
    label: &KeyLabel,
    value: &[u8],
) -> Result<(), Fault> {
    let object = namer.session.create_object(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Modifiable(false),
        Attribute::Application(kind.application().into()),
        Attribute::Label(label.as_str().into()),
        Attribute::Value(value.into()),
    ])?;
    namer.objects.made(&[Sought::record(kind, label)], object);
    Ok(())
}

/// Takes the record of a kind away, and any other that an attempt left whose answer was lost.
pub(super) fn remove(namer: &Namer<'_>, kind: Kind, label: &KeyLabel) -> Result<(), Fault> {
    for object in search(namer.session, &Sought::record(kind, label).template)? {
        namer.session.destroy_object(object)?;
        namer.objects.gone(object);
    }
    Ok(())
}

/// Takes a data object away if it is a record of one of our kinds.
pub(super) fn remove_ours(namer: &Namer<'_>, object: ObjectHandle) -> Result<(), Fault> {
    let found = namer
        .session
        .get_attributes(object, &[AttributeType::Application])?;
    let ours = found.iter().any(|attribute| {
        matches!(attribute, Attribute::Application(name) if Kind::of_application(name).is_some())
    });
    if ours {
        namer.session.destroy_object(object)?;
        namer.objects.gone(object);
    }
    Ok(())
}
