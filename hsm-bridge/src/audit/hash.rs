//! Hashes of lines, the name of a log, and what a witness holds; all written as lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes as lower-case hexadecimal digits.
pub(super) fn push_hex(to: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            to.extend(DIGITS.get(usize::from(digit)));
        }
    }
}

/// Reads exactly `N` bytes from lower-case hexadecimal digits.
pub(super) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = parse_hex_bytes(text)?;
    bytes.try_into().ok()
}

/// Reads bytes from lower-case hexadecimal digits.
pub(super) fn parse_hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect()
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The SHA-256 of a line, without its newline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// What the first line of a log names as the line before it.
    pub(super) const NONE: Self = Self([0; 32]);

    /// Hashes bytes: a line, or a file that a line tells of.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    /// The hash itself.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The name of a log: 16 random bytes drawn when it was made, so that no checkpoint fits two logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    /// Takes the 16 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// A place in a log that somebody else remembers: a sequence number and the hash of its line, written `SEQUENCE:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// The line's number.
    pub sequence: u64,
    /// The line's hash.
    pub hash: Hash,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Witness {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(sequence, hash)| {
                Some(Self {
                    sequence: sequence.parse().ok().filter(|number| *number > 0)?,
                    hash: Hash::parse(hash)?,
                })
            })
            .ok_or("a witness is a sequence number, ':' and 64 lower-case hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn witnesses_survive_text(sequence in 1..=u64::MAX, bytes: [u8; 32]) {
            let witness = Witness { sequence, hash: Hash(bytes) };
            prop_assert_eq!(witness.to_string().parse(), Ok(witness));
        }

        #[test]
        fn hexadecimal_has_one_notation(text in "[0-9a-fA-F:x ]{0,70}") {
            if let Some(bytes) = parse_hex_bytes(&text) {
                let mut again = Vec::new();
                push_hex(&mut again, &bytes);
                prop_assert_eq!(again, text.into_bytes());
            }
        }
    }

    #[test]
    fn slips_in_a_witness_are_refused() {
        let hash = "0".repeat(64);
        for slip in [
            "",
            ":",
            "5",
            "0:",
            &format!("0:{hash}"),
            &format!("-1:{hash}"),
            &format!("5:{hash}0"),
        ] {
            assert!(slip.parse::<Witness>().is_err(), "{slip}");
        }
    }
}
