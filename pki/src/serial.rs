//! Serial numbers: unpredictable, unique, and short enough for every client.
//!
//! Ours are 17 to 20 octets: a hint octet (0x01-0x7f) that keeps the INTEGER positive and names
//! issuer and shard at a glance, then at least 16 random octets. Foreign ones are parsed as they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest serial number that RFC 5280 §4.1.2.2 allows, in octets.
pub const MAX_OCTETS: usize = 20;
/// Fewest random octets behind the hint.
pub const MIN_RANDOM_OCTETS: usize = 16;
const MAX_HINT: u8 = 0x7f;

/// A positive serial number (RFC 5280 §4.1.2.2), ordered by its numeric value.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SerialNumber {
    /// Big endian, without leading zero octets, 1 to 20 of them.
    octets: Vec<u8>,
}

/// Why octets are no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerialError {
    /// The hint is outside 0x01-0x7f.
    #[error("the first octet of a serial number is 0x01 to 0x7f")]
    Hint,
    /// Too few random octets, or none at all.
    #[error("a serial number has 1 to 20 octets, ours 16 to 19 random ones behind the hint")]
    Length,
    /// Zero or negative.
    #[error("a serial number is positive")]
    NotPositive,
    /// Not lower-case hexadecimal digits in pairs.
    #[error("a serial number is written in lower-case hexadecimal")]
    Hexadecimal,
}

impl SerialNumber {
    /// Makes one of ours from a hint (0x01-0x7f) and 16 to 19 octets that came from a random source.
    pub fn new(hint: u8, random: &[u8]) -> Result<Self, SerialError> {
        if hint == 0 || hint > MAX_HINT {
            return Err(SerialError::Hint);
        }
        if !(MIN_RANDOM_OCTETS..MAX_OCTETS).contains(&random.len()) {
            return Err(SerialError::Length);
        }
        let mut octets = Vec::with_capacity(1 + random.len());
        octets.push(hint);
        octets.extend_from_slice(random);
        Ok(Self { octets })
    }

    /// Parses the content octets of an INTEGER, or the same with leading zeros cut off by a decoder.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let start = bytes
            .iter()
            .position(|octet| *octet != 0)
            .ok_or(SerialError::NotPositive)?;
        let octets = bytes.get(start..).unwrap_or_default();
        if octets.len() > MAX_OCTETS {
            return Err(SerialError::Length);
        }
        Ok(Self {
            octets: octets.to_vec(),
        })
    }

    /// Big-endian value without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Whether the number has the shape of those that [`SerialNumber::new`] makes.
    pub fn is_ours(&self) -> bool {
        self.octets.len() > MIN_RANDOM_OCTETS
            && self.octets.first().is_some_and(|hint| *hint <= MAX_HINT)
    }

    /// The same number as `x509-cert` has it; its content octets never exceed 20.
    pub fn to_x509(&self) -> der::Result<x509_cert::serial_number::SerialNumber> {
        x509_cert::serial_number::SerialNumber::new(&self.octets)
    }

    /// The CRL shard of the number: its first four octets modulo `count`.
    pub fn shard(&self, count: std::num::NonZeroU16) -> u16 {
        let head = self
            .octets
            .iter()
            .take(4)
            .fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet));
        u16::try_from(head % u32::from(count.get())).unwrap_or_default()
    }
}

impl PartialOrd for SerialNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SerialNumber {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.octets.len(), &self.octets).cmp(&(other.octets.len(), &other.octets))
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octets
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        if !text.len().is_multiple_of(2) || text.len() > 2 * MAX_OCTETS {
            return Err(SerialError::Length);
        }
        if text
            .bytes()
            .any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(SerialError::Hexadecimal);
        }
        let octets = (0..text.len())
            .step_by(2)
            .map(|at| {
                text.get(at..at + 2)
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or(SerialError::Hexadecimal)?;
        if octets.first() == Some(&0) {
            return Err(SerialError::NotPositive);
        }
        Self::from_bytes(&octets)
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = SerialError;

    fn try_from(text: String) -> Result<Self, SerialError> {
        text.parse()
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

impl TryFrom<&x509_cert::serial_number::SerialNumber> for SerialNumber {
    type Error = SerialError;

    fn try_from(serial: &x509_cert::serial_number::SerialNumber) -> Result<Self, SerialError> {
        // `Int` keeps the sign bit in front: a set bit means that the issuer wrote a negative number.
        if serial
            .as_bytes()
            .first()
            .is_some_and(|octet| octet & 0x80 != 0)
        {
            return Err(SerialError::NotPositive);
        }
        Self::from_bytes(serial.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ours_need_a_hint_and_sixteen_random_octets() {
        assert_eq!(SerialNumber::new(0, &[1; 16]), Err(SerialError::Hint));
        assert_eq!(SerialNumber::new(0x80, &[1; 16]), Err(SerialError::Hint));
        assert_eq!(SerialNumber::new(1, &[1; 15]), Err(SerialError::Length));
        assert_eq!(SerialNumber::new(1, &[1; 20]), Err(SerialError::Length));
        assert!(SerialNumber::new(0x7f, &[0xff; 19]).unwrap().is_ours());
    }

    #[test]
    fn numbers_sort_by_value_not_by_text() {
        let small: SerialNumber = "ff".parse().unwrap();
        let large: SerialNumber = "1000".parse().unwrap();
        assert!(small < large);
    }

    proptest! {
        #[test]
        fn text_and_der_round_trip(hint in 1_u8..=0x7f, random in proptest::collection::vec(any::<u8>(), 16..=19)) {
            let serial = SerialNumber::new(hint, &random).unwrap();
            prop_assert_eq!(&serial.to_string().parse::<SerialNumber>().unwrap(), &serial);
            prop_assert_eq!(&SerialNumber::try_from(&serial.to_x509().unwrap()).unwrap(), &serial);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,50}", bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = text.parse::<SerialNumber>();
            let _ = SerialNumber::from_bytes(&bytes);
        }
    }
}
