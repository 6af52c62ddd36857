//! Templates of the objects we make, and the check of what the token made of them: one purpose, sensitive, non-extractable.

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::template::Template;
use super::token::Fault;
use crate::{KeyAlgorithm, KeyLabel, KeyStoreError, SecretPurpose};

/// DER of the named-curve OID that CKA_EC_PARAMS takes.
pub(super) const SECP256R1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const SECP384R1: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// 65537, the only public exponent made here.
const RSA_PUBLIC_EXPONENT: &[u8] = &[0x01, 0x00, 0x01];
/// Length in bytes of every symmetric key made here.
const SECRET_LENGTH: u64 = 32;

/// Uses a key may have; exactly those named may be true on a key of ours.
const USES: [AttributeType; 7] = [
    AttributeType::Sign,
    AttributeType::SignRecover,
    AttributeType::Decrypt,
    AttributeType::Encrypt,
    AttributeType::Wrap,
    AttributeType::Unwrap,
    AttributeType::Derive,
];

/// What a public key is made with; `id` is its CKA_ID where that must be known beforehand.
pub(super) fn public_template(
    template: &Template,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
    id: Option<&[u8]>,
) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
        Attribute::Label(label.as_str().into()),
    ];
    match algorithm {
        KeyAlgorithm::P256 => attributes.push(Attribute::EcParams(SECP256R1.into())),
        KeyAlgorithm::P384 => attributes.push(Attribute::EcParams(SECP384R1.into())),
        KeyAlgorithm::Ed25519 => {
            attributes.push(Attribute::EcParams(template.edwards25519().into()));
        }
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
            let bits = algorithm.rsa_bits().unwrap_or_default() as u64;
            attributes.push(Attribute::ModulusBits(bits.into()));
            attributes.push(Attribute::PublicExponent(RSA_PUBLIC_EXPONENT.into()));
        }
        #[cfg(feature = "embedded")]
        KeyAlgorithm::MlDsa65 => attributes.push(Attribute::ParameterSet(
            cryptoki::object::MlDsaParameterSetType::ML_DSA_65.into(),
        )),
    }
    attributes.extend(id.map(|id| Attribute::Id(id.into())));
    template.of_public(attributes)
}

/// What a private key is made with; `id` is its CKA_ID where that must be known beforehand.
pub(super) fn private_template(
    template: &Template,
    label: &KeyLabel,
    id: Option<&[u8]>,
) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::SignRecover(false),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Label(label.as_str().into()),
    ];
    attributes.extend(id.map(|id| Attribute::Id(id.into())));
    template.of_private(attributes)
}

/// What a symmetric key is made with.
pub(super) fn secret_template(
    template: &Template,
    label: &KeyLabel,
    id: &[u8],
    purpose: SecretPurpose,
) -> Vec<Attribute> {
    let encrypts = purpose == SecretPurpose::KeyEncryption;
    template.of_secret(vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::ValueLen(SECRET_LENGTH.into()),
        Attribute::Encrypt(encrypts),
        Attribute::Decrypt(encrypts),
        Attribute::Sign(!encrypts),
        Attribute::Verify(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Label(label.as_str().into()),
        Attribute::Id(id.into()),
    ])
}

/// What the driver demands of a protected object.
pub(super) fn uses_of(purpose: SecretPurpose) -> &'static [AttributeType] {
    match purpose {
        SecretPurpose::KeyEncryption => &[AttributeType::Encrypt, AttributeType::Decrypt],
        SecretPurpose::Mac => &[AttributeType::Sign],
    }
}

pub(super) fn key_type_of(purpose: SecretPurpose) -> KeyType {
    match purpose {
        SecretPurpose::KeyEncryption => KeyType::AES,
        SecretPurpose::Mac => KeyType::GENERIC_SECRET,
    }
}

/// How every private or secret key is protected.
const PROTECTED: [(AttributeType, bool); 4] = [
    (AttributeType::Token, true),
    (AttributeType::Private, true),
    (AttributeType::Sensitive, true),
    (AttributeType::Extractable, false),
];
/// What tells besides that a key was made in the token and was never otherwise.
const FROM_BIRTH: [(AttributeType, bool); 3] = [
    (AttributeType::AlwaysSensitive, true),
    (AttributeType::NeverExtractable, true),
    (AttributeType::Local, true),
];

