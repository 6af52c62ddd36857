//! Messages on their way to people, and the codes some of them carry.

use diesel::prelude::*;

use crate::schema::accounts::{contact_codes, outbox_messages};
use crate::{Reader, StoreError, Writer};

/// A message. Its content is sealed with a key of its own, which is destroyed once it is delivered or given up.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = outbox_messages)]
pub struct OutboxMessage {
    /// Identifier, also the subject of the key.
    pub id: String,
    /// What it is about, as in `account-invitation`.
    pub kind: String,
    /// `email` or `sms`.
    pub channel: String,
    /// Its language.
    pub locale: String,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    /// The key, wrapped by the token.
    pub wrapped_key: Option<Vec<u8>>,
    /// Recipient, subject line and text as JSON, sealed.
    pub content_sealed: Option<Vec<u8>>,
    /// Tries so far.
    pub attempts: i64,
    /// No try before this, in Unix seconds.
    pub next_attempt_at: i64,
    /// Why the last try failed; never an address.
    pub last_error: Option<String>,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Delivery, in Unix seconds.
    pub sent_at: Option<i64>,
    /// When the row may be removed, in Unix seconds.
    pub expires_at: i64,
}

/// A contact code that was sent, as a keyed hash.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = contact_codes)]
pub struct ContactCode {
    /// Row identifier.
    pub id: String,
    /// What it is asked for: an application or an account.
    pub owner_id: String,
    /// `email` or `sms`.
    pub channel: String,
    /// Keyed hash of the address or number.
    pub target_index: Vec<u8>,
    /// Keyed hash of the code.
    pub code_hash: Vec<u8>,
    /// Wrong tries so far.
    pub tries: i64,
    /// Creation, in Unix seconds.
    pub created_at: i64,
    /// Its end, in Unix seconds.
    pub expires_at: i64,
    /// When it was used, in Unix seconds.
    pub used_at: Option<i64>,
}

impl Reader<'_> {
    /// Messages to send now, oldest first.
    pub fn list_due_messages(
        &mut self,
        now: i64,
        limit: i64,
    ) -> Result<Vec<OutboxMessage>, StoreError> {
        Ok(outbox_messages::table
            .filter(outbox_messages::state.eq("queued"))
            .filter(outbox_messages::next_attempt_at.le(now))
            .order((outbox_messages::next_attempt_at, outbox_messages::id))
            .limit(limit)
            .select(OutboxMessage::as_select())
            .load(self.conn())?)
    }

    /// The newest messages, whatever became of them.
    pub fn list_messages(&mut self, limit: i64) -> Result<Vec<OutboxMessage>, StoreError> {
        Ok(outbox_messages::table
            .order(outbox_messages::id.desc())
            .limit(limit)
            .select(OutboxMessage::as_select())
            .load(self.conn())?)
    }

    /// How many messages wait.
    pub fn count_queued_messages(&mut self) -> Result<i64, StoreError> {
        Ok(outbox_messages::table
            .filter(outbox_messages::state.eq("queued"))
            .count()
            .get_result(self.conn())?)
    }

    /// The newest code sent to an address for an owner.
    pub fn find_contact_code(
        &mut self,
        owner: &str,
        target_index: &[u8; 32],
    ) -> Result<Option<ContactCode>, StoreError> {
        Ok(contact_codes::table
            .filter(contact_codes::owner_id.eq(owner))
            .filter(contact_codes::target_index.eq(target_index.as_slice()))
            .order((contact_codes::created_at.desc(), contact_codes::id.desc()))
            .select(ContactCode::as_select())
            .first(self.conn())
            .optional()?)
    }

    /// When codes were sent to an address since a moment, newest first, whoever asked.
    pub fn list_contact_code_times(
        &mut self,
        target_index: &[u8; 32],
        since: i64,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(contact_codes::table
            .filter(contact_codes::target_index.eq(target_index.as_slice()))
            .filter(contact_codes::created_at.ge(since))
            .order(contact_codes::created_at.desc())
            .select(contact_codes::created_at)
            .load(self.conn())?)
    }
}

impl Writer<'_> {
    /// Puts a message into the outbox.
    pub fn insert_message(&mut self, row: &OutboxMessage) -> Result<(), StoreError> {
        diesel::insert_into(outbox_messages::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Claims a queued message for one try: counts it and keeps others off until `again_at`. `false` when somebody
    /// else has claimed it since it was read.
    pub fn claim_message(
        &mut self,
        id: &str,
        attempts: i64,
        again_at: i64,
    ) -> Result<bool, StoreError> {
        let claimed = diesel::update(
            outbox_messages::table
                .filter(outbox_messages::id.eq(id))
                .filter(outbox_messages::state.eq("queued"))
                .filter(outbox_messages::attempts.eq(attempts)),
        )
        .set((
            outbox_messages::attempts.eq(attempts + 1),
            outbox_messages::next_attempt_at.eq(again_at),
        ))
        .execute(self.conn())?;
        Ok(claimed == 1)
    }

    /// Records a delivery. With `keep_content` the text stays readable (development only).
    pub fn finish_message(
        &mut self,
        id: &str,
        at: i64,
        keep_content: bool,
    ) -> Result<(), StoreError> {
        diesel::update(outbox_messages::table.find(id))
            .set((
                outbox_messages::state.eq("sent"),
                outbox_messages::sent_at.eq(Some(at)),
                outbox_messages::last_error.eq(None::<String>),
            ))
            .execute(self.conn())?;
        if keep_content {
            Ok(())
        } else {
            self.forget_content(id)
        }
    }

    /// Records a failed try, to be repeated at `again_at`; `last` gives the message up.
    pub fn fail_message(
        &mut self,
        id: &str,
        error: &str,
        again_at: i64,
        last: bool,
    ) -> Result<(), StoreError> {
        let state = if last { "failed" } else { "queued" };
        diesel::update(outbox_messages::table.find(id))
            .set((
                outbox_messages::state.eq(state),
                outbox_messages::next_attempt_at.eq(again_at),
                outbox_messages::last_error.eq(Some(error.to_owned())),
            ))
            .execute(self.conn())?;
        if last {
            self.forget_content(id)
        } else {
            Ok(())
        }
    }

    fn forget_content(&mut self, id: &str) -> Result<(), StoreError> {
        diesel::update(outbox_messages::table.find(id))
            .set((
                outbox_messages::wrapped_key.eq(None::<Vec<u8>>),
                outbox_messages::content_sealed.eq(None::<Vec<u8>>),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Adds a contact code.
    pub fn insert_contact_code(&mut self, row: &ContactCode) -> Result<(), StoreError> {
        diesel::insert_into(contact_codes::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Keeps the outcome of a try.
    pub fn update_contact_code(
        &mut self,
        id: &str,
        tries: i64,
        used_at: Option<i64>,
    ) -> Result<(), StoreError> {
        diesel::update(contact_codes::table.find(id))
            .set((
                contact_codes::tries.eq(tries),
                contact_codes::used_at.eq(used_at),
            ))
            .execute(self.conn())?;
        Ok(())
    }

    /// Removes messages and codes past their time; returns how many.
    pub fn clean_outbox(&mut self, now: i64) -> Result<usize, StoreError> {
        let conn = self.conn();
        let messages = diesel::delete(
            outbox_messages::table
                .filter(outbox_messages::expires_at.le(now))
                .filter(outbox_messages::state.ne("queued")),
        )
        .execute(conn)?;
        let codes = diesel::delete(contact_codes::table.filter(contact_codes::expires_at.le(now)))
            .execute(conn)?;
        Ok(messages + codes)
    }
}
