//! Who used whose data: the record a person reads on their own page.

use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::accounts::data_accesses;
use crate::{Reader, StoreError, Writer};

/// One use of a person's data; it names kinds of data, never the data.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = data_accesses)]
pub struct DataAccess {
    /// Row identifier (UUIDv7, so that its order is that of time).
    pub id: String,
    /// Whose data.
    pub subject_id: String,
    /// When, in Unix seconds.
    pub at: i64,
    /// `relying-party`, `staff`, `register` or `subject`.
    pub kind: String,
    /// Identifier of who used it: a client, or an account of staff (never shown).
    pub actor_id: String,
    /// The name shown: a ministry's service, or an office.
    pub actor_name: String,
    /// Why, as a purpose code or the words of the relying party.
    pub purpose: String,
    /// Names of what was used, separated by spaces.
    pub items: String,
    /// The grant, consent or case it rests on.
    pub reference: Option<String>,
    /// When the row may be removed, in Unix seconds.
    pub expires_at: i64,
}

impl Reader<'_> {
    /// Uses of a person's data, newest first; `before` is the identifier of the last row of the page before.
    pub fn list_data_accesses(
        &mut self,
        subject: Uuid,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<DataAccess>, StoreError> {
        let mut query = data_accesses::table
            .filter(data_accesses::subject_id.eq(subject.to_string()))
            .into_boxed();
        if let Some(before) = before {
            query = query.filter(data_accesses::id.lt(before.to_owned()));
        }
        Ok(query
            .order(data_accesses::id.desc())
            .limit(limit)
            .select(DataAccess::as_select())
            .load(self.conn())?)
    }

    /// How often a person's data was used.
    pub fn count_data_accesses(&mut self, subject: Uuid) -> Result<i64, StoreError> {
        Ok(data_accesses::table
            .filter(data_accesses::subject_id.eq(subject.to_string()))
            .count()
            .get_result(self.conn())?)
    }
}

impl Writer<'_> {
    /// Records a use.
    pub fn insert_data_access(&mut self, row: &DataAccess) -> Result<(), StoreError> {
        diesel::insert_into(data_accesses::table)
            .values(row)
            .execute(self.conn())?;
        Ok(())
    }

    /// Removes records past their time; returns how many.
    pub fn clean_data_accesses(&mut self, now: i64) -> Result<usize, StoreError> {
        Ok(
            diesel::delete(data_accesses::table.filter(data_accesses::expires_at.le(now)))
                .execute(self.conn())?,
        )
    }
}
