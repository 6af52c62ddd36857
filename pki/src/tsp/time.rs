//! genTime: GeneralizedTime in UTC with a fraction of any length, written without trailing zeros and without a
//! dot where the fraction is zero (RFC 3161 §2.4.2).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::TspError;

/// Digits kept of the fraction when writing: microseconds, the finest unit [`Accuracy`](super::Accuracy) has.
const FRACTION_DIGITS: usize = 6;
/// Digits understood when reading; finer ones are cut off.
const NANO_DIGITS: usize = 9;

pub(super) fn format(at: Timestamp) -> Result<String, TspError> {
    let utc = at.to_zoned(TimeZone::UTC).datetime();
    if !(1970..=9999).contains(&utc.year()) {
        return Err(TspError::Malformed("time"));
    }
    let nanos = format!("{:09}", utc.subsec_nanosecond());
    let fraction = nanos
        .get(..FRACTION_DIGITS)
        .unwrap_or_default()
        .trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Ok(format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{dot}{fraction}Z",
        utc.year(),
        utc.month(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
    ))
}

pub(super) fn parse(text: &[u8]) -> Result<Timestamp, TspError> {
    let bad = || TspError::Malformed("genTime");
    let text = core::str::from_utf8(text)
        .map_err(|_| bad())?
        .strip_suffix('Z')
        .ok_or_else(bad)?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(bad()),
        None => (text, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return Err(bad());
    }
    let number = |range: core::ops::Range<usize>| -> Result<i16, TspError> {
        whole
            .get(range)
            .and_then(|s| s.parse().ok())
            .ok_or_else(bad)
    };
    let small = |range| i8::try_from(number(range)?).map_err(|_| bad());
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(NANO_DIGITS)
        .collect();
    let nanos = nanos.parse().map_err(|_| bad())?;
    let (month, day) = (small(4..6)?, small(6..8)?);
    let (hour, minute, second) = (small(8..10)?, small(10..12)?, small(12..14)?);
    DateTime::new(number(0..4)?, month, day, hour, minute, second, nanos)
        .and_then(|utc| utc.to_zoned(TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fraction_follows_the_rules() {
        let at = |text: &str| format(text.parse().unwrap()).unwrap();
        assert_eq!(at("2026-11-22T12:00:00Z"), "20261122120000Z");
        assert_eq!(at("2026-11-22T12:00:00.100Z"), "20261122120000.1Z");
        assert_eq!(
            at("2026-11-22T12:00:00.012340999Z"),
            "20261122120000.01234Z"
        );
    }

    #[test]
    fn wrong_forms_are_refused() {
        for text in [
            "20261122120000",
            "20261122120000.Z",
            "20261322120000Z",
            "2026112212000Z",
            "Z",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_survive_the_round_trip(micros in 0i64..253_402_300_799_999_999) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(parse(format(at).unwrap().as_bytes()).unwrap(), at);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
