//! Documents that wait for their holder's assertion. The bytes leave the row with its first outcome.

use diesel::prelude::*;

use crate::schema::ca::documents;
use crate::{Reader, StoreError, Writer};

/// One prepared document.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = documents)]
pub struct DocumentRow {
    /// Identifier (UUIDv7).
    pub id: String,
    /// The credential that is to sign.
    pub credential: String,
    /// Who brought it.
    pub caller: String,
    /// `b-b` or `b-t`.
    pub level: String,
    /// SHA-256 over the document's signed bytes.
    pub document_digest: Vec<u8>,
    /// SHA-256 over the data to be signed.
    pub dtbs_digest: Vec<u8>,
    /// What the assertion has to answer.
    pub challenge: Vec<u8>,
    /// `prepared`, `authorised`, `signed`, `failed` or `expired`.
    pub state: String,
    /// The prepared document, while it waits.
    pub bytes: Option<Vec<u8>>,
    /// Length of the document as it was brought.
    pub size: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Until when it may be signed, Unix seconds.
    pub expires_at: i64,
    /// Unix seconds.
    pub ended_at: Option<i64>,
    /// When the row may be removed, Unix seconds.
    pub keep_until: i64,
}

impl Reader<'_> {
    /// The document `id`.
    pub fn find_document(&mut self, id: &str) -> Result<Option<DocumentRow>, StoreError> {
        Ok(documents::table
            .find(id)
            .select(DocumentRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// How many documents of a credential wait, and their bytes together.
    pub fn waiting_documents(&mut self, credential: &str) -> Result<(i64, i64), StoreError> {
        let sizes: Vec<i64> = documents::table
            .filter(documents::credential.eq(credential))
            .filter(documents::state.eq("prepared"))
            .select(documents::size)
            .load(self.conn())?;
        let count = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
        Ok((
            count,
            sizes
                .iter()
                .fold(0_i64, |sum, size| sum.saturating_add(*size)),
        ))
    }

    /// Whether [`Writer::expire_documents`] would find anything.
    pub fn has_due_documents(&mut self, at: i64, stuck_before: i64) -> Result<bool, StoreError> {
        for (state, bound) in [("prepared", at), ("authorised", stuck_before)] {
            let due = documents::table
                .filter(documents::state.eq(state))
                .filter(documents::expires_at.le(bound))
                .select(documents::id)
                .first::<String>(self.conn())
                .optional()?;
            if due.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Writer<'_> {
    /// Writes a prepared document.
    pub fn insert_document(&mut self, row: &DocumentRow) -> Result<(), StoreError> {
        diesel::insert_into(documents::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Moves a document that still waits at `at` to `authorised`: this happens once, so the assertion is used once.
    pub fn authorise_document(&mut self, id: &str, at: i64) -> Result<(), StoreError> {
        let waiting = documents::table
            .filter(documents::id.eq(id))
            .filter(documents::state.eq("prepared"))
            .filter(documents::expires_at.gt(at));
        let changed = diesel::update(waiting)
            .set(documents::state.eq("authorised"))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("the document does not wait"))
        }
    }

    /// Ends an authorised document and drops its bytes.
    pub fn end_document(&mut self, id: &str, signed: bool, at: i64) -> Result<(), StoreError> {
        let authorised = documents::table
            .filter(documents::id.eq(id))
            .filter(documents::state.eq("authorised"));
        let state = if signed { "signed" } else { "failed" };
        let changed = diesel::update(authorised)
            .set((
                documents::state.eq(state),
                documents::ended_at.eq(Some(at)),
                documents::bytes.eq(None::<Vec<u8>>),
            ))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("the document has ended"))
        }
    }

    /// Drops the bytes of documents whose time ran out at `at`; `stuck_before` ends those that a crash left
    /// authorised. Gives how many.
    pub fn expire_documents(&mut self, at: i64, stuck_before: i64) -> Result<usize, StoreError> {
        let mut ended = 0;
        for (state, outcome, bound) in [
            ("prepared", "expired", at),
            ("authorised", "failed", stuck_before),
        ] {
            let due = documents::table
                .filter(documents::state.eq(state))
                .filter(documents::expires_at.le(bound));
            ended += diesel::update(due)
                .set((
                    documents::state.eq(outcome),
                    documents::ended_at.eq(Some(at)),
                    documents::bytes.eq(None::<Vec<u8>>),
                ))
                .execute(self.conn())?;
        }
        Ok(ended)
    }
}
