//! Symmetric keys in the token: wrapping of data keys with AES-256-GCM, and HMAC-SHA-256.
//!
//! A wrapped key reads: version, length of the KEK's label, label, 12-byte nonce, ciphertext and tag. Everything before the nonce is
//! authenticated together with the caller's AAD, so a wrapped key cannot be passed off as one of another KEK or version.

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::evidence::Witness;
use super::index::Sought;
use super::keys::{SecretInfo, check_free, search, single};
use super::live::Live;
use super::template::{GcmNonce, Namer};
use super::token::Fault;
use super::{attributes, data, mechanism};
use crate::{DataKey, KeyLabel, KeyStoreError, SecretPurpose};

/// The only format of wrapped keys so far.
const WRAP_VERSION: u8 = 1;
/// Nonce length of AES-GCM; the token makes it at random, good for 2^32 wraps under one KEK (NIST SP 800-38D §8.3).
const NONCE_LENGTH: usize = 12;
/// Tag length of AES-GCM in bits.
const TAG_BITS: u64 = 128;

fn bad(why: &str) -> Fault {
    Fault::Refused(KeyStoreError::BadRequest(why.to_owned()))
}

/// Makes a symmetric key, with evidence of it beside where that is kept, and leaves nothing behind when it does not pass inspection.
pub(super) fn generate(
    witness: &Witness<'_>,
    label: &KeyLabel,
    purpose: SecretPurpose,
) -> Result<(), Fault> {
    let namer = &witness.namer;
    let session = namer.session;
    namer
        .template
        .allows_secret(purpose)
        .map_err(Fault::Refused)?;
    check_free(namer, label)?;
    let id = Sha256::digest(label.as_str());
    let id = id
        .first_chunk::<20>()
        .ok_or_else(|| bad("digest too short"))?;
    let template = attributes::secret_template(namer.template, label, id, purpose);
    let key = session.generate_key(&mechanism::generates_secret(purpose), &template)?;
    let inspected = inspect(witness, label, purpose, key);
    if inspected.is_err()
        && let Err(error) = session.destroy_object(key)
    {
        tracing::error!(key = %label, %error, "a refused key could not be removed from the token");
    }
    inspected
}

fn inspect(
    witness: &Witness<'_>,
    label: &KeyLabel,
    purpose: SecretPurpose,
    key: ObjectHandle,
) -> Result<(), Fault> {
    let namer = &witness.namer;
    let uses = attributes::uses_of(purpose);
    if let Some(flaw) = attributes::check_protected(namer.session, key, uses)? {
        return Err(Fault::Refused(KeyStoreError::KeyRefused(format!(
            "the token made a secret key whose {flaw}"
        ))));
    }
    if namer.template.keeps_evidence() {
        let text = witness.secret(label, purpose, key)?;
        witness.keep(label, None, &text)?;
    }
    Ok(())
}

/// The symmetric key of a label, and what it is for.
pub(super) fn find(
    namer: &Namer<'_>,
    label: &KeyLabel,
) -> Result<Option<(ObjectHandle, SecretPurpose)>, Fault> {
    let sought = Sought::by_label(ObjectClass::SECRET_KEY, label);
    let Some(key) = single(namer, &sought, label)? else {
        return Ok(None);
    };
    match purpose_of(namer.session, key)? {
        Some(purpose) => Ok(Some((key, purpose))),
        None => Err(Fault::Refused(KeyStoreError::KeyRefused(format!(
            "{label} is of an unknown kind"
        )))),
    }
}

/// Destroys the key of a label and purpose. The record that it is retired goes last: a key that the token keeps all the same stays retired.
pub(super) fn destroy(
    live: &Live,
    namer: &Namer<'_>,
    label: &KeyLabel,
    purpose: SecretPurpose,
) -> Result<(), Fault> {
    match find(namer, label)? {
        Some((key, found)) if found == purpose => {
            data::remove(namer, data::Kind::Evidence, label)?;
            namer.session.destroy_object(key)?;
            namer.objects.gone(key);
            live.forget_secret(label);
        }
        Some(_) => return Err(bad("the key is for another purpose")),
        None => return Err(Fault::Refused(KeyStoreError::UnknownKey(label.to_string()))),
    }
    live.retired.remove(namer, label)
}

/// The handle of a secret of one purpose, searched for once.
fn resolve(
    live: &Live,
    namer: &Namer<'_>,
    label: &KeyLabel,
    purpose: SecretPurpose,
) -> Result<ObjectHandle, Fault> {
    if let Some(handle) = live.secret(label) {
        return Ok(handle);
    }
    let session = namer.session;
    let sought = Sought::by_label(ObjectClass::SECRET_KEY, label);
    let key = single(namer, &sought, label)?
        .ok_or_else(|| Fault::Refused(KeyStoreError::UnknownKey(label.to_string())))?;
    if purpose_of(session, key)? != Some(purpose) {
        return Err(bad("the key is for another purpose"));
    }
    if let Some(flaw) = attributes::check_protected(session, key, attributes::uses_of(purpose))? {
        return Err(Fault::Refused(KeyStoreError::KeyRefused(format!(
            "{label}: {flaw}"
        ))));
    }
    live.remember_secret(label, key);
    Ok(key)
}

