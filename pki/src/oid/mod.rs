//! Object identifiers of any arc.
//!
//! `const-oid` stops at second arcs of 39 and at numbers of 32 bits, so it can read neither the example
//! arc 2.999 nor UUID arcs below 2.25. Certificate and time-stamp policies may lie there; this type holds them.

mod policies;

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::{DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer};
use serde::{Deserialize, Serialize};

pub use policies::{CertificatePolicies, PolicyInformation, PolicyMapping, PolicyMappings};

/// Longest encoding that is accepted, in octets.
pub const MAX_OCTETS: usize = 64;
const SECOND_ARCS: u128 = 40;
const MORE: u8 = 0x80;

/// An object identifier, held as its encoding (X.690 §8.19).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(Vec<u8>);

/// Text or octets that are no object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object identifier, or too long a one")]
pub struct OidError;

impl Oid {
    /// anyPolicy (RFC 5280 §4.2.1.4).
    pub fn any_policy() -> Self {
        Self::from(crate::extension::ANY_POLICY)
    }

    /// An identifier that is known to be well-formed.
    pub(crate) fn known(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }

    /// Takes the content octets of an encoding, which must be minimal (X.690 §8.19.2).
    pub fn from_bytes(octets: &[u8]) -> Result<Self, OidError> {
        let complete = octets.last().is_some_and(|last| last & MORE == 0);
        let mut starts = true;
        let minimal = octets.iter().all(|octet| {
            let padded = starts && *octet == MORE;
            starts = octet & MORE == 0;
            !padded
        });
        let oid = Self(octets.to_vec());
        let fits = octets.len() <= MAX_OCTETS && oid.numbers().is_some();
        if complete && minimal && fits {
            Ok(oid)
        } else {
            Err(OidError)
        }
    }

    /// The content octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The identifier one arc below.
    pub fn child(&self, number: u32) -> Result<Self, OidError> {
        let mut octets = self.0.clone();
        push_base128(&mut octets, u128::from(number));
        if octets.len() > MAX_OCTETS {
            Err(OidError)
        } else {
            Ok(Self(octets))
        }
    }

    /// The numbers below the first two, which share one; `None` if one exceeds 128 bits.
    fn numbers(&self) -> Option<Vec<u128>> {
        let mut numbers = Vec::new();
        let mut current: u128 = 0;
        for octet in &self.0 {
            current = current.checked_mul(128)? | u128::from(octet & !MORE);
            if octet & MORE == 0 {
                numbers.push(current);
                current = 0;
            }
        }
        Some(numbers)
    }
}

fn push_base128(octets: &mut Vec<u8>, number: u128) {
    let groups = (u128::BITS - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = u8::try_from((number >> (7 * group)) & 0x7f).unwrap_or_default();
        octets.push(if group == 0 { bits } else { bits | MORE });
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers().unwrap_or_default();
        let Some((joint, rest)) = numbers.split_first() else {
            return Ok(());
        };
        let first = (joint / SECOND_ARCS).min(2);
        write!(f, "{first}.{}", joint - first * SECOND_ARCS)?;
        rest.iter().try_for_each(|number| write!(f, ".{number}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        let number = |part: &str| {
            let plain = part.bytes().all(|digit| digit.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            if plain {
                part.parse::<u128>().map_err(|_| OidError)
            } else {
                Err(OidError)
            }
        };
        let mut parts = text.split('.');
        let first = number(parts.next().unwrap_or_default())?;
        let second = number(parts.next().ok_or(OidError)?)?;
        if first > 2 || (first < 2 && second >= SECOND_ARCS) {
            return Err(OidError);
        }
        let joint = second.checked_add(first * SECOND_ARCS).ok_or(OidError)?;
        let mut octets = Vec::new();
        push_base128(&mut octets, joint);
        for part in parts {
            push_base128(&mut octets, number(part)?);
            if octets.len() > MAX_OCTETS {
                return Err(OidError);
            }
        }
        Self::from_bytes(&octets)
    }
}

impl TryFrom<String> for Oid {
    type Error = OidError;

    fn try_from(text: String) -> Result<Self, OidError> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.to_string()
    }
}

impl From<ObjectIdentifier> for Oid {
    fn from(oid: ObjectIdentifier) -> Self {
        Self(oid.as_bytes().to_vec())
    }
}

impl FixedTag for Oid {
    const TAG: Tag = Tag::ObjectIdentifier;
}

impl EncodeValue for Oid {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.0)
    }
}

impl<'a> DecodeValue<'a> for Oid {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let octets = reader.read_vec(header.length())?;
        Self::from_bytes(&octets).map_err(|_| Tag::ObjectIdentifier.value_error().into())
    }
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn high_arcs_have_their_standard_encoding() {
        let oid: Oid = "2.999.1.1.2".parse().unwrap();
        assert_eq!(oid.to_der().unwrap(), [6, 5, 0x88, 0x37, 1, 1, 2]);
        assert_eq!(oid.to_string(), "2.999.1.1.2");
        let uuid: Oid = "2.25.340282366920938463463374607431768211375"
            .parse()
            .unwrap();
        assert_eq!(Oid::from_der(&uuid.to_der().unwrap()).unwrap(), uuid);
    }

    #[test]
    fn malformed_identifiers_are_refused() {
        for bad in [
            "", "1", "3.1", "1.40", "1.2.", "1.02", "1.-2", "a.b", "1.2.a",
        ] {
            assert_eq!(bad.parse::<Oid>(), Err(OidError), "{bad}");
        }
        for bad in [&[][..], &[0x80, 1], &[42, 0x80, 1], &[42, 0x81]] {
            assert_eq!(Oid::from_bytes(bad), Err(OidError));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_const_oid_where_both_can(arcs in proptest::collection::vec(any::<u32>(), 1..6), first in 0_u32..=2, second in 0_u32..40) {
            let text = arcs.iter().fold(format!("{first}.{second}"), |text, arc| format!("{text}.{arc}"));
            let ours: Oid = text.parse().unwrap();
            let theirs = ObjectIdentifier::new(&text).unwrap();
            prop_assert_eq!(ours.as_bytes(), theirs.as_bytes());
            prop_assert_eq!(ours.to_string(), text);
        }

        #[test]
        fn parsing_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..80), text in "[0-9.]{0,90}") {
            if let Ok(oid) = Oid::from_bytes(&octets) {
                prop_assert_eq!(oid.to_string().parse::<Oid>().unwrap(), oid);
            }
            let _ = text.parse::<Oid>();
        }
    }
}
