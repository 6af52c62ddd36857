//! Numbers that are given out once.

use diesel::prelude::*;

use crate::schema::ca::counters;
use crate::{StoreError, Writer};

/// Name of the counter of status log entries.
pub(super) const STATUS_LOG: &str = "status-log";
/// Name of the counter of time-stamp tokens.
pub(super) const TIME_STAMP: &str = "time-stamp";

impl Writer<'_> {
    /// The next number of the counter `name`, counted from 1.
    pub(super) fn next_number(&mut self, name: &str) -> Result<i64, StoreError> {
        let counter = counters::table.filter(counters::name.eq(name));
        let changed = diesel::update(counter)
            .set(counters::value.eq(counters::value + 1))
            .execute(self.conn())?;
        if changed == 0 {
            return Err(StoreError::Damaged("a counter is missing"));
        }
        Ok(counter.select(counters::value).first(self.conn())?)
    }
}
