//! Sessions and the counters that slow guesses down.

use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::accounts::{sessions, throttles};
use crate::{Reader, StoreError, Writer};

/// A signed-in browser.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    /// Identifier, not secret.
    pub id: String,
    /// SHA-256 of the browser's token.
    pub token_hash: Vec<u8>,
    /// Whose session.
    pub account_id: String,
    /// How the holder signed in, as JSON of `domain::account::SignInMethod`.
    pub method: String,
    /// Method references, separated by spaces.
    pub amr: String,
    /// Assurance level of the sign-in.
    pub aal: i64,
    /// The kind of browser, in words a person recognises.
    pub client: String,
    /// When the holder signed in, in Unix seconds.
    pub signed_in_at: i64,
    /// Last recorded request, in Unix seconds.
    pub last_seen_at: i64,
    /// Its end whatever happens, in Unix seconds.
    pub expires_at: i64,
    /// When it was ended, in Unix seconds.
    pub ended_at: Option<i64>,
}

/// A stored counter of tries.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = throttles)]
pub struct ThrottleRow {
    /// Hash of what is counted.
    pub key: Vec<u8>,
    /// Tries so far.
    pub tries: i64,
    /// Last counted try, in Unix seconds.
    pub last_try_at: i64,
    /// No try before this, in Unix seconds.
    pub blocked_until: i64,
    /// When the row may be removed, in Unix seconds.
    pub expires_at: i64,
}

impl Reader<'_> {
    /// The session of a browser token, unless it was ended.
    pub fn find_session(
        &mut self,
        token_hash: &[u8; 32],
    ) -> Result<Option<SessionRow>, StoreError> {
        Ok(sessions::table
            .filter(sessions::token_hash.eq(token_hash.as_slice()))
            .filter(sessions::ended_at.is_null())
            .select(SessionRow::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// The sessions of an account that have not ended at `now`, newest first.
    pub fn list_sessions(
        &mut self,
        account: Uuid,
        now: i64,
    ) -> Result<Vec<SessionRow>, StoreError> {
        Ok(sessions::table
            .filter(sessions::account_id.eq(account.to_string()))
            .filter(sessions::ended_at.is_null())
            .filter(sessions::expires_at.gt(now))
            .order((sessions::signed_in_at.desc(), sessions::id.desc()))
            .select(SessionRow::as_select())
            .load(self.conn())?)
    }

    /// A counter of tries.
    pub fn find_throttle(&mut self, key: &[u8; 32]) -> Result<Option<ThrottleRow>, StoreError> {
        Ok(throttles::table
            .find(key.as_slice())
            .select(ThrottleRow::as_select())
            .first(self.conn())
            .optional()?)
    }
}

impl Writer<'_> {
    /// Begins a session.
    pub fn insert_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
        diesel::insert_into(sessions::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Records that a session was used.
    pub fn touch_session(&mut self, id: Uuid, at: i64) -> Result<(), StoreError> {
        diesel::update(
            sessions::table
                .filter(sessions::id.eq(id.to_string()))
                .filter(sessions::ended_at.is_null())
                .filter(sessions::last_seen_at.lt(at)),
        )
        .set(sessions::last_seen_at.eq(at))
        .execute(self.conn())?;
        Ok(())
    }

    /// Ends one session of an account; one that ended before is not found.
    pub fn end_session(&mut self, account: Uuid, id: &str, at: i64) -> Result<(), StoreError> {
        let ended = diesel::update(
            sessions::table
                .filter(sessions::id.eq(id))
                .filter(sessions::account_id.eq(account.to_string()))
                .filter(sessions::ended_at.is_null()),
        )
        .set(sessions::ended_at.eq(Some(at)))
        .execute(self.conn())?;
        if ended == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound)
        }
    }

    /// Ends the sessions of an account, except one; returns how many ended.
    pub fn end_sessions(
        &mut self,
        account: Uuid,
        except: Option<&str>,
        at: i64,
    ) -> Result<usize, StoreError> {
        Ok(diesel::update(
            sessions::table
                .filter(sessions::account_id.eq(account.to_string()))
                .filter(sessions::id.ne(except.unwrap_or_default()))
                .filter(sessions::ended_at.is_null()),
        )
        .set(sessions::ended_at.eq(Some(at)))
        .execute(self.conn())?)
    }

    /// Keeps a counter of tries.
    pub fn put_throttle(&mut self, row: &ThrottleRow) -> Result<(), StoreError> {
        diesel::delete(throttles::table.find(&row.key)).execute(self.conn())?;
        diesel::insert_into(throttles::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Forgets a counter of tries.
    pub fn clear_throttle(&mut self, key: &[u8; 32]) -> Result<(), StoreError> {
        diesel::delete(throttles::table.find(key.as_slice())).execute(self.conn())?;
        Ok(())
    }

    /// Removes sessions that ended before `before` and counters past their time at `now`; returns how many.
    pub fn clean_sessions(&mut self, before: i64, now: i64) -> Result<usize, StoreError> {
        let conn = self.conn();
        let ended = diesel::delete(sessions::table.filter(sessions::expires_at.le(before)))
            .execute(conn)?;
        let counted =
            diesel::delete(throttles::table.filter(throttles::expires_at.le(now))).execute(conn)?;
        Ok(ended + counted)
    }
}