/// Reads a private or secret key's attributes back and names the first that is not as it must be.
pub(super) fn check_protected(
    session: &Session,
    key: ObjectHandle,
    uses: &[AttributeType],
) -> Result<Option<String>, Error> {
    let wanted: Vec<_> = PROTECTED.into_iter().chain(FROM_BIRTH).collect();
    check_flags(session, key, &wanted, uses)
}

/// Does the same for a key that was made elsewhere, which the token says of no key of its own.
pub(super) fn check_imported(
    session: &Session,
    key: ObjectHandle,
    uses: &[AttributeType],
) -> Result<Option<String>, Error> {
    let wanted: Vec<_> = PROTECTED
        .into_iter()
        .chain([(AttributeType::Local, false)])
        .collect();
    check_flags(session, key, &wanted, uses)
}

fn check_flags(
    session: &Session,
    key: ObjectHandle,
    wanted: &[(AttributeType, bool)],
    uses: &[AttributeType],
) -> Result<Option<String>, Error> {
    let flag = |kind: AttributeType| -> Result<Option<bool>, Error> {
        Ok(session
            .get_attributes(key, &[kind])?
            .first()
            .and_then(truth))
    };
    for (kind, wanted) in wanted.iter().copied() {
        if flag(kind)? != Some(wanted) {
            return Ok(Some(format!("{kind} is not {wanted}")));
        }
    }
    for kind in USES {
        let wanted = uses.contains(&kind);
        // A use that the token does not know for this kind of object is a use the key does not have.
        if flag(kind)?.unwrap_or(false) != wanted {
            return Ok(Some(format!("{kind} is not {wanted}")));
        }
    }
    Ok(None)
}

/// The attributes with one more, in the place of another of its kind.
pub(super) fn with(mut attributes: Vec<Attribute>, attribute: Attribute) -> Vec<Attribute> {
    attributes.retain(|other| other.attribute_type() != attribute.attribute_type());
    attributes.push(attribute);
    attributes
}

/// The value of an attribute that is a flag.
pub(super) fn truth(attribute: &Attribute) -> Option<bool> {
    match attribute {
        Attribute::Token(value)
        | Attribute::Private(value)
        | Attribute::Sensitive(value)
        | Attribute::Extractable(value)
        | Attribute::AlwaysSensitive(value)
        | Attribute::NeverExtractable(value)
        | Attribute::Local(value)
        | Attribute::Sign(value)
        | Attribute::SignRecover(value)
        | Attribute::Decrypt(value)
        | Attribute::Encrypt(value)
        | Attribute::Wrap(value)
        | Attribute::Unwrap(value)
        | Attribute::Derive(value)
        | Attribute::Verify(value)
        | Attribute::VerifyRecover(value)
        | Attribute::Modifiable(value)
        | Attribute::Copyable(value)
        | Attribute::Destroyable(value)
        | Attribute::AlwaysAuthenticate(value)
        | Attribute::WrapWithTrusted(value)
        | Attribute::Trusted(value) => Some(*value),
        _ => None,
    }
}

/// A search template for token objects of a class by label; session copies of keys are left out.
pub(super) fn by_label(class: ObjectClass, label: &KeyLabel) -> [Attribute; 3] {
    [
        Attribute::Class(class),
        Attribute::Token(true),
        Attribute::Label(label.as_str().into()),
    ]
}

/// A search template for token objects of a class by CKA_ID; session copies of keys are left out.
pub(super) fn by_id(class: ObjectClass, id: &[u8]) -> [Attribute; 3] {
    [
        Attribute::Class(class),
        Attribute::Token(true),
        Attribute::Id(id.into()),
    ]
}

/// The label of an object, which must be one of ours.
pub(super) fn label_of(session: &Session, object: ObjectHandle) -> Result<KeyLabel, Fault> {
    let refused = |why: &str| Fault::Refused(KeyStoreError::KeyRefused(why.to_owned()));
    let found = session.get_attributes(object, &[AttributeType::Label])?;
    let Some(Attribute::Label(bytes)) = found.first() else {
        return Err(refused("an object without a label"));
    };
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| KeyLabel::parse(text).ok())
        .ok_or_else(|| refused("an object whose label is not one of ours"))
}
