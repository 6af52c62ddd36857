//! Times of X.509: whole seconds since 1970, and their two encodings.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;
use der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::time::Time;

/// A time that DER cannot carry: before 1970 or after 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time outside 1970..9999")]
pub struct TimeError;

/// Whole seconds since 1970 of `time`, fractions cut off.
pub fn seconds(time: SystemTime) -> Result<u64, TimeError> {
    time.duration_since(UNIX_EPOCH)
        .map(|since| since.as_secs())
        .map_err(|_| TimeError)
}

/// The point in time `seconds` after 1970.
pub fn from_seconds(seconds: u64) -> Result<SystemTime, TimeError> {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .ok_or(TimeError)
}

/// Encodes as RFC 5280 §4.1.2.5 demands: UTCTime through 2049, GeneralizedTime from 2050 on.
pub fn encode(seconds: u64) -> Result<Time, TimeError> {
    let date = DateTime::from_unix_duration(Duration::from_secs(seconds)).map_err(|_| TimeError)?;
    if date.year() <= UtcTime::MAX_YEAR {
        UtcTime::from_date_time(date)
            .map(Time::UtcTime)
            .map_err(|_| TimeError)
    } else {
        Ok(Time::GeneralTime(GeneralizedTime::from_date_time(date)))
    }
}

/// Whole seconds since 1970 of an encoded time.
pub fn decode(time: &Time) -> u64 {
    time.to_unix_duration().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_OF_2049: u64 = 2_524_607_999;

    #[test]
    fn the_encoding_changes_with_the_year_2050() {
        assert!(matches!(encode(LAST_OF_2049), Ok(Time::UtcTime(_))));
        assert!(matches!(encode(LAST_OF_2049 + 1), Ok(Time::GeneralTime(_))));
    }

    proptest::proptest! {
        #[test]
        fn seconds_survive_the_encoding(at in 0_u64..253_402_300_799) {
            proptest::prop_assert_eq!(decode(&encode(at).unwrap()), at);
        }
    }
}
