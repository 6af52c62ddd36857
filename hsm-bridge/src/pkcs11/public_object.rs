//! From a public key object to its SubjectPublicKeyInfo; private objects do not tell their public half on every token.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::asn1::{Any, BitString, OctetStringRef, UintRef};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::attributes::{public_template, with};
use super::template::Template;
use super::token::Fault;
use crate::{KeyAlgorithm, KeyLabel, KeyStoreError};

/// RFC 8017 A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// Builds the SubjectPublicKeyInfo of a public key object.
pub(super) fn read(
    session: &Session,
    object: ObjectHandle,
) -> Result<SubjectPublicKeyInfoOwned, Fault> {
    let kind = session.get_attributes(object, &[AttributeType::KeyType])?;
    match kind.first() {
        Some(Attribute::KeyType(KeyType::EC)) => {
            elliptic(session, object, rfc5912::ID_EC_PUBLIC_KEY)
        }
        Some(Attribute::KeyType(KeyType::EC_EDWARDS)) => {
            elliptic(session, object, rfc8410::ID_ED_25519)
        }
        Some(Attribute::KeyType(KeyType::RSA)) => rsa(session, object),
        #[cfg(feature = "embedded")]
        Some(Attribute::KeyType(KeyType::ML_DSA)) => ml_dsa(session, object),
        _ => Err(refused("of a kind that is never made here")),
    }
}

/// CKA_KEY_TYPE of a kind of key pair.
pub(super) const fn kind(algorithm: KeyAlgorithm) -> KeyType {
    match algorithm {
        KeyAlgorithm::P256 | KeyAlgorithm::P384 => KeyType::EC,
        KeyAlgorithm::Ed25519 => KeyType::EC_EDWARDS,
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => KeyType::RSA,
        #[cfg(feature = "embedded")]
        KeyAlgorithm::MlDsa65 => KeyType::ML_DSA,
    }
}

/// What the public half of a key of elsewhere is created with; [`read`] gives the same SubjectPublicKeyInfo back.
pub(super) fn template(
    template: &Template,
    label: &KeyLabel,
    algorithm: KeyAlgorithm,
    public_key: &SubjectPublicKeyInfoOwned,
    id: &[u8],
) -> Result<Vec<Attribute>, Fault> {
    let bits = public_key
        .subject_public_key
        .as_bytes()
        .ok_or_else(|| refused("of an odd number of bits"))?;
    let mut attributes = public_template(template, label, algorithm, Some(id));
    // The number of bits is told to a token that makes a key; one that gets a key counts them.
    attributes.retain(|attribute| attribute.attribute_type() != AttributeType::ModulusBits);
    let mut attributes = with(attributes, Attribute::Class(ObjectClass::PUBLIC_KEY));
    attributes = with(attributes, Attribute::KeyType(kind(algorithm)));
    if algorithm.rsa_bits().is_some() {
        let key = RsaPublicKey::from_der(bits).map_err(refused)?;
        let exponent = key.public_exponent.as_bytes().to_vec();
        attributes = with(
            attributes,
            Attribute::Modulus(key.modulus.as_bytes().to_vec()),
        );
        return Ok(with(attributes, Attribute::PublicExponent(exponent)));
    }
    #[cfg(feature = "embedded")]
    if algorithm == KeyAlgorithm::MlDsa65 {
        return Err(refused("an ML-DSA key is made in its token, not taken in"));
    }
    let point = OctetStringRef::new(bits).and_then(|point| point.to_der());
    Ok(with(
        attributes,
        Attribute::EcPoint(point.map_err(refused)?),
    ))
}

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::Refused(KeyStoreError::KeyRefused(format!(
        "public key object: {why}"
    )))
}

