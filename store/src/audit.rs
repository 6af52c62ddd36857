//! The audit log: a chain in which every entry carries the hash of the one before, so that a changed, removed or
//! moved entry shows. Entries are only ever appended, in the transaction of the change they describe.

use diesel::prelude::*;
use domain::audit::AuditEvent;
use sha2::{Digest, Sha256};

use crate::backend::AnyConnection;
use crate::schema::audit::audit_events;
use crate::{Reader, StoreError};

/// Entries read at once while the chain is verified.
pub(crate) const VERIFY_BATCH: i64 = 1_000;
/// First bytes of every hashed entry; changes with the encoding.
const HASH_DOMAIN: &[u8] = b"romduol-audit-v1";
/// Upper bound of a page of the log.
const MAX_PAGE: i64 = 1_000;

/// The newest entry of a chain; the default is the empty chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of the entry, counted from 1; 0 for the empty chain.
    pub seq: i64,
    /// Hash of the entry; zeroes for the empty chain.
    pub hash: [u8; 32],
}

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events)]
pub struct AuditRecord {
    /// Its place in the chain, counted from 1 without gaps.
    pub seq: i64,
    /// Identifier of the event.
    pub id: String,
    /// When it happened, in Unix seconds.
    pub at: i64,
    /// Who acted, as the JSON of [`domain::audit::Actor`].
    pub actor: String,
    /// What was done: a name from `domain::audit::action`.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The request it was part of.
    pub request_id: Option<String>,
    /// Facts of the act, as a JSON object.
    pub detail: String,
    /// Hash of the entry before.
    pub prev_hash: Vec<u8>,
    /// SHA-256 over all of the above.
    pub hash: Vec<u8>,
}

/// The audit chain does not hold, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Entry `expected` is missing; `found` is the next one.
    #[error("audit entry {expected} is missing, {found} follows")]
    Gap {
        /// The number that had to come.
        expected: i64,
        /// The number that came.
        found: i64,
    },
    /// The entry does not continue the one before.
    #[error("audit entry {0} does not continue the entry before it")]
    Broken(i64),
    /// The entry's content is not what was hashed.
    #[error("audit entry {0} was changed")]
    Changed(i64),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which entries to list; empty fields select everything.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only this object.
    pub object: Option<String>,
}

impl AuditRecord {
    /// The entry that `event` becomes right after `head`.
    fn after(head: AuditHead, event: &AuditEvent) -> Result<Self, StoreError> {
        let actor = serde_json::to_string(&event.actor)
            .map_err(|_| StoreError::Invalid("actor of an audit event"))?;
        let mut record = Self {
            seq: head.seq + 1,
            id: event.id.to_string(),
            at: event.at.as_second(),
            actor,
            action: event.action.to_owned(),
            object: event.object.clone(),
            request_id: event.request_id.clone(),
            detail: event.detail.to_string(),
            prev_hash: head.hash.to_vec(),
            hash: Vec::new(),
        };
        record.hash = record.digest().to_vec();
        Ok(record)
    }

    /// SHA-256 over every field, each preceded by its length so that no two entries encode alike.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(HASH_DOMAIN);
        field(&self.prev_hash);
        field(&self.seq.to_be_bytes());
        field(self.id.as_bytes());
        field(&self.at.to_be_bytes());
        field(self.actor.as_bytes());
        field(self.action.as_bytes());
        field(self.object.as_bytes());
        field(&[u8::from(self.request_id.is_some())]);
        field(self.request_id.as_deref().unwrap_or_default().as_bytes());
        field(self.detail.as_bytes());
        hash.finalize().into()
    }

    /// The head this entry makes of `head`, or why it cannot follow it.
    pub fn follow(&self, head: AuditHead) -> Result<AuditHead, ChainError> {
        if self.seq != head.seq + 1 {
            return Err(ChainError::Gap {
                expected: head.seq + 1,
                found: self.seq,
            });
        }
        if self.prev_hash != head.hash {
            return Err(ChainError::Broken(self.seq));
        }
        let hash = self.digest();
        if self.hash != hash {
            return Err(ChainError::Changed(self.seq));
        }
        Ok(AuditHead {
            seq: self.seq,
            hash,
        })
    }
}

/// Appends `event` after `head`, which must be the newest entry, and returns the new head.
pub(crate) fn append(
    connection: &mut AnyConnection,
    head: AuditHead,
    event: &AuditEvent,
) -> Result<AuditHead, StoreError> {
    let record = AuditRecord::after(head, event)?;
    let hash = record.digest();
    diesel::insert_into(audit_events::table)
        .values(&record)
        .execute(connection)?;
    Ok(AuditHead {
        seq: record.seq,
        hash,
    })
}

impl Reader<'_> {
    /// The newest entry of the audit log.
    pub fn audit_head(&mut self) -> Result<AuditHead, StoreError> {
        let newest: Option<(i64, Vec<u8>)> = audit_events::table
            .select((audit_events::seq, audit_events::hash))
            .order(audit_events::seq.desc())
            .first(self.conn())
            .optional()?;
        let Some((seq, hash)) = newest else {
            return Ok(AuditHead::default());
        };
        let hash = hash
            .try_into()
            .map_err(|_| StoreError::Damaged("hash of an audit entry"))?;
        Ok(AuditHead { seq, hash })
    }

    /// Up to `limit` entries with a number above `after`, oldest first.
    pub fn list_audit_records(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.list_audit_records_where(&AuditFilter::default(), after, limit)
    }

    /// Up to `limit` entries with a number above `after` that match `filter`, oldest first.
    pub fn list_audit_records_where(
        &mut self,
        filter: &AuditFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let mut query = audit_events::table
            .select(AuditRecord::as_select())
            .filter(audit_events::seq.gt(after))
            .order(audit_events::seq.asc())
            .limit(limit.clamp(1, MAX_PAGE))
            .into_boxed();
        if let Some(action) = &filter.action {
            query = query.filter(audit_events::action.eq(action.clone()));
        }
        if let Some(object) = &filter.object {
            query = query.filter(audit_events::object.eq(object.clone()));
        }
        Ok(query.load(self.conn())?)
    }
}
