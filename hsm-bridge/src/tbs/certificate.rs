//! TBSCertificate (RFC 5280 §4.1.2).

use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5912};
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};

use super::extension::{self, BasicConstraints, Extension, SigningUsage};
use super::rules::check_times;
use super::{Authority, CertificateRules, IssuerPin, Signing, TbsError, fields};
use crate::KeyId;

/// No honest certificate is longer.
const MAX_LENGTH: usize = 64 * 1024;

/// `[0] EXPLICIT INTEGER 2`: v3.
const VERSION_3: [u8; 5] = [0xa0, 0x03, 0x02, 0x01, 0x02];

/// Extensions that said before RFC 5280 who is an authority: some verifiers still take their word, without any basicConstraints.
const SUPERSEDED: [ObjectIdentifier; 4] = [
    // Netscape certificate type, with bits for authorities of three kinds
    ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1"),
    // key attributes, key usage restriction and basic constraints of the drafts of X.509 v3 (withdrawn before RFC 2459)
    ObjectIdentifier::new_unwrap("2.5.29.2"),
    ObjectIdentifier::new_unwrap("2.5.29.4"),
    ObjectIdentifier::new_unwrap("2.5.29.10"),
];

const EXTENSIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(3),
};

/// What a certificate that passed says, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// notBefore.
    pub not_before: SystemTime,
    /// notAfter.
    pub not_after: SystemTime,
    /// Whether it makes an authority.
    pub authority: bool,
    /// Its pathLenConstraint.
    pub path_length: Option<u8>,
    /// The id of the certified key.
    pub key_id: KeyId,
}

struct Parsed<'a> {
    serial: &'a [u8],
    algorithm: AnyRef<'a>,
    issuer: &'a [u8],
    not_before: SystemTime,
    not_after: SystemTime,
    subject: &'a [u8],
    public_key: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

/// Reads a TBSCertificate and holds it against the rules of the key that is to sign it.
pub fn check_certificate(
    tbs: &[u8],
    rules: &CertificateRules,
    signing: &Signing<'_>,
) -> Result<CertificateFacts, TbsError> {
    let parsed = parse(tbs)?;
    if !rules.serial_octets.contains(&parsed.serial.len()) {
        return Err(TbsError::Serial);
    }
    fields::algorithm(parsed.algorithm, signing.scheme)?;
    IssuerPin::check(rules.issuer.as_ref(), parsed.issuer)?;
    check_times(
        (parsed.not_before, parsed.not_after),
        (rules.longest, rules.drift),
        signing.now,
    )?;
    if rules.latest_end.is_some_and(|end| parsed.not_after > end) {
        return Err(TbsError::KeyEnd);
    }
    check_key(parsed.public_key, signing.public_key)?;
    let constraints = check_extensions(&parsed.extensions, rules)?;
    Ok(CertificateFacts {
        serial: parsed.serial.to_vec(),
        not_before: parsed.not_before,
        not_after: parsed.not_after,
        authority: constraints.authority,
        path_length: constraints.path_length,
        key_id: KeyId::of_der(parsed.public_key),
    })
}

/// Takes the facts of an authority out of its Certificate.
pub(super) fn parse_authority(der: &[u8]) -> Result<Authority, TbsError> {
    let whole = AnyRef::from_der(der)?;
    let tbs = whole.sequence(|reader| {
        let tbs = reader.tlv_bytes()?;
        // signatureAlgorithm and signature
        AnyRef::decode(reader)?;
        AnyRef::decode(reader)?;
        Ok::<_, TbsError>(tbs)
    })?;
    let parsed = parse(tbs)?;
    let constraints = constraints(&parsed.extensions)?;
    if !constraints.authority {
        return Err(TbsError::Authority);
    }
    Ok(Authority {
        name: IssuerPin::of_name(parsed.subject),
        end: parsed.not_after,
        // 0 leaves no room for an authority below; without a bound, the rule alone bounds.
        path_length: match constraints.path_length {
            Some(length) => length.checked_sub(1),
            None => Some(u8::MAX),
        },
    })
}

fn parse(tbs: &[u8]) -> Result<Parsed<'_>, TbsError> {
    if tbs.len() > MAX_LENGTH {
        return Err(TbsError::TooLong("certificate"));
    }
    AnyRef::from_der(tbs)?.sequence(fields_of)
}

