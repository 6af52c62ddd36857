//! Taking a private key of elsewhere into the token, in the format of `CKM_RSA_AES_KEY_WRAP` (PKCS#11 v3.0 §2.1.21).
//!
//! The two steps of that mechanism are asked for one by one, since few tokens have it and nearly all have its parts: the transport key
//! opens the AES key (RSAES-OAEP), and that opens the private key (AES-KWP, RFC 5649). Neither is ever outside the token.
//!
//! The token says that such a key is not its own (CKA_LOCAL is false), so the driver uses it only while the evidence beside it tells
//! by which order it came. The evidence is written last: a key without it is the rest of an attempt that was cut short, and goes away
//! with the next.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use spki::SubjectPublicKeyInfoOwned;

use super::data::{self, Kind};
use super::evidence::{Halves, Witness};
use super::index::Sought;
use super::keys::{self, KeyInfo, check_free, private_by_label};
use super::live::Live;
use super::provenance::{Provenance, tells_of_import};
use super::template::{Namer, Template, TokenId};
use super::token::Fault;
use super::transport::Purpose;
use super::{attributes, mechanism, public_object};
use crate::admin::{ImportedKey, Oaep};
use crate::verify::{PublicKey, Signed};
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError};

/// AES-KWP by the number that can be asked for.
const KWP: &str = "CKM_AES_KEY_WRAP_PAD (0x210A)";
/// `cryptoki` has no name for the other number of AES-KWP, gives it out in no list, and lets only vendors' numbers be made up.
const NEWER_KWP: &str = "; AES-KWP under its number of PKCS#11 3.x alone, CKM_AES_KEY_WRAP_KWP (0x210B), cannot be asked for by this version";
/// What an imported key signs before it is kept, to see that it is the private half of its public one.
const TRIAL: &[u8] = b"romduol-import-trial";

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::KeyRefused(why.to_string()))
}

fn bad(why: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::BadRequest(why.to_string()))
}

/// Whether a private key that was not made in the token is one of ours all the same: protected as they are, for signing alone, with
/// evidence of the order by which it came.
pub(super) fn accepts(
    namer: &Namer<'_>,
    private: ObjectHandle,
    info: &KeyInfo,
) -> Result<bool, Fault> {
    if attributes::check_imported(namer.session, private, Purpose::Signing.uses())?.is_some() {
        return Ok(false);
    }
    let kept = data::read(namer, Kind::Evidence, &info.label)?;
    Ok(kept.is_some_and(|kept| tells_of_import(&kept, &info.label, info.id)))
}

/// Why no key of elsewhere comes into this token at all, in words; nothing when some do.
pub(super) fn obstacle(live: &Live, template: &Template) -> Result<Option<String>, Fault> {
    if !template.keeps_evidence() {
        return Ok(Some(format!(
            "a token of the kind '{}' keeps no records beside keys, and a key of elsewhere is used only with one",
            template.name()
        )));
    }
    for (mechanism, name) in [
        (MechanismType::RSA_PKCS_OAEP, "CKM_RSA_PKCS_OAEP (0x9)"),
        (MechanismType::AES_KEY_WRAP_PAD, KWP),
    ] {
        if !live.knows(mechanism)? {
            return Ok(Some(format!(
                "the token takes in no keys that were made elsewhere: it does not offer {name}{}",
                if name == KWP { NEWER_KWP } else { "" }
            )));
        }
    }
    Ok(None)
}

/// Refuses what could only end in a refusal, before anything is made.
pub(super) fn check_able(witness: &Witness<'_>) -> Result<(), Fault> {
    match obstacle(witness.live, witness.namer.template)? {
        Some(why) => Err(bad(why)),
        None => Ok(()),
    }
}

