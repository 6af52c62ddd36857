//! Key pairs in the token: making them, checking what the token made, finding them once.

use std::sync::Arc;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};
use spki::SubjectPublicKeyInfoOwned;

use super::live::Live;
use super::token::Fault;
use super::{attributes, mechanism, public_object};
use crate::verify::PublicKey;
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SecretPurpose};

/// What is public about a key pair in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The id, derived from the public key.
    pub id: KeyId,
    /// The label it was made under.
    pub label: KeyLabel,
    /// The kind of key.
    pub algorithm: KeyAlgorithm,
    /// The public half.
    pub public_key: SubjectPublicKeyInfoOwned,
}

/// What is public about a symmetric key in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// The label it was made under.
    pub label: KeyLabel,
    /// What it is for.
    pub purpose: SecretPurpose,
}

/// A resolved key pair: its handle for this stretch of the token's life, and its public half ready to verify with.
pub(super) struct KeyPair {
    pub(super) info: Arc<KeyInfo>,
    pub(super) handle: ObjectHandle,
    pub(super) verifier: PublicKey,
}

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::KeyRefused(why.to_string()))
}

/// The single object that matches; two of one name mean that somebody else wrote to the token.
pub(super) fn single(
    session: &Session,
    template: &[Attribute],
    name: impl std::fmt::Display,
) -> Result<Option<ObjectHandle>, Fault> {
    match session.find_objects(template)?.as_slice() {
        [] => logged_in(session).map(|()| None),
        [object] => Ok(Some(*object)),
        more => Err(refused(format_args!(
            "{} objects are called {name}",
            more.len()
        ))),
    }
}

/// A session that is not logged in does not see private objects: not finding one then means nothing.
fn logged_in(session: &Session) -> Result<(), Fault> {
    match session.get_session_info()?.session_state() {
        SessionState::RwUser | SessionState::RoUser => Ok(()),
        _ => Err(Fault::Token(Error::Pkcs11(
            RvError::UserNotLoggedIn,
            Function::FindObjects,
        ))),
    }
}

/// Refuses a label that any private or secret key carries already.
pub(super) fn check_free(session: &Session, label: &KeyLabel) -> Result<(), Fault> {
    for class in [
        ObjectClass::PRIVATE_KEY,
        ObjectClass::SECRET_KEY,
        ObjectClass::PUBLIC_KEY,
    ] {
        if !session
            .find_objects(&attributes::by_label(class, label))?
            .is_empty()
        {
            return Err(Fault::Refused(KeyStoreError::KeyExists(label.to_string())));
        }
    }
    logged_in(session)
}

/// Makes a key pair and leaves nothing behind when the token's work does not pass inspection.
pub(super) fn generate(
    session: &Session,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
) -> Result<KeyId, Fault> {
    check_free(session, label)?;
    let (public, private) = session.generate_key_pair(
        &mechanism::generates(algorithm),
        &attributes::public_template(label, algorithm),
        &attributes::private_template(label),
    )?;
    let inspected = inspect(session, public, private, algorithm);
    if inspected.is_err() {
        for object in [private, public] {
            if let Err(error) = session.destroy_object(object) {
                tracing::error!(key = %label, %error, "a refused key could not be removed from the token");
            }
        }
    }
    inspected
}

fn inspect(
    session: &Session,
    public: ObjectHandle,
    private: ObjectHandle,
    algorithm: KeyAlgorithm,
) -> Result<KeyId, Fault> {
    if let Some(flaw) = attributes::check_protected(session, private, &[AttributeType::Sign])? {
        return Err(refused(format_args!(
            "the token made a private key whose {flaw}"
        )));
    }
    let public_key = public_object::read(session, public)?;
    if KeyAlgorithm::of(&public_key) != Some(algorithm) {
        return Err(refused(format_args!(
            "the token made something else than {algorithm}"
        )));
    }
    let id = KeyId::of(&public_key).map_err(Fault::Refused)?;
    for object in [public, private] {
        session.update_attributes(object, &[Attribute::Id(id.as_bytes().into())])?;
    }
    Ok(id)
}

