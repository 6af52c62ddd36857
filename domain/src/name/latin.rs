//! Names in Latin letters: the stored form, and the form a machine-readable zone can hold (ICAO 9303-3 §6).

use unicode_normalization::UnicodeNormalization;

use super::{NameError, tidy};

/// The stored form of a Latin name, or why it cannot be one. Letter case is kept.
pub fn normalise(input: &str) -> Result<String, NameError> {
    let text = tidy(input)?;
    if let Some(other) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(NameError::Character(other));
    }
    if !text.chars().any(is_letter) {
        return Err(NameError::Empty);
    }
    Ok(text.replace('\u{2019}', "'"))
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (matches!(c, '\u{00C0}'..='\u{024F}' | '\u{1E00}'..='\u{1EFF}') && c.is_alphabetic())
}

fn is_allowed(c: char) -> bool {
    is_letter(c) || matches!(c, ' ' | '-' | '\'' | '\u{2019}' | '.')
}

/// The name as upper-case A to Z with single spaces, the way a machine-readable zone writes it.
pub fn mrz_form(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.nfc().flat_map(char::to_uppercase) {
        match c {
            'A'..='Z' => out.push(c),
            '\'' | '\u{2019}' | '.' => {}
            ' ' | '-' => out.push(' '),
            'Ä' | 'Æ' => out.push_str("AE"),
            'Ö' | 'Ø' | 'Œ' => out.push_str("OE"),
            'Ü' => out.push_str("UE"),
            'Å' => out.push_str("AA"),
            'ẞ' | 'ß' => out.push_str("SS"),
            'Þ' => out.push_str("TH"),
            'Ð' | 'Đ' => out.push('D'),
            'Ł' => out.push('L'),
            other => out.extend(
                std::iter::once(other)
                    .nfd()
                    .filter(char::is_ascii_uppercase),
            ),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a typed name stands to one read from a machine-readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameMatch {
    /// The same letters.
    Same,
    /// The same once written by the zone's rules, in other order of the parts, or cut off where the zone ends.
    ByRules,
    /// Another name.
    Differs,
}

/// Compares a typed name with the parts read from a zone; `truncated` says that the zone was full.
pub fn compare(typed: &super::NameParts, zone: &super::NameParts, truncated: bool) -> NameMatch {
    if typed == zone {
        return NameMatch::Same;
    }
    let (family, given) = (mrz_form(&typed.family), mrz_form(&typed.given));
    let (zone_family, zone_given) = (mrz_form(&zone.family), mrz_form(&zone.given));
    if family == zone_family && given == zone_given {
        return NameMatch::ByRules;
    }
    if truncated {
        let cut_given = family == zone_family && given.starts_with(&zone_given);
        let cut_family = zone_given.is_empty() && family.starts_with(&zone_family);
        if cut_given || cut_family {
            return NameMatch::ByRules;
        }
    }
    if joined(&family, &given) == joined(&zone_family, &zone_given) {
        return NameMatch::ByRules;
    }
    NameMatch::Differs
}

/// The letters of a whole name without spaces, parts in alphabetical order.
fn joined(family: &str, given: &str) -> String {
    let mut words: Vec<&str> = family.split(' ').chain(given.split(' ')).collect();
    words.sort_unstable();
    words.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NameParts;
    use proptest::prelude::*;

    fn parts(family: &str, given: &str) -> NameParts {
        NameParts {
            family: family.to_owned(),
            given: given.to_owned(),
        }
    }

    #[test]
    fn stored_form() {
        assert_eq!(normalise(" Sok   Dara ").unwrap(), "Sok Dara");
        assert_eq!(normalise("O\u{2019}Brien").unwrap(), "O'Brien");
        assert_eq!(normalise("e\u{301}"), Ok("é".to_owned()));
        assert_eq!(normalise("Sok1"), Err(NameError::Character('1')));
        // Cyrillic а looks like Latin a.
        assert_eq!(
            normalise("D\u{0430}ra"),
            Err(NameError::Character('\u{0430}'))
        );
        assert_eq!(normalise("សុខ"), Err(NameError::Character('ស')));
        assert_eq!(normalise("-"), Err(NameError::Empty));
        assert_eq!(normalise("<b>"), Err(NameError::Character('<')));
    }

    #[test]
    fn written_as_the_zone_does() {
        assert_eq!(mrz_form("Müller-Lüdenscheidt"), "MUELLER LUEDENSCHEIDT");
        assert_eq!(mrz_form("d'Ébène"), "DEBENE");
    }

    #[test]
    fn comparing() {
        let zone = parts("SOK", "DARA");
        assert_eq!(
            compare(&parts("SOK", "DARA"), &zone, false),
            NameMatch::Same
        );
        assert_eq!(
            compare(&parts("Sok", "Dara"), &zone, false),
            NameMatch::ByRules
        );
        assert_eq!(
            compare(&parts("Dara", "Sok"), &zone, false),
            NameMatch::ByRules
        );
        assert_eq!(
            compare(&parts("Sok", "Daro"), &zone, false),
            NameMatch::Differs
        );
        let cut = parts("CHHORNVICHHEKA", "SOVANNAROTHANA");
        let whole = parts("Chhornvichheka", "Sovannarothanak");
        assert_eq!(compare(&whole, &cut, true), NameMatch::ByRules);
        assert_eq!(compare(&whole, &cut, false), NameMatch::Differs);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "[A-Za-zÀ-ž '.-]{0,30}") {
            if let Ok(once) = normalise(&text) {
                prop_assert_eq!(normalise(&once).unwrap(), once.clone());
                prop_assert!(mrz_form(&once).chars().all(|c| c.is_ascii_uppercase() || c == ' '));
            }
        }
    }
}
