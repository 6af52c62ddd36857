//! Which passwords are good enough beside a second factor (NIST SP 800-63B §3.1.1).
//!
//! Length and a list of known bad ones; no rules about kinds of characters, no forced changes.

use unicode_normalization::UnicodeNormalization;

/// Fewest characters; a password never stands alone here, so this exceeds what the standard asks beside a second factor.
pub const LENGTH_MIN: usize = 12;
/// Most characters, so that hashing stays bounded.
pub const LENGTH_MAX: usize = 256;
/// Fewest different characters.
const DISTINCT_MIN: usize = 5;
/// Longest run of neighbours (`abcd`, `4321`) that a password may mostly consist of.
const RUN_SHARE: usize = 2;

/// Known bad passwords of sufficient length, and stems whose repetition is bad; lower case, one a line.
const BLOCKLIST: &str = include_str!("password_blocklist.txt");

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Fewer than [`LENGTH_MIN`] characters.
    #[error("too short")]
    TooShort,
    /// More than [`LENGTH_MAX`] characters.
    #[error("too long")]
    TooLong,
    /// On the list, a repetition, or a row of neighbours.
    #[error("easy to guess")]
    Common,
    /// Contains the person's own address or number.
    #[error("contains an identifier")]
    Personal,
}

/// The form that is hashed: composed by compatibility, so that one typing gives one password on every keyboard.
pub fn normalise(text: &str) -> String {
    text.nfkc().collect()
}

/// Judges a normalised password; `personal` are words of the holder (address, number, name).
pub fn check(password: &str, personal: &[&str]) -> Result<(), Weakness> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(Weakness::TooShort);
    }
    if length > LENGTH_MAX {
        return Err(Weakness::TooLong);
    }
    let lower = password.to_lowercase();
    let own = personal
        .iter()
        .flat_map(|word| {
            [
                word.to_lowercase(),
                word.split('@').next().unwrap_or(word).to_lowercase(),
            ]
        })
        .any(|word| word.chars().count() >= 4 && lower.contains(&word));
    if own {
        return Err(Weakness::Personal);
    }
    if is_common(&lower) {
        return Err(Weakness::Common);
    }
    Ok(())
}

/// Whether a lower-case password is listed, repeats a listed stem, or has hardly any variety.
fn is_common(lower: &str) -> bool {
    let letters: Vec<char> = lower.chars().collect();
    let distinct: std::collections::BTreeSet<&char> = letters.iter().collect();
    if distinct.len() < DISTINCT_MIN {
        return true;
    }
    let neighbours = letters
        .windows(2)
        .filter(|pair| match pair {
            [one, two] => u32::from(*one).abs_diff(u32::from(*two)) <= 1,
            _ => false,
        })
        .count();
    if neighbours > letters.len() / RUN_SHARE {
        return true;
    }
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    BLOCKLIST
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .any(|bad| {
            lower == bad
                || core == bad
                || (lower.len().is_multiple_of(bad.len())
                    && lower == bad.repeat(lower.len() / bad.len()))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_uncommon_passwords_pass() {
        for good in ["ផ្ទះខ្ញុំនៅជិតស្ទឹង", "correct horse battery", "mekong-rain-2-boats"]
        {
            assert_eq!(check(&normalise(good), &[]), Ok(()), "{good}");
        }
    }

    #[test]
    fn short_common_and_personal_ones_do_not() {
        for (bad, weakness) in [
            ("elevenchars", Weakness::TooShort),
            ("aaaaaaaaaaaa", Weakness::Common),
            ("abcdefghijklmnop", Weakness::Common),
            ("123456789012", Weakness::Common),
            ("passwordpassword", Weakness::Common),
            ("Password12345678", Weakness::Common),
            ("qwertyuiopasdfgh", Weakness::Common),
            ("my-sok.dara-secret", Weakness::Personal),
        ] {
            assert_eq!(check(bad, &["sok.dara@example.kh"]), Err(weakness), "{bad}");
        }
        assert_eq!(check(&"x9".repeat(200), &[]), Err(Weakness::TooLong));
    }

    proptest! {
        #[test]
        fn anything_is_answered(text in any::<String>()) {
            let normal = normalise(&text);
            if check(&normal, &[]).is_ok() {
                prop_assert!(normal.chars().count() >= LENGTH_MIN);
            }
        }
    }
}
