//! The parts that forms of this room are made of; `apply/parts.html` draws them.

use domain::name::digits;
use domain::person::PartialDate;

use crate::page::{FormErrors, Page};

/// One part of a form.
pub(super) enum Part {
    /// A line or box of text.
    Text(Text),
    /// Day, month, year.
    Date(DateParts),
    /// One of several.
    Choice(Choice),
    /// Yes or not.
    Tick(Tick),
    /// A paragraph between fields.
    Words(String),
}

/// A text field.
#[derive(Default)]
pub(super) struct Text {
    pub(super) id: &'static str,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) value: String,
    pub(super) error: Option<String>,
    /// An autofill token of HTML; `off` where there is none.
    pub(super) autocomplete: &'static str,
    pub(super) inputmode: &'static str,
    pub(super) class: &'static str,
    pub(super) lang: &'static str,
    /// Lines of a box; none for a single line.
    pub(super) rows: Option<u8>,
}

impl Text {
    pub(super) fn new(page: &Page, errors: &FormErrors, id: &'static str, label: &str) -> Self {
        Self {
            id,
            label: page.t(label),
            error: errors.of(id).map(ToOwned::to_owned),
            autocomplete: "off",
            inputmode: "text",
            lang: page.lang(),
            ..Self::default()
        }
    }

    pub(super) fn hint(mut self, text: String) -> Self {
        self.hint = Some(text);
        self
    }

    pub(super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    pub(super) fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = token;
        self
    }

    pub(super) fn inputmode(mut self, mode: &'static str) -> Self {
        self.inputmode = mode;
        self
    }

    pub(super) fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    pub(super) fn lang(mut self, lang: &'static str) -> Self {
        self.lang = lang;
        self
    }

    pub(super) fn rows(mut self, rows: u8) -> Self {
        self.rows = Some(rows);
        self
    }

    /// What a screen reader reads with the field.
    pub(super) fn described_by(&self) -> String {
        let hint = self.hint.is_some().then(|| format!("{}-hint", self.id));
        let error = self.error.is_some().then(|| format!("{}-error", self.id));
        hint.into_iter().chain(error).collect::<Vec<_>>().join(" ")
    }
}

/// A date in three fields.
pub(super) struct DateParts {
    pub(super) id: &'static str,
    pub(super) legend: String,
    pub(super) hint: String,
    pub(super) error: Option<String>,
    pub(super) typed: TypedDate,
    pub(super) birthday: bool,
}

/// A date as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TypedDate {
    pub(super) day: String,
    pub(super) month: String,
    pub(super) year: String,
}

impl TypedDate {
    pub(super) fn is_empty(&self) -> bool {
        [&self.day, &self.month, &self.year]
            .iter()
            .all(|part| part.trim().is_empty())
    }

    /// The date meant; Khmer digits are understood, day and month may be missing.
    pub(super) fn read(&self) -> Option<PartialDate> {
        #[expect(clippy::option_option, reason = "no number, an absent part, a part")]
        fn number<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
            let text = digits::to_ascii(text.trim());
            if text.is_empty() {
                return Some(None);
            }
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            text.parse().ok().map(Some)
        }
        let (day, month, year) = (
            number(&self.day)?,
            number(&self.month)?,
            number(&self.year)?,
        );
        PartialDate::new(year?, month, day).ok()
    }
}

impl From<PartialDate> for TypedDate {
    fn from(date: PartialDate) -> Self {
        let part = |part: Option<i8>| part.map(|part| part.to_string()).unwrap_or_default();
        Self {
            day: part(date.day()),
            month: part(date.month()),
            year: date.year().to_string(),
        }
    }
}

/// One of several.
pub(super) struct Choice {
    pub(super) id: &'static str,
    /// `None` where the page's heading is the question.
    pub(super) legend: Option<String>,
    pub(super) error: Option<String>,
    pub(super) options: Vec<Choosable>,
}

/// One answer that can be chosen.
pub(super) struct Choosable {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) chosen: bool,
}

/// A box to tick.
pub(super) struct Tick {
    pub(super) id: &'static str,
    pub(super) label: String,
    pub(super) error: Option<String>,
    pub(super) ticked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(day: &str, month: &str, year: &str) -> Option<String> {
        let typed = TypedDate {
            day: day.into(),
            month: month.into(),
            year: year.into(),
        };
        typed.read().map(|date| date.to_string())
    }

    #[test]
    fn dates_as_people_type_them() {
        assert_eq!(typed("1", "1", "1990").as_deref(), Some("1990-01-01"));
        assert_eq!(typed("០១", "១", "១៩៩០").as_deref(), Some("1990-01-01"));
        assert_eq!(typed("", "", "1955").as_deref(), Some("1955"));
        assert_eq!(typed("1", "", "1955"), None);
        assert_eq!(typed("31", "2", "1955"), None);
        assert_eq!(typed("-1", "2", "1955"), None);
        assert_eq!(typed("", "", ""), None);
    }
}
