//! How keys are told apart in the token: by CKA_ID where it can be derived from the key, and otherwise by their public halves.

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use serde::Deserialize;

use super::{Template, WhenNamed};
use crate::pkcs11::index::{Objects, Sought};
use crate::pkcs11::token::Fault;
use crate::pkcs11::{attributes, public_object};
use crate::{KeyId, KeyLabel, KeyStoreError};

/// Length of a random CKA_ID, that of a derived one.
const RANDOM_LENGTH: usize = 20;
/// No token has longer names of its places.
const MAX_PLACE: usize = 32;

/// The CKA_ID of an object.
pub(in crate::pkcs11) type TokenId = Vec<u8>;

/// A place of the token that holds one key: its CKA_ID, written in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Place(Vec<u8>);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is no place: 1 to {MAX_PLACE} bytes in hexadecimal digits");
        let digits = text.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.is_empty() || pairs.len() > MAX_PLACE || !rest.is_empty() {
            return Err(wrong());
        }
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.map(Self).ok_or_else(wrong)
    }
}

/// Names of keys in a session of a token of one kind.
pub(in crate::pkcs11) struct Namer<'a> {
    pub(in crate::pkcs11) template: &'a Template,
    pub(in crate::pkcs11) session: &'a Session,
    pub(in crate::pkcs11) objects: &'a Objects,
}

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::KeyRefused(why.to_string()))
}

impl Namer<'_> {
    /// The CKA_ID that a new key is made with, where it must be known before the key is.
    pub(in crate::pkcs11) fn beforehand(&self, label: &KeyLabel) -> Result<Option<TokenId>, Fault> {
        match self.template.key_id {
            WhenNamed::AfterGeneration => Ok(None),
            WhenNamed::AtGeneration => {
                let mut id = vec![0; RANDOM_LENGTH];
                self.session.generate_random_slice(&mut id)?;
                Ok(Some(id))
            }
            WhenNamed::Place => match self.template.places.get(label) {
                Some(place) => Ok(Some(place.0.clone())),
                None => Err(Fault::Refused(KeyStoreError::BadRequest(format!(
                    "template '{}' has no place for {label}",
                    self.template.name
                )))),
            },
        }
    }

    /// The CKA_ID of the key of this id; a token that does not name keys by it is searched for the public half.
    pub(in crate::pkcs11) fn locate(&self, id: KeyId) -> Result<Option<TokenId>, Fault> {
        if self.template.key_id == WhenNamed::AfterGeneration {
            return Ok(Some(id.as_bytes().to_vec()));
        }
        if let Some([one]) = self.objects.token_ids(id).as_deref() {
            return Ok(Some(one.clone()));
        }
        let all = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::Token(true),
        ];
        let mut found = Vec::new();
        for public in self.session.find_objects(&all)? {
            match public_object::read(self.session, public) {
                Ok(key) if KeyId::of(&key).is_ok_and(|of| of == id) => {
                    found.extend(self.token_id(public)?);
                }
                // An object that is not one of ours is no answer.
                Ok(_) | Err(Fault::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            more => Err(refused(format_args!(
                "{id} is in the token {} times",
                more.len()
            ))),
        }
    }

    /// The CKA_ID of an object that has one.
    pub(in crate::pkcs11) fn token_id(
        &self,
        object: ObjectHandle,
    ) -> Result<Option<TokenId>, Fault> {
        let found = self.session.get_attributes(object, &[AttributeType::Id])?;
        Ok(found.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }))
    }

    /// What finds the objects of a class and a label; nothing when a key of this label has no place.
    pub(in crate::pkcs11) fn by_label(
        &self,
        class: ObjectClass,
        label: &KeyLabel,
    ) -> Option<Sought> {
        if self.template.key_id != WhenNamed::Place {
            return Some(Sought::by_label(class, label));
        }
        let place = self.template.places.get(label)?;
        Some(Sought::by_id(class, &place.0))
    }

    /// Whether a key of this label, of any class, is known to be there.
    pub(in crate::pkcs11) fn is_taken(&self, label: &KeyLabel) -> bool {
        let classes = [
            ObjectClass::PRIVATE_KEY,
            ObjectClass::SECRET_KEY,
            ObjectClass::PUBLIC_KEY,
        ];
        classes.into_iter().any(|class| {
            let lasts = class == ObjectClass::PUBLIC_KEY && !self.template.destroys_public();
            let sought = self.by_label(class, label);
            !lasts && sought.is_some_and(|sought| self.objects.place(&sought).is_some())
        })
    }

    /// What finds the objects of every class that a key of this label has or would have; nothing when it has no place.
    pub(in crate::pkcs11) fn all_of(&self, label: &KeyLabel) -> Option<[Attribute; 2]> {
        let name = if self.template.key_id == WhenNamed::Place {
            Attribute::Id(self.template.places.get(label)?.0.clone())
        } else {
            Attribute::Label(label.as_str().into())
        };
        Some([Attribute::Token(true), name])
    }

    /// The label of an object: its own, or that of its place.
    pub(in crate::pkcs11) fn label_of(&self, object: ObjectHandle) -> Result<KeyLabel, Fault> {
        if self.template.key_id == WhenNamed::Place {
            let id = self.token_id(object)?;
            let mut places = self.template.places.iter();
            let found = places.find(|(_, place)| Some(&place.0) == id.as_ref());
            return found
                .map(|(label, _)| label.clone())
                .ok_or_else(|| refused("a key in a place without a label"));
        }
        attributes::label_of(self.session, object)
    }
}
