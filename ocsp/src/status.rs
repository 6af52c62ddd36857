//! What is known of every certificate, in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use pki::crl::CrlReason;
use pki::key::IssuerId;
use pki::ocsp::CertStatus;
use pki::serial::SerialNumber;
use serde::Deserialize;

/// One entry of the authority's status log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Its place in the log; only grows.
    pub sequence: i64,
    /// Who issued the certificate.
    pub issuer: IssuerId,
    /// Its serial number.
    pub serial: SerialNumber,
    /// What became of it.
    pub status: Known,
    /// Why it was revoked.
    #[serde(default)]
    pub reason: Option<CrlReason>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// When its validity ends.
    pub not_after: Timestamp,
    /// When the entry was written.
    pub at: Timestamp,
}

/// The two states a certificate of ours can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// Issued and not revoked.
    Good,
    /// Revoked.
    Revoked,
}

/// What an entry changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who issued the certificate.
    pub issuer: IssuerId,
    /// Its serial number.
    pub serial: SerialNumber,
    /// What is known of it from now on.
    pub record: Record,
}

/// What is kept of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The entry it comes from.
    pub sequence: i64,
    /// When it was revoked, in Unix seconds, and why.
    pub revoked: Option<(i64, Option<CrlReason>)>,
}

impl Record {
    /// The status in an answer.
    pub fn status(&self) -> CertStatus {
        match self.revoked {
            None => CertStatus::Good,
            Some((at, reason)) => CertStatus::Revoked {
                at: Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH),
                reason: reason.map(wire_reason),
            },
        }
    }
}

impl From<&Entry> for Change {
    fn from(entry: &Entry) -> Self {
        let revoked = match entry.status {
            Known::Good => None,
            Known::Revoked => {
                let at = entry
                    .revoked_at
                    .unwrap_or(Timestamp::UNIX_EPOCH)
                    .as_second();
                Some((at, entry.reason))
            }
        };
        Self {
            issuer: entry.issuer,
            serial: entry.serial.clone(),
            record: Record {
                sequence: entry.sequence,
                revoked,
            },
        }
    }
}

/// The reason as the answer's encoder has it.
fn wire_reason(reason: CrlReason) -> x509_cert::ext::pkix::CrlReason {
    use x509_cert::ext::pkix::CrlReason as Wire;
    match reason {
        CrlReason::Unspecified => Wire::Unspecified,
        CrlReason::KeyCompromise => Wire::KeyCompromise,
        CrlReason::CaCompromise => Wire::CaCompromise,
        CrlReason::AffiliationChanged => Wire::AffiliationChanged,
        CrlReason::Superseded => Wire::Superseded,
        CrlReason::CessationOfOperation => Wire::CessationOfOperation,
        CrlReason::CertificateHold => Wire::CertificateHold,
        CrlReason::RemoveFromCrl => Wire::RemoveFromCRL,
        CrlReason::PrivilegeWithdrawn => Wire::PrivilegeWithdrawn,
        CrlReason::AaCompromise => Wire::AaCompromise,
    }
}

/// Serial number in a fixed size: its length, then its octets.
type SerialKey = (u8, [u8; 20]);

fn serial_key(serial: &SerialNumber) -> SerialKey {
    let mut key = [0; 20];
    for (to, from) in key.iter_mut().zip(serial.as_bytes()) {
        *to = *from;
    }
    (
        u8::try_from(serial.as_bytes().len()).unwrap_or(u8::MAX),
        key,
    )
}

/// The records of all certificates, by issuer and serial number.
#[derive(Debug, Default)]
pub struct Statuses(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_issuer: HashMap<IssuerId, HashMap<SerialKey, Record>>,
    cursor: i64,
}

impl Statuses {
    /// Takes a change over. A later one replaces an earlier one, except that a revocation is taken back only
    /// where it was a hold; `false` when the change was not taken.
    pub fn apply(&self, change: &Change) -> bool {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = change.record;
        inner.cursor = inner.cursor.max(fresh.sequence);
        let records = inner.by_issuer.entry(change.issuer).or_default();
        let key = serial_key(&change.serial);
        if let Some(old) = records.get(&key) {
            let final_revocation = old
                .revoked
                .is_some_and(|(_, reason)| reason != Some(CrlReason::CertificateHold));
            if old.sequence >= fresh.sequence || (final_revocation && fresh.revoked.is_none()) {
                return false;
            }
        }
        records.insert(key, fresh);
        true
    }

    /// The record of one certificate; `None` when it was never issued.
    pub fn find(&self, issuer: &IssuerId, serial: &SerialNumber) -> Option<Record> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .by_issuer
            .get(issuer)?
            .get(&serial_key(serial))
            .copied()
    }

    /// The highest sequence number seen.
    pub fn cursor(&self) -> i64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).cursor
    }

    /// Takes over that the log was read up to here.
    pub(crate) fn advance(&self, cursor: i64) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.cursor = inner.cursor.max(cursor);
    }

    /// How many certificates are known.
    pub fn len(&self) -> usize {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.by_issuer.values().map(HashMap::len).sum()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `each` with every record.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&IssuerId, &[u8], &Record)) {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (issuer, records) in &inner.by_issuer {
            for ((length, octets), record) in records {
                each(
                    issuer,
                    octets.get(..usize::from(*length)).unwrap_or_default(),
                    record,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: i64, status: Known, reason: Option<CrlReason>) -> Entry {
        Entry {
            sequence,
            issuer: "00112233445566778899aabbccddeeff".parse().unwrap(),
            serial: "0123456789abcdef0123456789abcdef01".parse().unwrap(),
            status,
            reason,
            revoked_at: reason.map(|_| Timestamp::from_second(sequence).unwrap()),
            not_after: Timestamp::MAX,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn change(sequence: i64, status: Known, reason: Option<CrlReason>) -> Change {
        Change::from(&entry(sequence, status, reason))
    }

    #[test]
    fn revocation_is_final_unless_it_was_a_hold() {
        let statuses = Statuses::default();
        let find = |s: &Statuses| {
            let e = entry(1, Known::Good, None);
            s.find(&e.issuer, &e.serial).map(|r| r.revoked.is_some())
        };
        assert_eq!(find(&statuses), None);
        assert!(statuses.apply(&change(1, Known::Good, None)));
        assert_eq!(find(&statuses), Some(false));
        assert!(statuses.apply(&change(3, Known::Revoked, Some(CrlReason::CertificateHold))));
        assert!(
            !statuses.apply(&change(2, Known::Good, None)),
            "an older entry"
        );
        assert_eq!(find(&statuses), Some(true));
        assert!(
            statuses.apply(&change(4, Known::Good, None)),
            "the hold is lifted"
        );
        assert!(statuses.apply(&change(5, Known::Revoked, Some(CrlReason::KeyCompromise))));
        assert!(
            !statuses.apply(&change(6, Known::Good, None)),
            "never good again"
        );
        assert_eq!(find(&statuses), Some(true));
        assert_eq!(statuses.cursor(), 6);
    }

    #[test]
    fn entries_read_as_the_authority_writes_them() {
        let text = r#"{"sequence":7,"issuer":"00112233445566778899aabbccddeeff","serial":"0123456789abcdef0123456789abcdef01",
            "status":"revoked","reason":"keyCompromise","revoked_at":"2026-11-22T01:02:03Z","not_after":"2028-01-01T00:00:00Z","at":"2026-11-22T01:02:03Z"}"#;
        let entry: Entry = serde_json::from_str(text).unwrap();
        assert_eq!(
            (entry.status, entry.reason),
            (Known::Revoked, Some(CrlReason::KeyCompromise))
        );
    }
}
