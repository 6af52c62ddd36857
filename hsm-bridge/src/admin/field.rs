//! Values of orders that are written in one way only.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use der::DateTime;
use serde::{Deserialize, Serialize};

/// The number of an order: 128 random bits, in 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(u128);

impl OrderId {
    /// Takes 16 bytes of a random source.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for OrderId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 32 || !text.bytes().all(plain) {
            return Err("the number of an order is 32 lower-case hexadecimal digits".to_owned());
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|e| e.to_string())
    }
}

impl TryFrom<String> for OrderId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.to_string()
    }
}

/// A moment in whole seconds of UTC, as `2027-01-31T08:00:00Z` (RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(DateTime);

impl Moment {
    /// The moment without its fraction of a second; fails before 1970 and after 9999.
    pub fn of(time: SystemTime) -> Result<Self, String> {
        let whole = time.duration_since(UNIX_EPOCH).map(|it| it.as_secs());
        whole
            .map_err(|e| e.to_string())
            .and_then(|seconds| {
                DateTime::from_unix_duration(Duration::from_secs(seconds))
                    .map_err(|e| e.to_string())
            })
            .map(Self)
    }

    /// The moment as the system's clock has it.
    pub fn time(self) -> SystemTime {
        self.0.to_system_time()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<DateTime>()
            .map(Self)
            .map_err(|_| format!("'{text}' is no moment, as 2027-01-31T08:00:00Z"))
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

/// Bytes in base64 with padding (RFC 4648 §4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Octets(pub(super) Vec<u8>);

impl TryFrom<String> for Octets {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Base64::decode_vec(&text)
            .map(Self)
            .map_err(|e| format!("base64: {e}"))
    }
}

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        Base64::encode_string(&octets.0)
    }
}
