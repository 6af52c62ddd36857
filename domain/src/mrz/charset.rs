//! The characters of a zone and its check digits (ICAO 9303-3 §4.9).

use super::{MrzError, MrzErrorKind};

/// Most lines looked at.
const MAX_LINES: usize = 6;

/// Refuses anything but `A`-`Z`, `0`-`9` and `<`, naming line and column.
pub(super) fn check(lines: &[&str]) -> Result<(), MrzError> {
    for (line, text) in lines.iter().take(MAX_LINES).enumerate() {
        let wrong = text
            .chars()
            .position(|c| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '<'));
        if let Some(column) = wrong {
            return Err(MrzError::at(
                MrzErrorKind::Character,
                line,
                column..column + 1,
            ));
        }
    }
    Ok(())
}

/// Value of a character for check digits: digits as they are, `A` = 10 to `Z` = 35, filler 0.
fn value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    }
}

/// Check digit over the bytes: weights 7, 3, 1 repeated, sum modulo 10, as an ASCII digit.
pub fn check_digit<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u8 {
    let sum: u32 = bytes
        .into_iter()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(byte, weight)| value(*byte) * weight % 10)
        .sum();
    // A remainder of ten always fits.
    b'0' + u8::try_from(sum % 10).unwrap_or_default()
}