/// Takes a key in, tries it, and writes down where it came from; what does not pass leaves nothing behind.
pub(super) fn import(
    witness: &Witness<'_>,
    key: &ImportedKey,
    provenance: &Provenance,
) -> Result<KeyId, Fault> {
    let namer = &witness.namer;
    namer
        .template
        .takes_in(key.algorithm)
        .map_err(Fault::Refused)?;
    check_able(witness)?;
    let public_key = key.public_key().map_err(bad)?;
    let id = KeyId::of(&public_key).map_err(Fault::Refused)?;
    clear_rest(namer, &key.label, id)?;
    check_free(namer, &key.label)?;
    if keys::private_of(namer, id)?.is_some() {
        return Err(Fault::Refused(KeyStoreError::KeyExists(format!(
            "{id} is in the token under another label"
        ))));
    }
    let transport = transport_key(namer, &key.transport_key)?;
    let token_id = match namer.beforehand(&key.label)? {
        Some(given) => given,
        None => id.as_bytes().to_vec(),
    };
    let private = open(namer, transport, key, &token_id)?;
    let mut made = vec![private];
    let kept = keep(
        witness,
        key,
        &public_key,
        (private, &token_id),
        &mut made,
        provenance,
    );
    if let Err(fault) = kept {
        for object in made {
            if let Err(error) = namer.session.destroy_object(object) {
                tracing::error!(key = %key.label, %error, "the rest of a refused key stays in the token");
            }
            namer.objects.gone(object);
        }
        return Err(fault);
    }
    Ok(id)
}

fn keep(
    witness: &Witness<'_>,
    key: &ImportedKey,
    public_key: &SubjectPublicKeyInfoOwned,
    (private, token_id): (ObjectHandle, &TokenId),
    made: &mut Vec<ObjectHandle>,
    provenance: &Provenance,
) -> Result<(), Fault> {
    let session = witness.namer.session;
    if let Some(flaw) = attributes::check_imported(session, private, Purpose::Signing.uses())? {
        return Err(refused(format_args!(
            "the token took in a private key whose {flaw}"
        )));
    }
    let public = session.create_object(&public_object::template(
        witness.namer.template,
        &key.label,
        key.algorithm,
        public_key,
        token_id,
    )?)?;
    made.push(public);
    for (class, object) in [
        (ObjectClass::PRIVATE_KEY, private),
        (ObjectClass::PUBLIC_KEY, public),
    ] {
        let names = [
            Sought::by_id(class, token_id),
            Sought::by_label(class, &key.label),
        ];
        witness.namer.objects.made(&names, object);
    }
    if public_object::read(session, public)? != *public_key {
        return Err(refused(
            "the token keeps another public key than it was given",
        ));
    }
    try_out(session, private, key.algorithm, public_key)?;
    let halves = Halves {
        public,
        private,
        public_key,
    };
    let text = witness.taken_in(&key.label, key.algorithm, &halves, provenance)?;
    let id = KeyId::of(public_key).map_err(Fault::Refused)?;
    witness.keep(&key.label, Some(id), &text)
}

/// Signs and verifies once: the public half came beside the private one, and nothing else says that they belong together.
fn try_out(
    session: &Session,
    private: ObjectHandle,
    algorithm: KeyAlgorithm,
    public_key: &SubjectPublicKeyInfoOwned,
) -> Result<(), Fault> {
    let scheme = algorithm.default_scheme();
    let trial = Signed::Message(TRIAL);
    let signature = mechanism::sign(session, private, scheme, &trial)?;
    PublicKey::parse(public_key)
        .and_then(|key| key.verify(scheme, &trial, &signature))
        .map_err(|_| bad("the wrapped key is not the private half of the public key beside it"))
}

/// The private half of the transport key of a label, which can do nothing else and was made in this token.
fn transport_key(namer: &Namer<'_>, label: &KeyLabel) -> Result<ObjectHandle, Fault> {
    let unknown = || Fault::Refused(KeyStoreError::UnknownKey(label.to_string()));
    let private = private_by_label(namer, label)?.ok_or_else(unknown)?;
    let uses = Purpose::Transport.uses();
    if let Some(flaw) = attributes::check_protected(namer.session, private, uses)? {
        return Err(refused(format_args!("{label} is no transport key: {flaw}")));
    }
    Ok(private)
}

