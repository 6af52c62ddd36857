//! Key pairs in the token: making them, checking what the token made, finding them once.

use std::sync::Arc;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};
use spki::SubjectPublicKeyInfoOwned;

use super::evidence::{self, Witness};
use super::index::Sought;
use super::live::Live;
use super::template::{Namer, TokenId};
use super::token::Fault;
use super::transport::Purpose;
use super::{attributes, data, import, mechanism, public_object};
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
    namer: &Namer<'_>,
    sought: &Sought,
    name: impl std::fmt::Display,
) -> Result<Option<ObjectHandle>, Fault> {
    if let Some(object) = namer.objects.find(namer.session, sought)? {
        return Ok(Some(object));
    }
    match search(namer.session, &sought.template)?.as_slice() {
        [] => Ok(None),
        [object] => Ok(Some(*object)),
        more => Err(refused(format_args!(
            "{} objects are called {name}",
            more.len()
        ))),
    }
}

/// Everything that matches; nothing, only when the session was logged in before the search and after it: another thread may renew a
/// lost login in between, and what was searched for without one would be said not to exist.
pub(super) fn search(
    session: &Session,
    template: &[Attribute],
) -> Result<Vec<ObjectHandle>, Fault> {
    logged_in(session)?;
    let found = session.find_objects(template)?;
    if found.is_empty() {
        logged_in(session)?;
    }
    Ok(found)
}

/// A session that is not logged in does not see private objects: not finding one then means nothing.
pub(super) fn logged_in(session: &Session) -> Result<(), Fault> {
    match session.get_session_info()?.session_state() {
        SessionState::RwUser | SessionState::RoUser => Ok(()),
        _ => Err(Fault::Token(Error::Pkcs11(
            RvError::UserNotLoggedIn,
            Function::FindObjects,
        ))),
    }
}

/// Refuses a label that any private or secret key carries already, and takes away the records of one that is not there: of an attempt
/// that was cut short, or whose answer was lost.
pub(super) fn check_free(namer: &Namer<'_>, label: &KeyLabel) -> Result<(), Fault> {
    let session = namer.session;
    let Some(template) = namer.all_of(label) else {
        return logged_in(session);
    };
    let mut records = Vec::new();
    // One search over all classes, since a search may be a look at every object.
    for object in search(session, &template)? {
        let found = session.get_attributes(object, &[AttributeType::Class])?;
        let taken = match found.first() {
            Some(Attribute::Class(ObjectClass::PRIVATE_KEY | ObjectClass::SECRET_KEY)) => true,
            // The public half of a key that is gone may stay where it cannot be destroyed.
            Some(Attribute::Class(ObjectClass::PUBLIC_KEY)) => namer.template.destroys_public(),
            Some(Attribute::Class(ObjectClass::DATA)) => {
                records.push(object);
                false
            }
            _ => false,
        };
        if taken {
            return Err(Fault::Refused(KeyStoreError::KeyExists(label.to_string())));
        }
    }
    logged_in(session)?;
    for record in records {
        data::remove_ours(namer, record)?;
    }
    Ok(())
}

/// Makes a key pair, with evidence of it beside where that is kept, and leaves nothing behind when the token's work does not pass
/// inspection.
pub(super) fn generate(
    witness: &Witness<'_>,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
) -> Result<KeyId, Fault> {
    generate_for(witness, label, algorithm, Purpose::Signing)
}

/// Does the same for a key pair of either purpose.
pub(super) fn generate_for(
    witness: &Witness<'_>,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
    purpose: Purpose,
) -> Result<KeyId, Fault> {
    let namer = &witness.namer;
    namer.template.allows(algorithm).map_err(Fault::Refused)?;
    check_free(namer, label)?;
    generate_free(witness, label, algorithm, purpose)
}