pub(super) fn purpose_of(
    session: &Session,
    key: ObjectHandle,
) -> Result<Option<SecretPurpose>, Fault> {
    let found = session.get_attributes(key, &[AttributeType::KeyType])?;
    let Some(Attribute::KeyType(kind)) = found.first() else {
        return Ok(None);
    };
    Ok([SecretPurpose::KeyEncryption, SecretPurpose::Mac]
        .into_iter()
        .find(|purpose| attributes::key_type_of(*purpose) == *kind))
}

fn header(kek: &KeyLabel) -> Result<Vec<u8>, Fault> {
    let length = u8::try_from(kek.as_str().len()).map_err(|_| bad("label too long"))?;
    let mut header = vec![WRAP_VERSION, length];
    header.extend_from_slice(kek.as_str().as_bytes());
    Ok(header)
}

pub(super) fn wrap(
    live: &Live,
    namer: &Namer<'_>,
    kek: &KeyLabel,
    aad: &[u8],
    key: &DataKey,
) -> Result<Vec<u8>, Fault> {
    let session = namer.session;
    let handle = resolve(live, namer, kek, SecretPurpose::KeyEncryption)?;
    let mut wrapped = header(kek)?;
    let bound = [wrapped.as_slice(), aad].concat();
    let mut nonce = [0; NONCE_LENGTH];
    let by_token = namer.template.gcm_nonce() == GcmNonce::Token;
    if !by_token {
        session.generate_random_slice(&mut nonce)?;
    }
    let sealed = {
        let parameters = GcmParams::new(&mut nonce, &bound, TAG_BITS.into())?;
        session.encrypt(&Mechanism::AesGcm(parameters), handle, key.as_bytes())?
    };
    // Read after the call: some tokens choose the nonce themselves and write it back. One that was to do so and did not has used a
    // nonce of zeros, as it will for the next key; what it made must not be used.
    if by_token && nonce == [0; NONCE_LENGTH] {
        return Err(Fault::Refused(KeyStoreError::Configuration(format!(
            "template '{}': the token makes no nonces for AES-GCM",
            namer.template.name()
        ))));
    }
    wrapped.extend_from_slice(&nonce);
    wrapped.extend_from_slice(&sealed);
    Ok(wrapped)
}

pub(super) fn unwrap(
    live: &Live,
    namer: &Namer<'_>,
    kek: &KeyLabel,
    aad: &[u8],
    wrapped: &[u8],
) -> Result<DataKey, Fault> {
    let header = header(kek)?;
    let sealed = wrapped
        .strip_prefix(header.as_slice())
        .ok_or_else(|| bad("not wrapped under this key"))?;
    let (nonce, sealed) = sealed
        .split_first_chunk::<NONCE_LENGTH>()
        .ok_or_else(|| bad("wrapped key too short"))?;
    let handle = resolve(live, namer, kek, SecretPurpose::KeyEncryption)?;
    let bound = [header.as_slice(), aad].concat();
    let mut nonce = *nonce;
    let parameters = GcmParams::new(&mut nonce, &bound, TAG_BITS.into())?;
    let opened = namer
        .session
        .decrypt(&Mechanism::AesGcm(parameters), handle, sealed);
    let opened = Zeroizing::new(opened.map_err(damaged_or)?);
    let bytes: &[u8; 32] = opened
        .as_slice()
        .try_into()
        .map_err(|_| bad("not a data key"))?;
    Ok(DataKey::from_bytes(*bytes))
}

/// A tag that does not match comes back under several names, one of which else means a broken token.
fn damaged_or(error: cryptoki::error::Error) -> Fault {
    use cryptoki::context::Function;
    use cryptoki::error::{Error, RvError};
    match error {
        Error::Pkcs11(
            RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::SignatureInvalid
            | RvError::GeneralError
            | RvError::FunctionFailed,
            Function::Decrypt,
        ) => bad("the wrapped key does not open with this key and context"),
        other => Fault::Token(other),
    }
}

pub(super) fn hmac(
    live: &Live,
    namer: &Namer<'_>,
    key: &KeyLabel,
    message: &[u8],
) -> Result<[u8; 32], Fault> {
    let handle = resolve(live, namer, key, SecretPurpose::Mac)?;
    let mac = namer
        .session
        .sign(&Mechanism::Sha256Hmac, handle, message)?;
    mac.as_slice()
        .try_into()
        .map_err(|_| Fault::Refused(KeyStoreError::VerifyFailed))
}

/// Every secret key of ours in the token.
pub(super) fn list(namer: &Namer<'_>) -> Result<Vec<Result<SecretInfo, KeyStoreError>>, Fault> {
    let session = namer.session;
    let mut secrets = Vec::new();
    let ours = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Token(true),
    ];
    for key in search(session, &ours)? {
        let purpose = purpose_of(session, key)?;
        match (attributes::label_of(session, key), purpose) {
            (Ok(label), Some(purpose)) => secrets.push(Ok(SecretInfo { label, purpose })),
            (Err(Fault::Refused(error)), _) => secrets.push(Err(error)),
            (Ok(label), None) => {
                secrets.push(Err(KeyStoreError::KeyRefused(format!(
                    "{label} is of an unknown kind"
                ))));
            }
            (Err(fault), _) => return Err(fault),
        }
    }
    Ok(secrets)
}
