//! Intents: what was meant to be signed.

use diesel::prelude::*;
use domain::certificate::{IntentOutcome, IntentState};

use super::MAX_PAGE;
use crate::schema::ca::issuance_intents as intents;
use crate::{Reader, StoreError, Writer};

/// One intent. A new one is pending and has neither failure nor end.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = intents)]
pub struct IntentRow {
    /// Identifier (UUIDv7).
    pub id: String,
    /// Who asked.
    pub caller: String,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// SHA-256 over the request, so that a key is not used for another one.
    pub request_hash: Vec<u8>,
    /// Name of the certificate profile.
    pub profile: String,
    /// Identifier of the issuer's key.
    pub issuer: String,
    /// The serial number, lower-case hex; never used by another intent.
    pub serial: String,
    /// SHA-256 over the DER of the SubjectPublicKeyInfo.
    pub spki_hash: Vec<u8>,
    /// SHA-256 over the subject as asked for.
    pub holder_hash: Vec<u8>,
    /// The DER of the TBSCertificate that was linted.
    pub tbs: Vec<u8>,
    /// A word of [`IntentState`].
    pub state: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it was written, in Unix seconds.
    pub created_at: i64,
    /// When it ended, in Unix seconds.
    pub ended_at: Option<i64>,
    /// When the row may be removed, in Unix seconds.
    pub keep_until: i64,
}

impl IntentRow {
    /// The state as a type.
    pub fn state(&self) -> Result<IntentState, StoreError> {
        self.state
            .parse()
            .map_err(|_| StoreError::Damaged("state of an intent"))
    }
}

impl Reader<'_> {
    /// The live (pending or issued) intent of `caller` under `key`.
    pub fn find_intent_by_key(
        &mut self,
        caller: &str,
        key: &str,
    ) -> Result<Option<IntentRow>, StoreError> {
        let live = [IntentState::Pending.as_str(), IntentState::Issued.as_str()];
        Ok(intents::table
            .filter(intents::caller.eq(caller))
            .filter(intents::idempotency_key.eq(key))
            .filter(intents::state.eq_any(live))
            .select(IntentRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The intent `id`.
    pub fn load_intent(&mut self, id: &str) -> Result<IntentRow, StoreError> {
        Ok(intents::table
            .find(id)
            .select(IntentRow::as_select())
            .first(self.conn())?)
    }

    /// Pending intents written before `before` (Unix seconds), oldest first, at most [`MAX_PAGE`].
    pub fn list_pending_intents(&mut self, before: i64) -> Result<Vec<IntentRow>, StoreError> {
        Ok(intents::table
            .filter(intents::state.eq(IntentState::Pending.as_str()))
            .filter(intents::created_at.lt(before))
            .order(intents::created_at)
            .limit(MAX_PAGE)
            .select(IntentRow::as_select())
            .load(self.conn())?)
    }
}

impl Writer<'_> {
    /// Writes a pending intent; [`StoreError::Conflict`] when the caller's key is in use by a live intent.
    pub fn insert_intent(&mut self, intent: &IntentRow) -> Result<(), StoreError> {
        diesel::insert_into(intents::table)
            .values(intent)
            .execute(self.conn())?;
        Ok(())
    }

    /// Ends a pending intent; [`StoreError::Conflict`] when it ended before.
    pub fn end_intent(
        &mut self,
        id: &str,
        outcome: IntentOutcome,
        failure: Option<&str>,
        at: i64,
    ) -> Result<(), StoreError> {
        let pending = intents::table
            .filter(intents::id.eq(id))
            .filter(intents::state.eq(IntentState::Pending.as_str()));
        let changed = diesel::update(pending)
            .set((
                intents::state.eq(IntentState::from(outcome).as_str()),
                intents::failure.eq(failure),
                intents::ended_at.eq(Some(at)),
            ))
            .execute(self.conn())?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("the intent has ended before"))
        }
    }
}
