//! Small records beside keys, as data objects of the token (PKCS#11 v3.0 §4.5): they are moved and saved with the keys.

use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::Session;

use super::attributes;
use super::keys::single;
use super::token::Fault;
use crate::KeyLabel;

/// Who made a data object, as its CKA_APPLICATION says.
const APPLICATION: &[u8] = b"romduol hsm-bridge";

/// The record under a label.
pub(super) fn read(session: &Session, label: &KeyLabel) -> Result<Option<Vec<u8>>, Fault> {
    let template = attributes::by_label(ObjectClass::DATA, label);
    let Some(object) = single(session, &template, label)? else {
        return Ok(None);
    };
    let found = session.get_attributes(object, &[AttributeType::Value])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(bytes) => Some(bytes),
        _ => None,
    }))
}

/// Writes the record of a label that has none.
pub(super) fn write(session: &Session, label: &KeyLabel, value: &[u8]) -> Result<(), Fault> {
    session.create_object(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Modifiable(false),
        Attribute::Application(APPLICATION.into()),
        Attribute::Label(label.as_str().into()),
        Attribute::Value(value.into()),
    ])?;
    Ok(())
}

/// Takes the record of a label away, if there is one.
pub(super) fn remove(session: &Session, label: &KeyLabel) -> Result<(), Fault> {
    let template = attributes::by_label(ObjectClass::DATA, label);
    if let Some(object) = single(session, &template, label)? {
        session.destroy_object(object)?;
    }
    Ok(())
}