/// Resolves a key pair by id, once per stretch of the token's life; `copy` asks for a session copy, faster on software tokens.
pub(super) fn resolve(
    live: &Live,
    session: &Session,
    id: KeyId,
    copy: bool,
) -> Result<KeyPair, Fault> {
    let unknown = || Fault::Refused(KeyStoreError::UnknownKey(id.to_string()));
    let private = single(
        session,
        &attributes::by_id(ObjectClass::PRIVATE_KEY, id.as_bytes()),
        id,
    )?;
    let private = private.ok_or_else(unknown)?;
    let info = describe(session, id)?;
    if let Some(flaw) = attributes::check_protected(session, private, &[AttributeType::Sign])? {
        return Err(refused(format_args!("{}: {flaw}", info.label)));
    }
    let verifier = PublicKey::parse(&info.public_key).map_err(refused)?;
    let handle = if copy {
        live.on_anchor(|anchor| anchor.copy_object(private, &[Attribute::Token(false)]))?
    } else {
        private
    };
    Ok(KeyPair {
        info: Arc::new(info),
        handle,
        verifier,
    })
}

/// Reads the public half of a key pair and checks that the id is its own.
fn describe(session: &Session, id: KeyId) -> Result<KeyInfo, Fault> {
    let public = single(
        session,
        &attributes::by_id(ObjectClass::PUBLIC_KEY, id.as_bytes()),
        id,
    )?
    .ok_or_else(|| refused(format_args!("{id} has no public half in the token")))?;
    let public_key = public_object::read(session, public)?;
    if KeyId::of(&public_key).map_err(Fault::Refused)? != id {
        return Err(refused(format_args!(
            "{id} is not the id of its own public key"
        )));
    }
    let algorithm = KeyAlgorithm::of(&public_key).ok_or_else(|| refused("unknown kind of key"))?;
    Ok(KeyInfo {
        id,
        label: label_of(session, public)?,
        algorithm,
        public_key,
    })
}

pub(super) fn label_of(session: &Session, object: ObjectHandle) -> Result<KeyLabel, Fault> {
    let found = session.get_attributes(object, &[AttributeType::Label])?;
    let Some(Attribute::Label(bytes)) = found.first() else {
        return Err(refused("an object without a label"));
    };
    let text = std::str::from_utf8(bytes).map_err(refused)?;
    KeyLabel::parse(text).map_err(|_| refused("an object whose label is not one of ours"))
}

/// Looks a private key up by label and reads its id.
pub(super) fn find(session: &Session, label: &KeyLabel) -> Result<Option<KeyId>, Fault> {
    let Some(private) = single(
        session,
        &attributes::by_label(ObjectClass::PRIVATE_KEY, label),
        label,
    )?
    else {
        return Ok(None);
    };
    id_of(session, private)?.map_or_else(
        || Err(refused(format_args!("{label} has no id of ours"))),
        |id| Ok(Some(id)),
    )
}

fn id_of(session: &Session, object: ObjectHandle) -> Result<Option<KeyId>, Fault> {
    let found = session.get_attributes(object, &[AttributeType::Id])?;
    let Some(Attribute::Id(bytes)) = found.first() else {
        return Ok(None);
    };
    Ok(bytes.as_slice().try_into().ok().map(KeyId::from_bytes))
}

/// Removes both halves of a key pair, the private one first.
pub(super) fn destroy(session: &Session, id: KeyId) -> Result<(), Fault> {
    let private = single(
        session,
        &attributes::by_id(ObjectClass::PRIVATE_KEY, id.as_bytes()),
        id,
    )?
    .ok_or_else(|| Fault::Refused(KeyStoreError::UnknownKey(id.to_string())))?;
    session.destroy_object(private)?;
    for public in
        session.find_objects(&attributes::by_id(ObjectClass::PUBLIC_KEY, id.as_bytes()))?
    {
        session.destroy_object(public)?;
    }
    Ok(())
}

/// Every key pair whose private half is in the token; one that cannot be described is reported as such.
pub(super) fn list(session: &Session) -> Result<Vec<Result<KeyInfo, KeyStoreError>>, Fault> {
    let mut keys = Vec::new();
    logged_in(session)?;
    let ours = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Token(true),
    ];
    for private in session.find_objects(&ours)? {
        let described = match id_of(session, private)? {
            Some(id) => describe(session, id),
            None => Err(refused("a private key without an id of ours")),
        };
        match described {
            Ok(info) => keys.push(Ok(info)),
            Err(Fault::Refused(error)) => keys.push(Err(error)),
            Err(fault) => return Err(fault),
        }
    }
    Ok(keys)
}
