//! Time-stamp tokens: one row per token, written before it is signed.

use diesel::prelude::*;

use super::counters;
use crate::schema::ca::time_stamps;
use crate::{Reader, StoreError, Writer};

/// One time-stamp token.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = time_stamps)]
pub struct TimeStampRow {
    /// The token's serial number (RFC 3161 §2.4.2).
    pub serial: i64,
    /// The policy, dotted.
    pub policy: String,
    /// The hash algorithm of the imprint, dotted.
    pub hash_oid: String,
    /// The hashed message.
    pub imprint: Vec<u8>,
    /// Unix seconds.
    pub gen_time: i64,
    /// When the row may be removed, Unix seconds.
    pub keep_until: i64,
}

impl Reader<'_> {
    /// The token with this serial number.
    pub fn find_time_stamp(&mut self, serial: i64) -> Result<Option<TimeStampRow>, StoreError> {
        Ok(time_stamps::table
            .find(serial)
            .select(TimeStampRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The time in the newest token, Unix seconds.
    pub fn last_gen_time(&mut self) -> Result<Option<i64>, StoreError> {
        Ok(time_stamps::table
            .order(time_stamps::serial.desc())
            .select(time_stamps::gen_time)
            .first(self.conn())
            .optional()?)
    }
}

impl Writer<'_> {
    /// Records a token about to be signed and gives its serial number; `serial` of `row` is not looked at.
    pub fn insert_time_stamp(&mut self, row: TimeStampRow) -> Result<i64, StoreError> {
        let serial = self.next_number(counters::TIME_STAMP)?;
        diesel::insert_into(time_stamps::table)
            .values(&TimeStampRow { serial, ..row })
            .execute(self.conn())?;
        Ok(serial)
    }
}