/// Makes a key pair as [`generate_for`] does, for a label that was found free.
pub(super) fn generate_free(
    witness: &Witness<'_>,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
    purpose: Purpose,
) -> Result<KeyId, Fault> {
    let namer = &witness.namer;
    let session = namer.session;
    let given = namer.beforehand(label)?;
    let (public, private) = session.generate_key_pair(
        &mechanism::generates(algorithm),
        &purpose.public(attributes::public_template(
            namer.template,
            label,
            algorithm,
            given.as_deref(),
        )),
        &purpose.private(attributes::private_template(
            namer.template,
            label,
            given.as_deref(),
        )),
    )?;
    let made = Made {
        public,
        private,
        algorithm,
        purpose,
    };
    let inspected = inspect(witness, label, &made, given.is_some());
    if let Ok(id) = &inspected {
        let token_id = given.unwrap_or_else(|| id.as_bytes().to_vec());
        for (class, object) in [
            (ObjectClass::PRIVATE_KEY, private),
            (ObjectClass::PUBLIC_KEY, public),
        ] {
            let known_by = [
                Sought::by_id(class, &token_id),
                Sought::by_label(class, label),
            ];
            namer.objects.made(&known_by, object);
        }
    } else {
        for object in [private, public] {
            if let Err(error) = session.destroy_object(object) {
                tracing::error!(key = %label, %error, "a refused key could not be removed from the token");
            }
        }
    }
    inspected
}

/// A key pair that the token has just made.
struct Made {
    public: ObjectHandle,
    private: ObjectHandle,
    algorithm: KeyAlgorithm,
    purpose: Purpose,
}

fn inspect(
    witness: &Witness<'_>,
    label: &KeyLabel,
    made: &Made,
    named: bool,
) -> Result<KeyId, Fault> {
    let session = witness.namer.session;
    if let Some(flaw) = attributes::check_protected(session, made.private, made.purpose.uses())? {
        return Err(refused(format_args!(
            "the token made a private key whose {flaw}"
        )));
    }
    let public_key = public_object::read(session, made.public)?;
    if KeyAlgorithm::of(&public_key) != Some(made.algorithm) {
        return Err(refused(format_args!(
            "the token made something else than {}",
            made.algorithm
        )));
    }
    let id = KeyId::of(&public_key).map_err(Fault::Refused)?;
    if !named {
        for object in [made.public, made.private] {
            session.update_attributes(object, &[Attribute::Id(id.as_bytes().into())])?;
        }
    }
    if witness.namer.template.keeps_evidence() {
        let halves = evidence::Halves {
            public: made.public,
            private: made.private,
            public_key: &public_key,
        };
        let text = witness.pair(label, made.algorithm, &halves)?;
        witness.keep(label, Some(id), &text)?;
    }
    Ok(id)
}

/// The private half of a key and the CKA_ID that its halves share.
pub(super) fn private_of(
    namer: &Namer<'_>,
    id: KeyId,
) -> Result<Option<(ObjectHandle, TokenId)>, Fault> {
    let Some(token_id) = namer.locate(id)? else {
        return logged_in(namer.session).map(|()| None);
    };
    let sought = Sought::by_id(ObjectClass::PRIVATE_KEY, &token_id);
    let found = single(namer, &sought, id)?;
    Ok(found.map(|private| (private, token_id)))
}

