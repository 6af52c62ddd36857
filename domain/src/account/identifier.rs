//! What people type to say whose account they mean: an e-mail address or a telephone number.
//!
//! Two spellings of one address must give one normal form, because the look-up goes through a keyed hash of it.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use super::{Channel, UnknownWord};

/// Longest e-mail address (RFC 5321 §4.5.3.1).
const EMAIL_MAX: usize = 254;
/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL_PART_MAX: usize = 64;
/// Digits of an international number without the plus (ITU-T E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Country code put before a number written the national way.
const COUNTRY_CODE: &str = "855";
/// Characters people put between digits.
const PHONE_SEPARATORS: [char; 8] = [' ', '-', '.', '(', ')', '/', '\u{a0}', '\u{200b}'];
/// First and last Khmer digit.
const KHMER_DIGITS: std::ops::RangeInclusive<char> = '\u{17e0}'..='\u{17e9}';

/// The two kinds of identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
}

impl IdentifierKind {
    /// The stored word, also the kind under which the keyed hash is computed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// How a message reaches such an identifier.
    pub const fn channel(self) -> Channel {
        match self {
            Self::Email => Channel::Email,
            Self::Phone => Channel::Sms,
        }
    }
}

impl FromStr for IdentifierKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "email" => Ok(Self::Email),
            "phone" => Ok(Self::Phone),
            _ => Err(UnknownWord {
                kind: "identifier kind",
                word: word.to_owned(),
            }),
        }
    }
}

/// An e-mail address or telephone number in its one normal form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    normalised: String,
}

/// Neither an e-mail address nor a telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an e-mail address nor a telephone number")]
pub struct NotAnIdentifier;

impl Identifier {
    /// Reads what a person typed; Khmer digits, spaces and the national way to write a number are understood.
    pub fn parse(text: &str) -> Result<Self, NotAnIdentifier> {
        let text: String = text.trim().nfkc().map(ascii_digit).collect();
        if text.contains('@') {
            Self::parse_email(&text)
        } else {
            Self::parse_phone(&text)
        }
    }

    /// Reads an e-mail address; it is compared without regard to case.
    pub fn parse_email(text: &str) -> Result<Self, NotAnIdentifier> {
        let text = text.trim();
        let (local, host) = text.rsplit_once('@').ok_or(NotAnIdentifier)?;
        let plain = |c: char| c.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(c);
        let dotted = |part: &str| !part.is_empty() && !part.split('.').any(str::is_empty);
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let sound = text.len() <= EMAIL_MAX
            && local.len() <= LOCAL_PART_MAX
            && dotted(local)
            && local.chars().all(plain)
            && host.contains('.')
            && host.split('.').all(label);
        if !sound {
            return Err(NotAnIdentifier);
        }
        Ok(Self {
            kind: IdentifierKind::Email,
            normalised: text.to_ascii_lowercase(),
        })
    }

    /// Reads a telephone number into E.164 form with a plus sign; a leading zero means Cambodia.
    pub fn parse_phone(text: &str) -> Result<Self, NotAnIdentifier> {
        let compact: String = text
            .trim()
            .chars()
            .map(ascii_digit)
            .filter(|c| !PHONE_SEPARATORS.contains(c))
            .collect();
        let (international, digits) = match compact.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => match compact.strip_prefix("00") {
                Some(rest) => (true, rest),
                None => (compact.starts_with(COUNTRY_CODE), compact.as_str()),
            },
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnIdentifier);
        }
        let full = if international {
            match digits.strip_prefix(COUNTRY_CODE) {
                Some(national) => format!("{COUNTRY_CODE}{}", national.trim_start_matches('0')),
                None => digits.to_owned(),
            }
        } else {
            let national = digits.strip_prefix('0').ok_or(NotAnIdentifier)?;
            format!("{COUNTRY_CODE}{national}")
        };
        if !PHONE_DIGITS.contains(&full.len()) || full.starts_with('0') {
            return Err(NotAnIdentifier);
        }
        Ok(Self {
            kind: IdentifierKind::Phone,
            normalised: format!("+{full}"),
        })
    }

    /// Which kind it is.
    pub const fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The normal form: personal data, for sealing, hashing and sending only.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// A form that reminds its owner and tells nobody else: `s•••@example.kh`, `•••• 678`.
    pub fn masked(&self) -> String {
        match self.kind {
            IdentifierKind::Email => {
                let (local, host) = self.normalised.rsplit_once('@').unwrap_or_default();
                let first: String = local.chars().take(1).collect();
                format!("{first}•••@{host}")
            }
            IdentifierKind::Phone => {
                let tail: String = self.normalised.chars().rev().take(3).collect();
                format!("•••• {}", tail.chars().rev().collect::<String>())
            }
        }
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({})", self.masked())
    }
}

/// The ASCII digit for a Khmer one; anything else unchanged.
fn ascii_digit(c: char) -> char {
    if KHMER_DIGITS.contains(&c) {
        let value = u32::from(c) - u32::from(*KHMER_DIGITS.start());
        char::from_digit(value, 10).unwrap_or(c)
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_number_meet() {
        for text in [
            "012 345 678",
            "០១២ ៣៤៥ ៦៧៨",
            "+855 12-345-678",
            "0085512345678",
            "85512345678",
            "+855012345678",
        ] {
            assert_eq!(
                Identifier::parse(text).unwrap().normalised(),
                "+85512345678",
                "{text}"
            );
        }
        assert_eq!(
            Identifier::parse("+33 1 23 45 67 89").unwrap().normalised(),
            "+33123456789"
        );
    }

    #[test]
    fn addresses_are_lower_case_and_plain() {
        let address = Identifier::parse(" Sok.Dara@Example.KH ").unwrap();
        assert_eq!(address.normalised(), "sok.dara@example.kh");
        assert_eq!(address.masked(), "s•••@example.kh");
        for wrong in [
            "a@b",
            "a b@c.kh",
            "@c.kh",
            "a@-c.kh",
            "a@c..kh",
            "a\r\nBcc:x@c.kh",
            "a@c.kh,b@c.kh",
            "ខ្មែរ@c.kh",
        ] {
            assert_eq!(Identifier::parse(wrong), Err(NotAnIdentifier), "{wrong}");
        }
    }

    #[test]
    fn nonsense_is_neither() {
        for wrong in [
            "",
            "12345",
            "12345678",
            "+0123456789",
            "+1234567890123456",
            "sok dara",
        ] {
            assert_eq!(Identifier::parse(wrong), Err(NotAnIdentifier), "{wrong}");
        }
    }

    #[test]
    fn debug_output_hides_the_value() {
        let shown = format!("{:?}", Identifier::parse("012345678").unwrap());
        assert!(!shown.contains("12345"), "{shown}");
    }

    proptest! {
        #[test]
        fn normal_forms_are_fixed_points(text in "[ -~០-៩]{0,40}") {
            if let Ok(identifier) = Identifier::parse(&text) {
                let again = Identifier::parse(identifier.normalised()).unwrap();
                prop_assert_eq!(again, identifier);
            }
        }

        #[test]
        fn anything_is_answered(text in any::<String>()) {
            let _ = Identifier::parse(&text);
        }
    }
}
