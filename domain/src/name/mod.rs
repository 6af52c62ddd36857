//! Names of persons in Khmer and Latin letters: one stored form per name, nothing invisible, one script each.
//!
//! Khmer text may hold zero-width characters that mark word borders; they are dropped from the stored
//! form. Anything else that cannot be seen, or that mixes scripts (UTS #39), is refused.

pub mod digits;
pub mod khmer;
pub mod latin;

use serde::{Deserialize, Serialize};

/// A family name and given names; given names may be empty where a person has one name only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameParts {
    /// Family name.
    pub family: String,
    /// Given names, separated by a space.
    pub given: String,
}

impl NameParts {
    /// The whole name, family name first as it is written in Cambodia.
    pub fn full(&self) -> String {
        if self.given.is_empty() {
            self.family.clone()
        } else {
            format!("{} {}", self.family, self.given)
        }
    }
}

/// The stored form of a registered name of a legal entity, which may mix letters, digits and signs.
pub fn registered(input: &str) -> Result<String, NameError> {
    tidy(input)
}

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing visible was typed.
    #[error("empty")]
    Empty,
    /// Longer than [`MAX_LENGTH`] characters.
    #[error("too long")]
    TooLong,
    /// A character of another script, a digit or a sign.
    #[error("character {0:?} does not belong in this name")]
    Character(char),
    /// A character that cannot be seen and has no place in a name.
    #[error("invisible character U+{:04X}", *.0 as u32)]
    Invisible(char),
    /// Khmer signs in an order that cannot be written or read.
    #[error("sign {0:?} has nothing to stand on")]
    Order(char),
}

impl NameError {
    /// The last part of a text key for this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too-long",
            Self::Character(_) => "character",
            Self::Invisible(_) => "invisible",
            Self::Order(_) => "order",
        }
    }
}

/// Longest name in characters.
pub const MAX_LENGTH: usize = 100;

/// Zero-width space, non-joiner, joiner, word joiner and byte-order mark: word borders in Khmer typing.
fn is_word_border(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Characters that show nothing and may change how text reads: controls, bidi marks, fillers, tags.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2061}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// Composes (NFC), drops word borders, makes one space of each run of spaces, refuses the invisible.
fn tidy(input: &str) -> Result<String, NameError> {
    use unicode_normalization::UnicodeNormalization;

    // Four times the limit leaves room for what tidying removes; beyond it nothing is worth composing.
    if input.chars().count() > MAX_LENGTH * 4 {
        return Err(NameError::TooLong);
    }
    let mut text = String::with_capacity(input.len());
    for c in input.nfc() {
        if is_word_border(c) {
            continue;
        }
        if c.is_whitespace() {
            if !text.is_empty() && !text.ends_with(' ') {
                text.push(' ');
            }
            continue;
        }
        if is_invisible(c) {
            return Err(NameError::Invisible(c));
        }
        text.push(c);
    }
    let text = text.trim_end().to_owned();
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.chars().count() > MAX_LENGTH {
        return Err(NameError::TooLong);
    }
    Ok(text)
}
