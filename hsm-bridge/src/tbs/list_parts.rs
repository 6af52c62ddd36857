//! The parts of a TBSCertList that are read whole, and the hash over all of it.

use const_oid::db::rfc5280;
use der::asn1::AnyRef;
use der::{Decode, Reader, Tag, TagNumber, Tagged};
use sha2::{Digest as _, Sha256, Sha384};

use super::{TbsError, extension, fields};
use crate::SignatureScheme;
use crate::scheme::Digest;

const EXTENSIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};

/// The hash that a scheme signs; none for Ed25519, which signs the message itself.
#[derive(Debug)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    None,
}

impl Hasher {
    pub(crate) fn of(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::EcdsaP256Sha256
            | SignatureScheme::RsaPkcs1Sha256
            | SignatureScheme::RsaPssSha256 => Self::Sha256(Sha256::new()),
            SignatureScheme::EcdsaP384Sha384 => Self::Sha384(Sha384::new()),
            SignatureScheme::Ed25519 => Self::None,
            #[cfg(feature = "embedded")]
            SignatureScheme::MlDsa65 => Self::None,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::None => {}
        }
    }

    pub(crate) fn finish(self) -> Option<Digest> {
        match self {
            Self::Sha256(hasher) => Some(Digest::Sha256(hasher.finalize().into())),
            Self::Sha384(hasher) => Some(Digest::Sha384(hasher.finalize().into())),
            Self::None => None,
        }
    }
}

/// One revoked certificate. No entry extension is critical but certificateIssuer (RFC 5280 §5.3), which indirect lists alone have.
pub(super) fn check_entry(value: AnyRef<'_>) -> Result<(), TbsError> {
    value.sequence(|reader| {
        fields::serial(AnyRef::decode(reader)?)?;
        fields::time(AnyRef::decode(reader)?)?;
        if !reader.is_finished() {
            let extensions = extension::extensions(AnyRef::decode(reader)?)?;
            if extensions.iter().any(|extension| extension.critical) {
                return Err(TbsError::Critical);
            }
        }
        Ok(())
    })
}

/// crlExtensions; gives cRLNumber (RFC 5280 §5.2.3, at most 20 octets).
pub(super) fn read_extensions(wrapped: AnyRef<'_>) -> Result<Vec<u8>, TbsError> {
    if wrapped.tag() != EXTENSIONS {
        return Err(TbsError::Malformed("crlExtensions"));
    }
    let extensions = extension::extensions(AnyRef::from_der(wrapped.value())?)?;
    let find = |id| extension::find(&extensions, id);
    let point = find(rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT);
    if point.is_some_and(|point| extension::is_indirect(point.value) != Ok(false)) {
        return Err(TbsError::Indirect);
    }
    let known = |id| id == rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;
    if extensions.iter().any(|e| e.critical && !known(e.id)) {
        return Err(TbsError::Critical);
    }
    match find(rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER) {
        Some(found) if extension::names_key(found.value) => {}
        Some(_) => return Err(TbsError::Malformed("authorityKeyIdentifier")),
        None => return Err(TbsError::Missing("authorityKeyIdentifier")),
    }
    let number = find(rfc5280::ID_CE_CRL_NUMBER).ok_or(TbsError::Missing("cRLNumber"))?;
    let number = AnyRef::from_der(number.value)?;
    match number.value() {
        // Zero is a number too, though no serial number.
        [0] if number.tag() == Tag::Integer => Ok(vec![0]),
        _ => fields::serial(number)
            .map(<[u8]>::to_vec)
            .map_err(|_| TbsError::Malformed("cRLNumber")),
    }
}
