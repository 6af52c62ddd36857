//! Numbers of documents: the one form under which they are stored, compared and indexed.

use unicode_normalization::UnicodeNormalization;

use super::NumberRule;
use crate::name::digits;

/// Why a document number was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// Nothing was typed.
    #[error("no number")]
    Empty,
    /// A character that such numbers do not have.
    #[error("character {0:?} is not part of such a number")]
    Character(char),
    /// Too short or too long; holds the bounds.
    #[error("expected {min} to {max} characters")]
    Length {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
}

/// Longest text looked at, whatever the rule.
const MAX_TYPED: usize = 200;

impl NumberRule {
    /// The stored form: upper case, Khmer digits as ASCII, no spaces, and no hyphens where the rule knows the form.
    pub fn normalise(self, typed: &str) -> Result<String, NumberError> {
        let (min, max) = self.bounds();
        let mut number = String::new();
        if typed.chars().count() > MAX_TYPED {
            return Err(NumberError::Length { min, max });
        }
        for c in digits::to_ascii(typed).nfc().flat_map(char::to_uppercase) {
            if c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{FEFF}') {
                continue;
            }
            match self {
                Self::Digits(_) | Self::Alphanumeric { .. } if c == '-' => {}
                Self::Digits(_) if c.is_ascii_digit() => number.push(c),
                Self::Alphanumeric { .. } if c.is_ascii_alphanumeric() => number.push(c),
                Self::Free { .. } if free(c) => number.push(c),
                _ => return Err(NumberError::Character(c)),
            }
        }
        let length = number.chars().count();
        if length == 0 {
            Err(NumberError::Empty)
        } else if length < min || length > max {
            Err(NumberError::Length { min, max })
        } else {
            Ok(number)
        }
    }

    fn bounds(self) -> (usize, usize) {
        match self {
            Self::Digits(exactly) => (exactly, exactly),
            Self::Alphanumeric { min, max } | Self::Free { min, max } => (min, max),
        }
    }
}

fn free(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '/' | '-' | '.')
        || matches!(c, '\u{1780}'..='\u{17A2}' | '\u{17A5}'..='\u{17B3}' | '\u{17B6}'..='\u{17D2}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_form_for_all_typings() {
        let card = NumberRule::Digits(9);
        for typed in [
            "123456789",
            "123 456 789",
            "១២៣៤៥៦៧៨៩",
            "123-456-789",
            "123\u{200B}456789",
        ] {
            assert_eq!(card.normalise(typed).unwrap(), "123456789");
        }
        assert_eq!(
            card.normalise("12345678"),
            Err(NumberError::Length { min: 9, max: 9 })
        );
        assert_eq!(
            card.normalise("12345678A"),
            Err(NumberError::Character('A'))
        );
        assert_eq!(card.normalise("  "), Err(NumberError::Empty));
        let passport = NumberRule::Alphanumeric { min: 5, max: 20 };
        assert_eq!(passport.normalise("n1234 5678").unwrap(), "N12345678");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(typed in "[0-9a-zក-អ/. -]{0,40}") {
            let rule = NumberRule::Free { min: 3, max: 40 };
            if let Ok(once) = rule.normalise(&typed) {
                prop_assert_eq!(rule.normalise(&once).unwrap(), once);
            }
        }
    }
}
