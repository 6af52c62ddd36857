//! The languages people are spoken to in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language of pages and messages; Khmer is the language of the state and therefore the default.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// Khmer.
    #[default]
    Km,
    /// English.
    En,
}

/// A language tag that names no language we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown language")]
pub struct UnknownLocale;

impl Locale {
    /// Every language, in the order they are offered.
    pub const ALL: [Self; 2] = [Self::Km, Self::En];

    /// The primary language subtag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Km => "km",
            Self::En => "en",
        }
    }

    /// The first language we speak among space-separated tags in order of preference (`ui_locales`, OpenID Connect
    /// Core §3.1.2.1).
    pub fn first_known(tags: &str) -> Option<Self> {
        tags.split_ascii_whitespace()
            .find_map(|tag| tag.parse().ok())
    }

    /// The best language for an `Accept-Language` value (RFC 9110 §12.5.4); `None` when it names none of ours.
    ///
    /// The highest quality wins, the earlier of equals; quality 0 means "not acceptable".
    pub fn negotiate(accept_language: &str) -> Option<Self> {
        let mut best: Option<(u32, Self)> = None;
        for item in accept_language.split(',') {
            let mut parts = item.split(';');
            let Some(Ok(locale)) = parts.next().map(|tag| tag.trim().parse::<Self>()) else {
                continue;
            };
            let quality = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(QUALITY_MAX), parse_quality)
                .unwrap_or(0);
            if quality > 0 && best.is_none_or(|(top, _)| quality > top) {
                best = Some((quality, locale));
            }
        }
        best.map(|(_, locale)| locale)
    }
}

/// `q=1` in thousandths.
const QUALITY_MAX: u32 = 1000;

/// A quality value in thousandths (RFC 9110 §12.4.2).
fn parse_quality(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse::<u32>().ok()?;
    match whole {
        "1" if thousandths == 0 => Some(QUALITY_MAX),
        "0" => Some(thousandths),
        _ => None,
    }
}

impl FromStr for Locale {
    type Err = UnknownLocale;

    fn from_str(tag: &str) -> Result<Self, Self::Err> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|locale| primary.eq_ignore_ascii_case(locale.tag()))
            .ok_or(UnknownLocale)
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation_follows_quality_then_order() {
        for (header, expected) in [
            ("km", Some(Locale::Km)),
            ("en-GB,en;q=0.9,km;q=0.8", Some(Locale::En)),
            ("fr, km;q=0.5, en;q=0.7", Some(Locale::En)),
            ("en;q=0.5, km;q=0.5", Some(Locale::En)),
            ("en;q=0, km;q=0.001", Some(Locale::Km)),
            ("en;q=1.5", None),
            ("fr-CH, de;q=0.9", None),
            ("", None),
            (";;;,,,", None),
        ] {
            assert_eq!(Locale::negotiate(header), expected, "{header}");
        }
    }

    #[test]
    fn ui_locales_take_the_first_known() {
        assert_eq!(Locale::first_known("fr-CA km-KH en"), Some(Locale::Km));
        assert_eq!(Locale::first_known("fr"), None);
    }

    #[test]
    fn tags_round_trip() {
        for locale in Locale::ALL {
            assert_eq!(locale.tag().parse(), Ok(locale));
        }
        assert_eq!("xx".parse::<Locale>(), Err(UnknownLocale));
    }
}
