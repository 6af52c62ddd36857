//! A text in both languages of the pages.

use serde::{Deserialize, Serialize};

/// One text in Khmer and in English; both are always present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Khmer.
    pub km: String,
    /// English.
    pub en: String,
}

impl Bilingual {
    /// The text for a BCP 47 language; Khmer for `km`, English otherwise.
    pub fn in_language(&self, language: &str) -> &str {
        if language == "km" { &self.km } else { &self.en }
    }

    /// Whether both texts are non-empty, at most `max` characters long and free of control characters.
    pub fn is_presentable(&self, max: usize) -> bool {
        [&self.km, &self.en].iter().all(|text| {
            !text.trim().is_empty()
                && text.chars().count() <= max
                && !text.chars().any(char::is_control)
        })
    }
}