fn elliptic(
    session: &Session,
    object: ObjectHandle,
    oid: ObjectIdentifier,
) -> Result<SubjectPublicKeyInfoOwned, Fault> {
    let attributes =
        session.get_attributes(object, &[AttributeType::EcParams, AttributeType::EcPoint])?;
    let mut curve = None;
    let mut point = None;
    for attribute in &attributes {
        match attribute {
            Attribute::EcParams(der) => curve = Some(der.as_slice()),
            Attribute::EcPoint(bytes) => point = Some(bytes.as_slice()),
            _ => {}
        }
    }
    let (Some(curve), Some(point)) = (curve, point) else {
        return Err(refused("curve or point missing"));
    };
    let (parameters, length) = if oid == rfc8410::ID_ED_25519 {
        (None, 32)
    } else {
        let named = ObjectIdentifier::from_der(curve).map_err(refused)?;
        let length = if named == rfc5912::SECP_384_R_1 {
            97
        } else {
            65
        };
        (Some(Any::encode_from(&named).map_err(refused)?), length)
    };
    assemble(
        AlgorithmIdentifierOwned { oid, parameters },
        unwrapped(point, length)?,
    )
}

/// CKA_EC_POINT is a DER OCTET STRING by the standard; some tokens give the bare point.
fn unwrapped(point: &[u8], length: usize) -> Result<&[u8], Fault> {
    if point.len() == length {
        return Ok(point);
    }
    let inner = <&OctetStringRef>::from_der(point)
        .map_err(refused)?
        .as_bytes();
    if inner.len() == length {
        Ok(inner)
    } else {
        Err(refused("point of a wrong length"))
    }
}

fn rsa(session: &Session, object: ObjectHandle) -> Result<SubjectPublicKeyInfoOwned, Fault> {
    let attributes = session.get_attributes(
        object,
        &[AttributeType::Modulus, AttributeType::PublicExponent],
    )?;
    let mut modulus = None;
    let mut exponent = None;
    for attribute in &attributes {
        match attribute {
            Attribute::Modulus(bytes) => modulus = Some(bytes.as_slice()),
            Attribute::PublicExponent(bytes) => exponent = Some(bytes.as_slice()),
            _ => {}
        }
    }
    let (Some(modulus), Some(exponent)) = (modulus, exponent) else {
        return Err(refused("modulus or exponent missing"));
    };
    let key = RsaPublicKey {
        modulus: UintRef::new(modulus).map_err(refused)?,
        public_exponent: UintRef::new(exponent).map_err(refused)?,
    };
    let der = key.to_der().map_err(refused)?;
    let parameters = Some(Any::null());
    assemble(
        AlgorithmIdentifierOwned {
            oid: rfc5912::RSA_ENCRYPTION,
            parameters,
        },
        &der,
    )
}

/// RFC 9881 §4: the key as FIPS 204 encodes it, which is what CKA_VALUE holds (PKCS#11 3.2 §6.67.2).
#[cfg(feature = "embedded")]
fn ml_dsa(session: &Session, object: ObjectHandle) -> Result<SubjectPublicKeyInfoOwned, Fault> {
    use cryptoki::object::{MlDsaParameterSetType, ParameterSetType};

    let wanted = ParameterSetType::from(MlDsaParameterSetType::ML_DSA_65);
    let attributes =
        session.get_attributes(object, &[AttributeType::ParameterSet, AttributeType::Value])?;
    match attributes.as_slice() {
        [Attribute::ParameterSet(set), Attribute::Value(key)] if *set == wanted => assemble(
            AlgorithmIdentifierOwned {
                oid: const_oid::db::fips204::ID_ML_DSA_65,
                parameters: None,
            },
            key,
        ),
        _ => Err(refused("parameter set or value missing, or not ML-DSA-65")),
    }
}

fn assemble(
    algorithm: AlgorithmIdentifierOwned,
    key: &[u8],
) -> Result<SubjectPublicKeyInfoOwned, Fault> {
    let subject_public_key = BitString::from_bytes(key).map_err(refused)?;
    Ok(SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key,
    })
}
