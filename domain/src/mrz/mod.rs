//! The machine-readable zone of travel documents (ICAO Doc 9303 parts 3 to 6): TD1, TD2 and TD3.
//!
//! [`parse`] is strict: upper case, exact lengths, every check digit right. [`tidy`] offers what a person who typed
//! the zone probably meant; it repairs spelling of the form only, never a character of the data.

mod charset;
mod date;
mod error;
mod fields;
mod layout;
mod write;

pub use charset::check_digit;
pub use error::{MrzError, MrzErrorKind};
pub use layout::Format;
pub use write::{Draft, write};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    name::NameParts,
    person::{PartialDate, Sex},
};

/// A zone whose every check digit is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mrz {
    /// Which of the three sizes.
    pub format: Format,
    /// Document code, one or two characters ("ID", "P").
    pub code: String,
    /// Issuing state or organisation: three-letter code, or the shorter one of ICAO 9303-3 §5 ("D").
    pub issuer: String,
    /// Document number without fillers.
    pub number: String,
    /// Nationality, coded as the issuer.
    pub nationality: String,
    /// Birth date as far as the document knows it; `None` where it knows nothing.
    pub birth_date: Option<PartialDate>,
    /// Sex.
    pub sex: Sex,
    /// Last day of validity; `None` where the document has none.
    pub expires_on: Option<Date>,
    /// Names; `given` is empty where the document has one name only.
    pub name: NameParts,
    /// The names field is full, so the end of the name may be cut off.
    pub truncated: bool,
    /// Optional data elements without fillers, in order.
    pub optional: String,
    /// How many check digits were there and right.
    pub check_digits: u8,
}

/// Longest text looked at.
const MAX_TEXT: usize = 400;

/// Reads a zone. `today` places two-digit years in a century: a birth is not in the future, an expiry within 50 years.
pub fn parse<S: AsRef<str>>(lines: &[S], today: Date) -> Result<Mrz, MrzError> {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    charset::check(&lines)?;
    let format = layout::detect(&lines)?;
    fields::read(format, &lines, today)
}

/// Reads a zone from text with one line of the zone per line of text; blank lines are skipped.
pub fn parse_text(text: &str, today: Date) -> Result<Mrz, MrzError> {
    if text.len() > MAX_TEXT {
        return Err(MrzError::of(MrzErrorKind::Length));
    }
    let lines: Vec<&str> = text
        .split(['\n', '\r'])
        .filter(|line| !line.trim().is_empty())
        .collect();
    parse(&lines, today)
}

/// What a typed zone probably meant: upper case, no spaces, `«` and `‹` as fillers, Khmer digits as digits, a single
/// run of characters cut into lines. The result may still be wrong; [`parse_text`] decides.
pub fn tidy(typed: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in typed
        .chars()
        .take(MAX_TEXT)
        .collect::<String>()
        .split(['\n', '\r'])
    {
        let mut tidy = String::new();
        for c in crate::name::digits::to_ascii(line).chars() {
            match c {
                '«' | '≪' | '《' => tidy.push_str("<<"),
                '‹' | '〈' | '＜' => tidy.push('<'),
                c if c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{FEFF}') => {}
                c => tidy.extend(c.to_uppercase()),
            }
        }
        if !tidy.is_empty() {
            lines.push(tidy);
        }
    }
    if let [only] = lines.as_slice() {
        let width = Format::ALL
            .into_iter()
            .find(|format| only.chars().count() == format.lines() * format.width())
            .map(Format::width);
        if let Some(width) = width {
            let all: Vec<char> = only.chars().collect();
            lines = all
                .chunks(width)
                .map(|chunk| chunk.iter().collect())
                .collect();
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
