//! Issued certificates and their revocation.

use diesel::prelude::*;
use domain::certificate::{CertificateStatus, RevocationReason};
use jiff::Timestamp;

use super::status_log::NewStatus;
use crate::schema::ca::{blocked_keys, certificates, issuance_intents};
use crate::{Reader, StoreError, Writer};

/// One issued certificate.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = certificates)]
pub struct CertificateRow {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// Identifier of the issuer's key.
    pub issuer: String,
    /// Shard of the issuer's revocation lists.
    pub shard: i64,
    /// Name of the profile.
    pub profile: String,
    /// The intent it was signed under; none for certificates of a key ceremony.
    pub intent: Option<String>,
    /// Who asked for it.
    pub caller: String,
    /// SHA-256 over the DER of the SubjectPublicKeyInfo.
    pub spki_hash: Vec<u8>,
    /// SHA-256 over the subject as asked for: the same holder gives the same hash.
    pub holder_hash: Vec<u8>,
    /// DER.
    pub certificate: Vec<u8>,
    /// Start of validity, Unix seconds.
    pub not_before: i64,
    /// End of validity, Unix seconds.
    pub not_after: i64,
    /// `good` or `revoked`.
    pub status: String,
    /// `CRLReason` number when revoked.
    pub reason: Option<i64>,
    /// When revoked, Unix seconds.
    pub revoked_at: Option<i64>,
    /// When stored, Unix seconds.
    pub created_at: i64,
    /// When the row may be removed, Unix seconds.
    pub keep_until: i64,
}

/// What a revocation list says of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct RevokedRow {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// `CRLReason` number.
    pub reason: Option<i64>,
    /// Unix seconds.
    pub revoked_at: Option<i64>,
}

/// One revocation to record.
#[derive(Clone, Copy, Debug)]
pub struct Revocation<'a> {
    /// Serial number, lower-case hex.
    pub serial: &'a str,
    /// Why.
    pub reason: RevocationReason,
    /// When.
    pub at: Timestamp,
}

impl CertificateRow {
    /// The status as a type.
    pub fn status(&self) -> Result<CertificateStatus, StoreError> {
        let damaged = StoreError::Damaged("status of a certificate");
        match (self.status.as_str(), self.reason, self.revoked_at) {
            ("good", None, None) => Ok(CertificateStatus::Good),
            ("revoked", Some(code), Some(at)) => {
                let reason = u8::try_from(code)
                    .ok()
                    .and_then(RevocationReason::from_code);
                match (reason, Timestamp::from_second(at)) {
                    (Some(reason), Ok(at)) => Ok(CertificateStatus::Revoked { reason, at }),
                    _ => Err(damaged),
                }
            }
            _ => Err(damaged),
        }
    }
}

impl Reader<'_> {
    /// The certificate with this serial number.
    pub fn find_certificate(&mut self, serial: &str) -> Result<Option<CertificateRow>, StoreError> {
        Ok(certificates::table
            .find(serial)
            .select(CertificateRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The certificate with this serial number; [`StoreError::NotFound`] without.
    pub fn load_certificate(&mut self, serial: &str) -> Result<CertificateRow, StoreError> {
        self.find_certificate(serial)?.ok_or(StoreError::NotFound)
    }

    /// The certificate signed under an intent.
    pub fn find_certificate_of_intent(
        &mut self,
        intent: &str,
    ) -> Result<Option<CertificateRow>, StoreError> {
        Ok(certificates::table
            .filter(certificates::intent.eq(intent))
            .select(CertificateRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// Whether the key was certified, or is about to be, for somebody else than the holder with this hash.
    pub fn is_key_of_another(
        &mut self,
        spki_hash: &[u8],
        holder_hash: &[u8],
    ) -> Result<bool, StoreError> {
        let other = certificates::table
            .filter(certificates::spki_hash.eq(spki_hash))
            .filter(certificates::holder_hash.ne(holder_hash))
            .select(certificates::serial)
            .first::<String>(self.conn())
            .optional()?;
        if other.is_some() {
            return Ok(true);
        }
        let pending = issuance_intents::table
            .filter(issuance_intents::spki_hash.eq(spki_hash))
            .filter(issuance_intents::state.eq("pending"))
            .filter(issuance_intents::holder_hash.ne(holder_hash))
            .select(issuance_intents::serial)
            .first::<String>(self.conn())
            .optional()?;
        Ok(pending.is_some())
    }

    /// Whether the key may never be certified again.
    pub fn is_key_blocked(&mut self, spki_hash: &[u8]) -> Result<bool, StoreError> {
        let row = blocked_keys::table
            .find(spki_hash)
            .select(blocked_keys::serial)
            .first::<String>(self.conn())
            .optional()?;
        Ok(row.is_some())
    }

    /// Revoked certificates of one shard that end at or after `not_after`, ordered by serial number.
    pub fn list_revoked(
        &mut self,
        issuer: &str,
        shard: i64,
        not_after: i64,
    ) -> Result<Vec<RevokedRow>, StoreError> {
        Ok(certificates::table
            .filter(certificates::issuer.eq(issuer))
            .filter(certificates::shard.eq(shard))
            .filter(certificates::status.eq("revoked"))
            .filter(certificates::not_after.ge(not_after))
            .order(certificates::serial)
            .select((
                certificates::serial,
                certificates::reason,
                certificates::revoked_at,
            ))
            .load(self.conn())?)
    }
}

impl Writer<'_> {
    /// Stores a new certificate with its first entry in the status log; gives the entry's sequence number.
    pub fn insert_certificate(&mut self, row: &CertificateRow) -> Result<i64, StoreError> {
        diesel::insert_into(certificates::table)
            .values(row)
            .execute(self.conn())?;
        self.append_status(&NewStatus {
            certificate: row,
            at: row.created_at,
        })
    }

    /// Revokes a certificate, blocks its key where the reason asks for it, and appends to the status log.
    ///
    /// [`StoreError::NotFound`] for a serial number never issued, [`StoreError::Conflict`] when it is revoked.
    pub fn revoke_certificate(
        &mut self,
        revocation: Revocation<'_>,
    ) -> Result<CertificateRow, StoreError> {
        let mut row = self.load_certificate(revocation.serial)?;
        let status = row
            .status()?
            .revoke(revocation.reason, revocation.at)
            .map_err(|_| StoreError::Conflict("already revoked"))?;
        if let CertificateStatus::Revoked { reason, at } = status {
            status.as_str().clone_into(&mut row.status);
            row.reason = Some(i64::from(reason.code()));
            row.revoked_at = Some(at.as_second());
        }
        diesel::update(certificates::table.find(&row.serial))
            .set((
                certificates::status.eq(&row.status),
                certificates::reason.eq(row.reason),
                certificates::revoked_at.eq(row.revoked_at),
            ))
            .execute(self.conn())?;
        if revocation.reason.blocks_key() && !self.is_key_blocked(&row.spki_hash)? {
            diesel::insert_into(blocked_keys::table)
                .values((
                    blocked_keys::spki_hash.eq(&row.spki_hash),
                    blocked_keys::serial.eq(&row.serial),
                    blocked_keys::reason.eq(i64::from(revocation.reason.code())),
                    blocked_keys::at.eq(revocation.at.as_second()),
                ))
                .execute(self.conn())?;
        }
        self.append_status(&NewStatus {
            certificate: &row,
            at: revocation.at.as_second(),
        })?;
        Ok(row)
    }
}
