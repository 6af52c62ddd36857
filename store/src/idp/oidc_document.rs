//! Columns that hold a domain type as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// The JSON of a value.
pub(super) fn to_document<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid("value has no JSON form"))
}

/// The value of a JSON column; `what` names it when it is damaged.
pub(super) fn from_document<T: DeserializeOwned>(
    document: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(document).map_err(|_| StoreError::Damaged(what))
}

/// A time column.
pub(super) fn to_timestamp(second: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(second).map_err(|_| StoreError::Damaged("time"))
}
