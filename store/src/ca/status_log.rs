//! The append-only log of statuses that responders follow.

use diesel::prelude::*;

use super::certificates::CertificateRow;
use super::counters;
use crate::schema::ca::status_log;
use crate::{Reader, StoreError, Writer};

/// One entry: what became of one certificate. Sequence numbers only grow, in the order of commits.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = status_log)]
pub struct StatusRow {
    /// Place in the log, counted from 1; may skip numbers.
    pub sequence: i64,
    /// Identifier of the issuer's key.
    pub issuer: String,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// Shard of the issuer's revocation lists.
    pub shard: i64,
    /// `good` or `revoked`.
    pub status: String,
    /// `CRLReason` number when revoked.
    pub reason: Option<i64>,
    /// Unix seconds.
    pub revoked_at: Option<i64>,
    /// End of the certificate's validity, Unix seconds.
    pub not_after: i64,
    /// When the entry was written, Unix seconds.
    pub at: i64,
    /// When the entry may be removed, Unix seconds.
    pub keep_until: i64,
}

/// An entry about to be appended.
pub(super) struct NewStatus<'a> {
    pub(super) certificate: &'a CertificateRow,
    pub(super) at: i64,
}

impl Reader<'_> {
    /// At most `limit` entries after `after`, in order.
    pub fn list_statuses(&mut self, after: i64, limit: i64) -> Result<Vec<StatusRow>, StoreError> {
        Ok(status_log::table
            .filter(status_log::sequence.gt(after))
            .order(status_log::sequence)
            .limit(limit)
            .select(StatusRow::as_select())
            .load(self.conn())?)
    }

    /// The highest sequence number, 0 for an empty log.
    pub fn status_log_head(&mut self) -> Result<i64, StoreError> {
        let head: Option<i64> = status_log::table
            .select(diesel::dsl::max(status_log::sequence))
            .first(self.conn())?;
        Ok(head.unwrap_or(0))
    }

    /// The highest sequence number of a revocation in one shard, 0 for none.
    pub fn last_revocation(&mut self, issuer: &str, shard: i64) -> Result<i64, StoreError> {
        let last: Option<i64> = status_log::table
            .filter(status_log::issuer.eq(issuer))
            .filter(status_log::shard.eq(shard))
            .filter(status_log::status.eq("revoked"))
            .select(diesel::dsl::max(status_log::sequence))
            .first(self.conn())?;
        Ok(last.unwrap_or(0))
    }
}

impl Writer<'_> {
    /// Appends the certificate's present status; gives the sequence number.
    pub(super) fn append_status(&mut self, new: &NewStatus<'_>) -> Result<i64, StoreError> {
        let sequence = self.next_number(counters::STATUS_LOG)?;
        let certificate = new.certificate;
        let row = StatusRow {
            sequence,
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            shard: certificate.shard,
            status: certificate.status.clone(),
            reason: certificate.reason,
            revoked_at: certificate.revoked_at,
            not_after: certificate.not_after,
            at: new.at,
            keep_until: certificate.keep_until,
        };
        diesel::insert_into(status_log::table)
            .values(&row)
            .execute(self.conn())?;
        Ok(sequence)
    }
}
