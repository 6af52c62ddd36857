//! Texts in Khmer and English, and dates and digits as each language writes them.

use std::collections::HashMap;

use domain::locale::Locale;
use fluent_templates::{LanguageIdentifier, langid};
use fluent_templates::{Loader, fluent_bundle::FluentValue, static_loader};
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, Zoned};

static_loader! {
    static TEXTS = {
        locales: "./locales",
        fallback_language: "en",
        // Isolation marks around arguments show up in copied text and in page titles.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

const KM: LanguageIdentifier = langid!("km");
const EN: LanguageIdentifier = langid!("en");
/// Indochina Time, UTC+7 without daylight saving: Cambodia's civil time.
const CAMBODIA: tz::Offset = tz::offset(7);

const fn identifier(locale: Locale) -> LanguageIdentifier {
    match locale {
        Locale::Km => KM,
        Locale::En => EN,
    }
}

/// The language that the switch offers.
pub(crate) const fn other(locale: Locale) -> Locale {
    match locale {
        Locale::Km => Locale::En,
        Locale::En => Locale::Km,
    }
}

/// The text of a key; the key itself where a text is missing (a test keeps that from happening).
pub fn text(locale: Locale, key: &str) -> String {
    TEXTS
        .try_lookup(&identifier(locale), key)
        .unwrap_or_else(|| key.to_owned())
}

/// The text of a key with named arguments.
pub fn text_with<const N: usize>(
    locale: Locale,
    key: &str,
    values: [(&'static str, String); N],
) -> String {
    let arguments: HashMap<std::borrow::Cow<'static, str>, FluentValue<'_>> = values
        .into_iter()
        .map(|(name, value)| (name.into(), FluentValue::from(value)))
        .collect();
    TEXTS
        .try_lookup_with_args(&identifier(locale), key, &arguments)
        .unwrap_or_else(|| key.to_owned())
}

/// A date as people write it.
pub fn date(locale: Locale, date: Date) -> String {
    let month = text(locale, &format!("month-{}", date.month()));
    let day = digits(locale, &date.day().to_string());
    let year = digits(locale, &date.year().to_string());
    text_with(
        locale,
        "date-full",
        [("day", day), ("month", month), ("year", year)],
    )
}

/// A moment in Cambodian time: the date, then hours and minutes.
pub fn moment(locale: Locale, at: Timestamp) -> String {
    let local: Zoned = at.to_zoned(TimeZone::fixed(CAMBODIA));
    let time = format!("{:02}:{:02}", local.hour(), local.minute());
    format!("{}, {}", date(locale, local.date()), digits(locale, &time))
}

/// ASCII digits as Khmer digits (U+17E0 to U+17E9) in Khmer text.
pub fn digits(locale: Locale, text: &str) -> String {
    match locale {
        Locale::En => text.to_owned(),
        Locale::Km => text
            .chars()
            .map(|c| {
                c.to_digit(10)
                    .and_then(|d| char::from_u32(0x17E0 + d))
                    .unwrap_or(c)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn keys(language: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("locales")
            .join(language);
        let mut keys = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            for line in std::fs::read_to_string(file.path()).unwrap().lines() {
                let starts = line.starts_with(|c: char| c.is_ascii_lowercase());
                if let Some((key, _)) = line.split_once('=').filter(|_| starts) {
                    assert!(
                        keys.insert(format!("{name}:{}", key.trim())),
                        "{key} twice in {name}"
                    );
                }
            }
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_texts() {
        let (km, en) = (keys("km"), keys("en"));
        assert_eq!(
            km.difference(&en).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "only in Khmer"
        );
        assert_eq!(
            en.difference(&km).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "only in English"
        );
    }

    #[test]
    fn every_key_in_a_template_has_a_text() {
        let known: BTreeSet<String> = keys("km")
            .into_iter()
            .filter_map(|key| Some(key.split_once(':')?.1.to_owned()))
            .collect();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
        let mut missing = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let template = std::fs::read_to_string(&path).unwrap();
                for start in ["page.t(\"", "page.t1(\"", "page.t2(\""] {
                    for part in template.split(start).skip(1) {
                        let key = part.split('"').next().unwrap();
                        if !known.contains(key) {
                            missing.push(format!("{}: {key}", path.display()));
                        }
                    }
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn dates_read_as_each_language_writes_them() {
        let date = jiff::civil::date(1990, 1, 1);
        assert_eq!(super::date(Locale::En, date), "1 January 1990");
        assert_eq!(super::date(Locale::Km, date), "ថ្ងៃទី ១ ខែមករា ឆ្នាំ ១៩៩០");
    }
}