fn fields_of<'a>(reader: &mut SliceReader<'a>) -> Result<Parsed<'a>, TbsError> {
    if reader.tlv_bytes()? != VERSION_3 {
        return Err(TbsError::Version);
    }
    let serial = fields::serial(AnyRef::decode(reader)?)?;
    let algorithm = AnyRef::decode(reader)?;
    let issuer = reader.tlv_bytes()?;
    fields::name(issuer)?;
    let (not_before, not_after) = AnyRef::decode(reader)?.sequence(|validity| {
        let begin = fields::time(AnyRef::decode(validity)?)?;
        Ok::<_, TbsError>((begin, fields::time(AnyRef::decode(validity)?)?))
    })?;
    let subject = reader.tlv_bytes()?;
    fields::name(subject)?;
    let public_key = reader.tlv_bytes()?;
    fields::well_formed(public_key)?;
    if reader.is_finished() {
        return Err(TbsError::Missing("all of them"));
    }
    // Unique identifiers come before extensions and are refused by this (RFC 5280 §4.1.2.8: they must not be generated).
    let wrapped = AnyRef::decode(reader)?;
    if wrapped.tag() != EXTENSIONS {
        return Err(TbsError::Malformed("extensions"));
    }
    let extensions = extension::extensions(AnyRef::from_der(wrapped.value())?)?;
    Ok(Parsed {
        serial,
        algorithm,
        issuer,
        not_before,
        not_after,
        subject,
        public_key,
        extensions,
    })
}

/// A certificate for the signing key itself would let it speak under another name or for another purpose.
fn check_key(spki: &[u8], own: &SubjectPublicKeyInfoOwned) -> Result<(), TbsError> {
    const WRONG: TbsError = TbsError::Malformed("subjectPublicKeyInfo");
    let subject = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| WRONG)?;
    let subject = subject.subject_public_key.as_bytes().ok_or(WRONG)?;
    let own_key = own.subject_public_key.raw_bytes();
    // A point may be written compressed; its x names the key but for the sign, whatever the form.
    let x = 1..own_key.len().div_ceil(2);
    let same_point = own.algorithm.oid == rfc5912::ID_EC_PUBLIC_KEY
        && own_key
            .get(x.clone())
            .is_some_and(|own_x| subject.get(x) == Some(own_x));
    if subject == own_key || same_point {
        return Err(TbsError::OwnKey);
    }
    Ok(())
}

fn constraints(extensions: &[Extension<'_>]) -> Result<BasicConstraints, TbsError> {
    extension::find(extensions, rfc5280::ID_CE_BASIC_CONSTRAINTS).map_or_else(
        || Ok(BasicConstraints::default()),
        |found| extension::basic_constraints(found.value),
    )
}

fn check_extensions(
    extensions: &[Extension<'_>],
    rules: &CertificateRules,
) -> Result<BasicConstraints, TbsError> {
    if extensions
        .iter()
        .any(|extension| extension.critical && !rules.critical.contains(&extension.id))
    {
        return Err(TbsError::Critical);
    }
    let superseded = |extension: &Extension<'_>| SUPERSEDED.contains(&extension.id);
    if extensions.iter().any(superseded) {
        return Err(TbsError::Superseded);
    }
    let constraints = constraints(extensions)?;
    let usage = extension::find(extensions, rfc5280::ID_CE_KEY_USAGE).map_or_else(
        || Ok(SigningUsage::default()),
        |found| extension::signing_usage(found.value),
    )?;
    if constraints.authority {
        check_authority(extensions, constraints, rules)?;
        if !usage.certificates {
            return Err(TbsError::KeyUsage);
        }
    } else if usage.certificates || usage.lists {
        return Err(TbsError::KeyUsage);
    }
    check_purposes(extensions, constraints.authority, rules)?;
    Ok(constraints)
}

/// An authority is bounded in depth, and says so in a critical extension (RFC 5280 §4.2.1.9).
fn check_authority(
    extensions: &[Extension<'_>],
    constraints: BasicConstraints,
    rules: &CertificateRules,
) -> Result<(), TbsError> {
    let critical = extension::find(extensions, rfc5280::ID_CE_BASIC_CONSTRAINTS)
        .is_some_and(|found| found.critical);
    match (rules.path_length, constraints.path_length) {
        (Some(most), Some(length)) if critical && length <= most => Ok(()),
        _ => Err(TbsError::Authority),
    }
}

fn check_purposes(
    extensions: &[Extension<'_>],
    authority: bool,
    rules: &CertificateRules,
) -> Result<(), TbsError> {
    let Some(found) = extension::find(extensions, rfc5280::ID_CE_EXT_KEY_USAGE) else {
        return if rules.extended_key_usage_required && !authority {
            Err(TbsError::ExtendedKeyUsage)
        } else {
            Ok(())
        };
    };
    let purposes = extension::purposes(found.value)?;
    match &rules.extended_key_usage {
        Some(allowed) if !purposes.iter().all(|purpose| allowed.contains(purpose)) => {
            Err(TbsError::ExtendedKeyUsage)
        }
        _ => Ok(()),
    }
}
