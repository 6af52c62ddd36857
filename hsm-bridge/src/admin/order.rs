//! The order as a file: one way to write it, and nothing else is read.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{OrderError, Refusal};
use super::field::{Moment, OrderId};
use super::is_name;
use super::operation::Operation;

/// The longest file that is read as an order.
pub const MAX_ORDER_BYTES: usize = 16 * 1024;
/// The longest time between the first and the last moment at which an order may be carried out.
pub const MAX_VALIDITY: Duration = Duration::from_hours(24);

/// What begins every order, and so everything that persons sign here; no other signature of the platform begins so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "romduol hsm-bridge order 1")]
    One,
}

/// What is to be done, once, in one token, while it is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    format: Format,
    /// Its number.
    pub id: OrderId,
    /// The token, by its name in the configuration of the bridge.
    pub token: String,
    /// The administrator who asks for it.
    pub author: String,
    /// The first moment at which it may be carried out.
    pub not_before: Moment,
    /// The moment from which on it may not.
    pub expires: Moment,
    /// What is to be done.
    pub operation: Operation,
}

impl Order {
    /// Puts an order together that is valid for `validity` from `not_before` on; names and times are checked as those of a file are.
    pub fn new(
        id: OrderId,
        (token, author): (&str, &str),
        not_before: SystemTime,
        validity: Duration,
        operation: Operation,
    ) -> Result<Self, OrderError> {
        let moment = |time| Moment::of(time).map_err(OrderError::Value);
        let order = Self {
            format: Format::One,
            id,
            token: token.to_owned(),
            author: author.to_owned(),
            not_before: moment(not_before)?,
            expires: moment(not_before + validity)?,
            operation,
        };
        order.check()?;
        Ok(order)
    }

    /// Reads a file that [`Order::encode`] wrote; one that says the same in another way is refused, so that a person reads what is done.
    pub fn parse(bytes: &[u8]) -> Result<Self, OrderError> {
        if bytes.len() > MAX_ORDER_BYTES {
            return Err(OrderError::TooLong(MAX_ORDER_BYTES));
        }
        let order: Self = serde_json::from_slice(bytes).map_err(|e| OrderError::unreadable(&e))?;
        order.check()?;
        if order.encode()? != bytes {
            return Err(OrderError::NotCanonical);
        }
        Ok(order)
    }

    /// The file: JSON (RFC 8259) with two spaces for a level, members in their order, and a newline at the end.
    pub fn encode(&self) -> Result<Vec<u8>, OrderError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| OrderError::unreadable(&e))?;
        bytes.push(b'\n');
        if bytes.len() > MAX_ORDER_BYTES {
            return Err(OrderError::TooLong(MAX_ORDER_BYTES));
        }
        Ok(bytes)
    }

    /// SHA-256 of the bytes of an order, by which records name it.
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    fn check(&self) -> Result<(), OrderError> {
        for (what, name) in [("token", &self.token), ("author", &self.author)] {
            if !is_name(name) {
                return Err(OrderError::Value(format!(
                    "{what}: a name is 1 to 64 letters, digits and '-'"
                )));
            }
        }
        let validity = self.expires.time().duration_since(self.not_before.time());
        if !validity.is_ok_and(|it| !it.is_zero() && it <= MAX_VALIDITY) {
            return Err(OrderError::Value(format!(
                "an order is valid for at least a second and at most {} hours",
                MAX_VALIDITY.as_secs() / 3600
            )));
        }
        self.operation.check()
    }

    /// Whether it may be carried out in this token at this moment, for all that it says itself.
    pub(super) fn is_due(&self, token: &str, now: SystemTime) -> Result<(), Refusal> {
        if self.token != token {
            return Err(Refusal::OtherToken(self.token.clone()));
        }
        if now < self.not_before.time() {
            return Err(Refusal::TooEarly(self.not_before.to_string()));
        }
        if now >= self.expires.time() {
            return Err(Refusal::Expired(self.expires.to_string()));
        }
        Ok(())
    }
}
