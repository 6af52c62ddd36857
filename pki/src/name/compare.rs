//! Name comparison (RFC 5280 §7.1): strings are compared after a simplified RFC 4518 preparation.

use der::asn1::Any;
use der::{Tag, Tagged};
use unicode_normalization::UnicodeNormalization;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RelativeDistinguishedName};

/// Whether two names are the same name.
pub fn matches(left: &Name, right: &Name) -> bool {
    left.len() == right.len() && is_within(left, right)
}

/// Whether `name` lies in the subtree that starts at `base` (RFC 5280 §4.2.1.10, directoryName).
pub fn is_within(name: &Name, base: &Name) -> bool {
    name.len() >= base.len()
        && name
            .iter_rdn()
            .zip(base.iter_rdn())
            .all(|(left, right)| rdn_matches(left, right))
}

fn rdn_matches(left: &RelativeDistinguishedName, right: &RelativeDistinguishedName) -> bool {
    left.as_ref().len() == right.as_ref().len()
        && left.as_ref().iter().all(|one| {
            right
                .as_ref()
                .iter()
                .any(|other| attribute_matches(one, other))
        })
}

fn attribute_matches(left: &AttributeTypeAndValue, right: &AttributeTypeAndValue) -> bool {
    if left.oid != right.oid {
        return false;
    }
    match (prepared(&left.value), prepared(&right.value)) {
        (Some(left), Some(right)) => left == right,
        _ => left.value == right.value,
    }
}

/// Folds case, normalises (NFKC) and squeezes white space; `None` for types compared as octets.
fn prepared(value: &Any) -> Option<String> {
    let text = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            std::str::from_utf8(value.value()).ok()?.to_owned()
        }
        Tag::TeletexString => value
            .value()
            .iter()
            .map(|octet| char::from(*octet))
            .collect(),
        Tag::BmpString => {
            let units = value
                .value()
                .chunks(2)
                .map(|pair| <[u8; 2]>::try_from(pair).map(u16::from_be_bytes))
                .collect::<Result<Vec<_>, _>>()
                .ok()?;
            String::from_utf16(&units).ok()?
        }
        _ => return None,
    };
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    Some(folded.split_whitespace().collect::<Vec<_>>().join(" "))
}
