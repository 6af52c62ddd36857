//! What a query runs on: a [`Reader`], or a [`Writer`] inside its transaction.

use std::ops::{Deref, DerefMut};

use diesel::RunQueryDsl;
use domain::audit::AuditEvent;

use crate::StoreError;
use crate::backend::AnyConnection;

/// A connection that reads. Queries are methods on it, beside their tables.
pub struct Reader<'c> {
    connection: &'c mut AnyConnection,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(connection: &'c mut AnyConnection) -> Self {
        Self { connection }
    }

    /// The connection, for the query modules of this crate.
    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        self.connection
    }

    /// Asks the database for a sign of life.
    pub fn ping(&mut self) -> Result<(), StoreError> {
        diesel::sql_query("SELECT 1").execute(self.conn())?;
        Ok(())
    }
}

/// A connection inside the transaction of one audited change; it also reads.
pub struct Writer<'c> {
    reader: Reader<'c>,
    /// The event of the change, and those the work added.
    events: Events,
}

/// The audit events of one change.
pub(crate) struct Events {
    pub(crate) main: AuditEvent,
    pub(crate) more: Vec<AuditEvent>,
}

impl<'c> Writer<'c> {
    pub(crate) fn new(connection: &'c mut AnyConnection, event: AuditEvent) -> Self {
        Self {
            reader: Reader::new(connection),
            events: Events {
                main: event,
                more: Vec::new(),
            },
        }
    }

    pub(crate) fn into_events(self) -> Events {
        self.events
    }

    /// Adds a fact that only the work knows to the event of this change; never personal data.
    pub fn note(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        let detail = &mut self.events.main.detail;
        if !detail.is_object() {
            *detail = serde_json::Value::Object(serde_json::Map::new());
        }
        if let Some(map) = detail.as_object_mut() {
            map.insert(key.to_owned(), value.into());
        }
    }

    /// Records a further event with this change, after its first.
    pub fn also(&mut self, event: AuditEvent) {
        self.events.more.push(event);
    }
}

impl<'c> Deref for Writer<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.reader
    }
}
