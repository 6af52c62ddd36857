//! A date of which only the year, or year and month, may be known.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A calendar date known to the year, the month or the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartialDate {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
}

/// Why a date was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date of the calendar")]
pub struct DateError;

const YEARS: std::ops::RangeInclusive<i16> = 1850..=2200;

impl PartialDate {
    /// Checks the parts against the calendar; a day needs its month.
    pub fn new(year: i16, month: Option<i8>, day: Option<i8>) -> Result<Self, DateError> {
        if !YEARS.contains(&year) || (day.is_some() && month.is_none()) {
            return Err(DateError);
        }
        Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).map_err(|_| DateError)?;
        Ok(Self { year, month, day })
    }

    /// The year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, where known.
    pub fn month(self) -> Option<i8> {
        self.month
    }

    /// The day of the month, where known.
    pub fn day(self) -> Option<i8> {
        self.day
    }

    /// The full date, where every part is known.
    pub fn full(self) -> Option<Date> {
        Date::new(self.year, self.month?, self.day?).ok()
    }

    /// The first day that this date can mean.
    pub fn earliest(self) -> Date {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
            .unwrap_or(Date::constant(1850, 1, 1))
    }

    /// OpenID Connect Core §5.1 `birthdate`: `YYYY-MM-DD`, or `YYYY` where the day is not known.
    pub fn claim(self) -> String {
        self.full()
            .map_or_else(|| format!("{:04}", self.year), |date| date.to_string())
    }

    /// Whether both can mean the same day: parts that one of them lacks are not compared.
    pub fn agrees_with(self, other: Self) -> bool {
        fn same(a: Option<i8>, b: Option<i8>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        self.year == other.year && same(self.month, other.month) && same(self.day, other.day)
    }
}

impl From<Date> for PartialDate {
    fn from(date: Date) -> Self {
        Self {
            year: date.year(),
            month: Some(date.month()),
            day: Some(date.day()),
        }
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

impl FromStr for PartialDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        fn digits<T: FromStr>(part: &str, length: usize) -> Result<T, DateError> {
            if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(DateError);
            }
            part.parse().map_err(|_| DateError)
        }
        let mut parts = text.split('-');
        let year = digits(parts.next().unwrap_or_default(), 4)?;
        let month = parts.next().map(|part| digits(part, 2)).transpose()?;
        let day = parts.next().map(|part| digits(part, 2)).transpose()?;
        if parts.next().is_some() {
            return Err(DateError);
        }
        Self::new(year, month, day)
    }
}

impl TryFrom<String> for PartialDate {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<PartialDate> for String {
    fn from(date: PartialDate) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_real_dates() {
        assert!("1990-02-29".parse::<PartialDate>().is_err());
        assert!("1992-02-29".parse::<PartialDate>().is_ok());
        assert!("1990-13".parse::<PartialDate>().is_err());
        assert!("90-01-01".parse::<PartialDate>().is_err());
        assert!("1990-1-1".parse::<PartialDate>().is_err());
        assert_eq!("1955".parse::<PartialDate>().unwrap().claim(), "1955");
        assert_eq!("1955-04".parse::<PartialDate>().unwrap().claim(), "1955");
        assert_eq!(
            "1955-04-01".parse::<PartialDate>().unwrap().claim(),
            "1955-04-01"
        );
    }

    proptest! {
        #[test]
        fn text_round_trip(year in 1850i16..=2200, month in proptest::option::of(1i8..=12), day in proptest::option::of(1i8..=28)) {
            let date = PartialDate::new(year, month, month.and(day)).unwrap();
            prop_assert_eq!(date.to_string().parse::<PartialDate>().unwrap(), date);
            prop_assert!(date.agrees_with(PartialDate::new(year, None, None).unwrap()));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,14}") {
            let _ = text.parse::<PartialDate>();
        }
    }
}
