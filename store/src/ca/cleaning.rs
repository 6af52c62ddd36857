//! Removal of rows past their keeping time.

use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;

use crate::{StoreError, Writer};

/// How many rows a cleaning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Ended documents.
    pub documents: usize,
    /// Credentials of certificates long past.
    pub credentials: usize,
    /// Certificates long expired.
    pub certificates: usize,
    /// Entries of the status log of such certificates.
    pub statuses: usize,
    /// Intents that led nowhere or to such certificates.
    pub intents: usize,
    /// Time-stamp records.
    pub time_stamps: usize,
}

impl Removed {
    /// All of them together.
    pub const fn total(&self) -> usize {
        self.documents
            + self.credentials
            + self.certificates
            + self.statuses
            + self.intents
            + self.time_stamps
    }
}

impl Writer<'_> {
    /// Removes what may be forgotten at `at` (Unix seconds), children before what they refer to.
    pub fn remove_expired_records(&mut self, at: i64) -> Result<Removed, StoreError> {
        Ok(Removed {
            documents: self.remove("DELETE FROM documents WHERE keep_until < $1", at)?,
            credentials: self.remove(
                "DELETE FROM signing_credentials WHERE keep_until < $1 \
                 AND id NOT IN (SELECT credential FROM documents)",
                at,
            )?,
            certificates: self.remove(
                "DELETE FROM certificates WHERE keep_until < $1 AND serial NOT IN \
                 (SELECT serial FROM signing_credentials WHERE serial IS NOT NULL)",
                at,
            )?,
            statuses: self.remove("DELETE FROM status_log WHERE keep_until < $1", at)?,
            intents: self.remove(
                "DELETE FROM issuance_intents WHERE keep_until < $1 AND id NOT IN \
                 (SELECT intent FROM certificates WHERE intent IS NOT NULL)",
                at,
            )?,
            time_stamps: self.remove("DELETE FROM time_stamps WHERE keep_until < $1", at)?,
        })
    }

    fn remove(&mut self, statement: &str, at: i64) -> Result<usize, StoreError> {
        Ok(diesel::sql_query(statement)
            .bind::<BigInt, _>(at)
            .execute(self.conn())?)
    }
}
