//! Extensions and the few of them that are read.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::TbsError;
use super::fields::well_formed;

/// More extensions than this are not honest.
const MAX_EXTENSIONS: usize = 32;

const KEY_CERT_SIGN: u8 = 0x04;
const CRL_SIGN: u8 = 0x02;

/// One extension (RFC 5280 §4.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Extension<'a> {
    pub(super) id: ObjectIdentifier,
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

/// basicConstraints (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BasicConstraints {
    pub(super) authority: bool,
    pub(super) path_length: Option<u8>,
}

/// The bits of keyUsage that only authorities have (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SigningUsage {
    pub(super) certificates: bool,
    pub(super) lists: bool,
}

/// Reads Extensions: at least one, none twice, every value well-formed.
pub(super) fn extensions(value: AnyRef<'_>) -> Result<Vec<Extension<'_>>, TbsError> {
    let mut found: Vec<Extension<'_>> = Vec::new();
    value.sequence(|reader| {
        while !reader.is_finished() {
            let next = AnyRef::decode(reader)?.sequence(one)?;
            if found.iter().any(|extension| extension.id == next.id) {
                return Err(TbsError::Duplicate);
            }
            if found.len() == MAX_EXTENSIONS {
                return Err(TbsError::TooLong("extensions"));
            }
            found.push(next);
        }
        Ok(())
    })?;
    if found.is_empty() {
        return Err(TbsError::Malformed("no extension in the list of them"));
    }
    Ok(found)
}

fn one<'a>(reader: &mut SliceReader<'a>) -> Result<Extension<'a>, TbsError> {
    const WRONG: TbsError = TbsError::Malformed("extension");
    let id = reader.decode::<ObjectIdentifier>().map_err(|_| WRONG)?;
    let mut value = AnyRef::decode(reader)?;
    let mut critical = false;
    if value.tag() == Tag::Boolean {
        // FALSE is the default, which DER leaves out (X.690 §11.5).
        critical = value.decode_as::<bool>().map_err(|_| WRONG)?;
        if !critical {
            return Err(WRONG);
        }
        value = AnyRef::decode(reader)?;
    }
    if value.tag() != Tag::OctetString || value.value().is_empty() {
        return Err(WRONG);
    }
    well_formed(value.value()).map_err(|_| WRONG)?;
    Ok(Extension {
        id,
        critical,
        value: value.value(),
    })
}

/// The extension of that kind.
pub(super) fn find<'a, 'b>(
    extensions: &'b [Extension<'a>],
    id: ObjectIdentifier,
) -> Option<&'b Extension<'a>> {
    extensions.iter().find(|extension| extension.id == id)
}

/// Reads basicConstraints; a path length without an authority is refused, as RFC 5280 §4.2.1.9 forbids it.
pub(super) fn basic_constraints(value: &[u8]) -> Result<BasicConstraints, TbsError> {
    const WRONG: TbsError = TbsError::Malformed("basicConstraints");
    let read = |reader: &mut SliceReader<'_>| -> Result<BasicConstraints, der::Error> {
        let mut constraints = BasicConstraints::default();
        if !reader.is_finished() {
            constraints.authority = reader.decode()?;
        }
        if !reader.is_finished() {
            constraints.path_length = Some(reader.decode()?);
        }
        Ok(constraints)
    };
    let any = AnyRef::from_der(value).map_err(|_| WRONG)?;
    let constraints = any.sequence(read).map_err(|_| WRONG)?;
    // A FALSE that is written out is not DER.
    if !any.value().is_empty() && !constraints.authority {
        return Err(WRONG);
    }
    Ok(constraints)
}

/// Reads keyUsage for its two signing bits.
pub(super) fn signing_usage(value: &[u8]) -> Result<SigningUsage, TbsError> {
    let bits = BitStringRef::from_der(value).map_err(|_| TbsError::Malformed("keyUsage"))?;
    let first = bits.raw_bytes().first().copied().unwrap_or(0);
    Ok(SigningUsage {
        certificates: first & KEY_CERT_SIGN != 0,
        lists: first & CRL_SIGN != 0,
    })
}

/// Reads extKeyUsage: at least one purpose.
pub(super) fn purposes(value: &[u8]) -> Result<Vec<ObjectIdentifier>, TbsError> {
    const WRONG: TbsError = TbsError::Malformed("extKeyUsage");
    let purposes: Vec<ObjectIdentifier> = Vec::from_der(value).map_err(|_| WRONG)?;
    if purposes.is_empty() {
        return Err(WRONG);
    }
    Ok(purposes)
}

/// Whether an issuingDistributionPoint has indirectCRL (RFC 5280 §5.2.5).
pub(super) fn is_indirect(value: &[u8]) -> Result<bool, TbsError> {
    const WRONG: TbsError = TbsError::Malformed("issuingDistributionPoint");
    let mut indirect = false;
    AnyRef::from_der(value)
        .map_err(|_| WRONG)?
        .sequence(|reader| -> Result<(), TbsError> {
            while !reader.is_finished() {
                let part = AnyRef::decode(reader)?;
                indirect |= part.tag().number() == TagNumber(4);
            }
            Ok(())
        })
        .map_err(|_| WRONG)?;
    Ok(indirect)
}

/// Whether an authorityKeyIdentifier names a key by its identifier (RFC 5280 §5.2.1).
pub(super) fn names_key(value: &[u8]) -> bool {
    let first = AnyRef::from_der(value).and_then(|any| {
        let mut reader = SliceReader::new(any.value())?;
        AnyRef::decode(&mut reader)
    });
    first.is_ok_and(|first| {
        first.tag().is_context_specific()
            && !first.tag().is_constructed()
            && first.tag().number() == TagNumber(0)
            && !first.value().is_empty()
    })
}