/// Resolves a key pair by id, once per stretch of the token's life; `copy` asks for a session copy, faster on software tokens.
pub(super) fn resolve(
    live: &Live,
    namer: &Namer<'_>,
    id: KeyId,
    copy: bool,
) -> Result<KeyPair, Fault> {
    let session = namer.session;
    let unknown = || Fault::Refused(KeyStoreError::UnknownKey(id.to_string()));
    let (private, token_id) = private_of(namer, id)?.ok_or_else(unknown)?;
    let (info, _) = describe(namer, &token_id)?;
    if info.id != id {
        return Err(refused(format_args!(
            "{id} is not the id of its own public key"
        )));
    }
    if let Some(flaw) = attributes::check_protected(session, private, &[AttributeType::Sign])?
        && !import::accepts(namer, private, &info)?
    {
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

/// Reads the public half of a key pair, and gives its object as well.
pub(super) fn describe(
    namer: &Namer<'_>,
    token_id: &[u8],
) -> Result<(KeyInfo, ObjectHandle), Fault> {
    let name = || our_id(token_id).map_or_else(|| format!("{token_id:02x?}"), |id| id.to_string());
    let sought = Sought::by_id(ObjectClass::PUBLIC_KEY, token_id);
    let public = single(namer, &sought, name())?
        .ok_or_else(|| refused(format_args!("{} has no public half in the token", name())))?;
    let public_key = public_object::read(namer.session, public)?;
    let algorithm = KeyAlgorithm::of(&public_key).ok_or_else(|| refused("unknown kind of key"))?;
    let info = KeyInfo {
        id: KeyId::of(&public_key).map_err(Fault::Refused)?,
        label: namer.label_of(public)?,
        algorithm,
        public_key,
    };
    Ok((info, public))
}

/// The private key of a label.
pub(super) fn private_by_label(
    namer: &Namer<'_>,
    label: &KeyLabel,
) -> Result<Option<ObjectHandle>, Fault> {
    match namer.by_label(ObjectClass::PRIVATE_KEY, label) {
        Some(sought) => single(namer, &sought, label),
        None => Ok(None),
    }
}

/// Looks a private key up by label and tells its id.
pub(super) fn find(namer: &Namer<'_>, label: &KeyLabel) -> Result<Option<KeyId>, Fault> {
    let Some(private) = private_by_label(namer, label)? else {
        return Ok(None);
    };
    id_of(namer, private)?.map_or_else(
        || Err(refused(format_args!("{label} has no id of ours"))),
        |id| Ok(Some(id)),
    )
}

/// A CKA_ID as the id of a key.
fn our_id(token_id: &[u8]) -> Option<KeyId> {
    token_id.try_into().ok().map(KeyId::from_bytes)
}

/// The id of a private key: its CKA_ID, or what its public half says where CKA_ID is none of ours.
fn id_of(namer: &Namer<'_>, private: ObjectHandle) -> Result<Option<KeyId>, Fault> {
    let Some(token_id) = namer.token_id(private)? else {
        return Ok(None);
    };
    if namer.template.derives_ids() {
        return Ok(our_id(&token_id));
    }
    Ok(Some(describe(namer, &token_id)?.0.id))
}

/// Removes what is beside a key pair and both its halves, the private one before the public one.
pub(super) fn destroy(namer: &Namer<'_>, id: KeyId) -> Result<(), Fault> {
    let session = namer.session;
    let (private, token_id) = private_of(namer, id)?
        .ok_or_else(|| Fault::Refused(KeyStoreError::UnknownKey(id.to_string())))?;
    let label = match namer.label_of(private) {
        Ok(label) => Some(label),
        // Nothing of ours is beside a key whose label is none of ours.
        Err(Fault::Refused(_)) => None,
        Err(fault) => return Err(fault),
    };
    if let Some(label) = &label {
        data::remove(namer, data::Kind::Holder, label)?;
        data::remove(namer, data::Kind::Evidence, label)?;
    }
    session.destroy_object(private)?;
    namer.objects.gone(private);
    if let Some(label) = &label {
        // Last: a key that the token keeps all the same stays retired.
        data::remove(namer, data::Kind::Retired, label)?;
    }
    if namer.template.destroys_public() {
        let template = attributes::by_id(ObjectClass::PUBLIC_KEY, &token_id);
        for public in session.find_objects(&template)? {
            session.destroy_object(public)?;
            namer.objects.gone(public);
        }
    }
    Ok(())
}

/// Every key pair whose private half is in the token; one that cannot be described is reported as such.
pub(super) fn list(namer: &Namer<'_>) -> Result<Vec<Result<KeyInfo, KeyStoreError>>, Fault> {
    let session = namer.session;
    let mut keys = Vec::new();
    let ours = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Token(true),
    ];
    for private in search(session, &ours)? {
        let described = match namer.token_id(private)? {
            Some(token_id) => describe_ours(namer, &token_id),
            None => Err(nameless(namer, private)),
        };
        match described {
            Ok(info) => keys.push(Ok(info)),
            Err(Fault::Refused(error)) => keys.push(Err(error)),
            Err(fault) => return Err(fault),
        }
    }
    Ok(keys)
}

/// What to say of a private key that no caller can have been told of, since it never got an id.
fn nameless(namer: &Namer<'_>, private: ObjectHandle) -> Fault {
    let label = match namer.label_of(private) {
        Ok(label) => format!("the private key '{label}'"),
        Err(Fault::Refused(_)) => "a private key with a label that is none of ours".to_owned(),
        Err(fault) => return fault,
    };
    refused(format_args!(
        "{label} has no id of ours: another tool made it, or its making was cut short. Its label is taken until somebody who knows that \
         nobody needs it removes it with the token's own tool (pkcs11-tool --login --delete-object --type privkey --label ...)"
    ))
}

/// Describes a key pair and checks that its CKA_ID is one that this driver gave it.
fn describe_ours(namer: &Namer<'_>, token_id: &[u8]) -> Result<KeyInfo, Fault> {
    let (info, _) = describe(namer, token_id)?;
    if namer.template.derives_ids() && info.id.as_bytes() != token_id {
        return Err(refused(format_args!(
            "{} does not carry the id of its own public key",
            info.label
        )));
    }
    Ok(info)
}