/// Opens both layers inside the token.
fn open(
    namer: &Namer<'_>,
    transport: ObjectHandle,
    key: &ImportedKey,
    token_id: &[u8],
) -> Result<ObjectHandle, Fault> {
    let session = namer.session;
    let length = session.get_attributes(transport, &[AttributeType::Modulus])?;
    let length = match length.first() {
        Some(Attribute::Modulus(modulus)) => modulus.len(),
        _ => return Err(refused("the transport key has no modulus")),
    };
    let (outer, inner) = key
        .wrapped()
        .split_at_checked(length)
        .ok_or_else(|| bad("the wrapped key is shorter than its transport key"))?;
    let (hash, mask) = match key.oaep {
        Oaep::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Oaep::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
    };
    let oaep = PkcsOaepParams::new(hash, mask, PkcsOaepSource::empty());
    let ephemeral = session
        .unwrap_key(
            &Mechanism::RsaPkcsOaep(oaep),
            transport,
            outer,
            &ephemeral(),
        )
        .map_err(not_opened)?;
    let template = attributes::private_template(namer.template, &key.label, Some(token_id));
    let template = attributes::with(template, Attribute::Class(ObjectClass::PRIVATE_KEY));
    let template = attributes::with(
        template,
        Attribute::KeyType(public_object::kind(key.algorithm)),
    );
    let private = session.unwrap_key(&Mechanism::AesKeyWrapPad, ephemeral, inner, &template);
    // A session object would go with its session, which may live long.
    session.destroy_object(ephemeral)?;
    private.map_err(not_opened)
}

/// The AES key between the layers: for this one unwrapping, in this session.
fn ephemeral() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Unwrap(true),
        Attribute::Wrap(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
    ]
}

/// A wrapped key that does not open comes back under many names, some of which else mean a broken token; so does a kind of key that the
/// token makes and does not take in.
fn not_opened(error: Error) -> Fault {
    match error {
        Error::Pkcs11(RvError::MechanismInvalid | RvError::MechanismParamInvalid, _) => {
            bad("the token does not know RSAES-OAEP with this hash, or AES-KWP")
        }
        Error::Pkcs11(
            code @ (RvError::WrappedKeyInvalid
            | RvError::WrappedKeyLenRange
            | RvError::UnwrappingKeySizeRange
            | RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::ArgumentsBad
            | RvError::AttributeValueInvalid
            | RvError::TemplateInconsistent
            | RvError::TemplateIncomplete
            | RvError::GeneralError
            | RvError::FunctionFailed),
            Function::UnwrapKey,
        ) => bad(format_args!(
            "the wrapped key does not open under this transport key, or the token takes in no keys of its kind ({code:?})"
        )),
        other => Fault::Token(other),
    }
}

/// Removes what an attempt for the same key left behind when it was cut short: it has no evidence, and nothing uses it.
fn clear_rest(namer: &Namer<'_>, label: &KeyLabel, id: KeyId) -> Result<(), Fault> {
    let session = namer.session;
    if !namer.template.derives_ids() || data::read(namer, Kind::Evidence, label)?.is_some() {
        return Ok(());
    }
    let of = |class| {
        let [class, token, token_id] = attributes::by_id(class, id.as_bytes());
        [
            class,
            token,
            token_id,
            Attribute::Label(label.as_str().into()),
        ]
    };
    // Searched for in the token itself: what was cut short is in no index.
    let found = session.find_objects(&of(ObjectClass::PRIVATE_KEY))?;
    let [private] = *found.as_slice() else {
        return Ok(());
    };
    if attributes::check_imported(session, private, Purpose::Signing.uses())?.is_some() {
        return Ok(());
    }
    tracing::warn!(key = %label, "what an import left that was cut short is removed");
    let publics = session.find_objects(&of(ObjectClass::PUBLIC_KEY))?;
    for object in [private].into_iter().chain(publics) {
        session.destroy_object(object)?;
        namer.objects.gone(object);
    }
    Ok(())
}
