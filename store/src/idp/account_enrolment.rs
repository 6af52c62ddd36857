//! Invitations, the enrolments they open, and passkey ceremonies: records that live for minutes or days.

use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::accounts::{ceremonies, enrolments, invitations};
use crate::{Reader, StoreError, Writer};

/// An invitation, found by the keyed hash of its code.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = invitations)]
pub struct Invitation {
    /// Row identifier.
    pub id: String,
    /// The account it opens.
    pub account_id: String,
    /// Keyed hash of the code.
    pub code_hash: Vec<u8>,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Its end, in Unix seconds.
    pub expires_at: i64,
    /// When the enrolment it opened was finished, in Unix seconds.
    pub used_at: Option<i64>,
}

/// Somebody on the way through choosing ways to sign in.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = enrolments)]
pub struct Enrolment {
    /// Row identifier.
    pub id: String,
    /// SHA-256 of the browser's token.
    pub token_hash: Vec<u8>,
    /// The account.
    pub account_id: String,
    /// The invitation that opened it, when it activates.
    pub invitation_id: Option<String>,
    /// `activation` or `recovery`.
    pub purpose: String,
    /// What was chosen so far, sealed with the account's key.
    pub progress_sealed: Vec<u8>,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Its end, in Unix seconds.
    pub expires_at: i64,
}

/// A passkey ceremony between its two requests.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = ceremonies)]
pub struct Ceremony {
    /// Row identifier.
    pub id: String,
    /// `enrol`, `add`, `sign-in` or `step-up`.
    pub kind: String,
    /// SHA-256 of the browser secret (form token, session or enrolment token) it was begun with.
    pub bound_to: Vec<u8>,
    /// The library's state, as JSON.
    pub state: String,
    /// Its end, in Unix seconds.
    pub expires_at: i64,
}

impl Reader<'_> {
    /// The invitation with this code, used or not.
    pub fn find_invitation(
        &mut self,
        code_hash: &[u8; 32],
    ) -> Result<Option<Invitation>, StoreError> {
        Ok(invitations::table
            .filter(invitations::code_hash.eq(code_hash.as_slice()))
            .select(Invitation::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The enrolment of a browser.
    pub fn find_enrolment(
        &mut self,
        token_hash: &[u8; 32],
    ) -> Result<Option<Enrolment>, StoreError> {
        Ok(enrolments::table
            .filter(enrolments::token_hash.eq(token_hash.as_slice()))
            .select(Enrolment::as_select())
            .first(self.conn())
            .optional()?)
    }
}

impl Writer<'_> {
    /// Adds an invitation and voids earlier ones of the account.
    pub fn insert_invitation(&mut self, row: &Invitation) -> Result<(), StoreError> {
        diesel::delete(
            invitations::table
                .filter(invitations::account_id.eq(&row.account_id))
                .filter(invitations::used_at.is_null()),
        )
        .execute(self.conn())?;
        diesel::insert_into(invitations::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Marks an invitation as used; a conflict when it was used meanwhile.
    pub fn spend_invitation(&mut self, id: &str, at: i64) -> Result<(), StoreError> {
        let spent = diesel::update(
            invitations::table
                .filter(invitations::id.eq(id))
                .filter(invitations::used_at.is_null()),
        )
        .set(invitations::used_at.eq(Some(at)))
        .execute(self.conn())?;
        if spent == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("invitation used before"))
        }
    }

    /// Begins an enrolment; earlier ones of the account end.
    pub fn insert_enrolment(&mut self, row: &Enrolment) -> Result<(), StoreError> {
        diesel::delete(enrolments::table.filter(enrolments::account_id.eq(&row.account_id)))
            .execute(self.conn())?;
        diesel::insert_into(enrolments::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Keeps what was chosen, provided that nothing was chosen since it was read as `before`.
    pub fn advance_enrolment(
        &mut self,
        id: &str,
        before: &[u8],
        progress_sealed: &[u8],
    ) -> Result<(), StoreError> {
        let kept = diesel::update(
            enrolments::table
                .filter(enrolments::id.eq(id))
                .filter(enrolments::progress_sealed.eq(before)),
        )
        .set(enrolments::progress_sealed.eq(progress_sealed))
        .execute(self.conn())?;
        if kept == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("enrolment moved on meanwhile"))
        }
    }

    /// Ends an enrolment; a conflict when it ended meanwhile.
    pub fn end_enrolment(&mut self, id: &str) -> Result<(), StoreError> {
        let gone = diesel::delete(enrolments::table.find(id)).execute(self.conn())?;
        if gone == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict("enrolment ended meanwhile"))
        }
    }

    /// Begins a passkey ceremony.
    pub fn insert_ceremony(&mut self, row: &Ceremony) -> Result<(), StoreError> {
        diesel::insert_into(ceremonies::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Takes a ceremony out, whatever comes of it: it serves one answer of one browser, in its time.
    pub fn take_ceremony(
        &mut self,
        id: Uuid,
        kind: &str,
        bound_to: &[u8; 32],
        now: i64,
    ) -> Result<Option<Ceremony>, StoreError> {
        let found: Option<Ceremony> = ceremonies::table
            .filter(ceremonies::id.eq(id.to_string()))
            .filter(ceremonies::kind.eq(kind))
            .filter(ceremonies::bound_to.eq(bound_to.as_slice()))
            .select(Ceremony::as_select())
            .first(self.conn())
            .optional()?;
        let Some(ceremony) = found else {
            return Ok(None);
        };
        diesel::delete(ceremonies::table.find(&ceremony.id)).execute(self.conn())?;
        Ok(Some(ceremony).filter(|ceremony| now < ceremony.expires_at))
    }

    /// Removes invitations, enrolments and ceremonies past their time; returns how many.
    pub fn clean_enrolments(&mut self, now: i64) -> Result<usize, StoreError> {
        let conn = self.conn();
        let invited = diesel::delete(invitations::table.filter(invitations::expires_at.le(now)))
            .execute(conn)?;
        let enrolling = diesel::delete(enrolments::table.filter(enrolments::expires_at.le(now)))
            .execute(conn)?;
        let ceremonial = diesel::delete(ceremonies::table.filter(ceremonies::expires_at.le(now)))
            .execute(conn)?;
        Ok(invited + enrolling + ceremonial)
    }
}
