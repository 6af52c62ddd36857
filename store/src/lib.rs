//! The one home of SQL: diesel models, transactions, sealed personal data.
//!
//! A [`Store`] is one database, SQLite or PostgreSQL, behind one set of queries. Reading goes through
//! [`Store::read`]; changing goes through [`Store::write`], which commits the change and its audit event together
//! or neither. Queries are `impl Reader<'_>` and `impl Writer<'_>` blocks beside their tables.

mod audit;
mod backend;
pub mod ca;
mod error;
pub mod idp;
mod migrate;
mod schema;
pub mod sealing;
mod session;
mod writing;

#[cfg(test)]
mod core_tests;
#[cfg(test)]
mod schema_tests;

use std::sync::Arc;

use domain::audit::AuditEvent;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub use audit::{AuditFilter, AuditHead, AuditRecord, ChainError};
pub use error::StoreError;
pub use session::{Reader, Writer};

use backend::Pools;
use writing::WriteQueue;

/// Which of the two databases: they share no table but the audit log, so that personal data can sit apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Certificates, credentials, status log.
    Ca,
    /// Persons, cases, accounts, clients, consents.
    Idp,
}

/// Where the database is and how many connections read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite://PATH` (created when absent), `sqlite::memory:` or `postgres://USER@HOST/NAME`. The password of a
    /// PostgreSQL user belongs into a password file (`passfile=PATH` in the address), not into the address.
    pub url: String,
    /// Connections that read at the same time.
    pub pool_size: u32,
}

/// Readers of one node that suit two to eight cores.
const DEFAULT_POOL_SIZE: u32 = 8;

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: "sqlite::memory:".to_owned(),
            pool_size: DEFAULT_POOL_SIZE,
        }
    }
}

/// One database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    schema: Schema,
    pools: Pools,
    /// One permit per reading connection, so that no thread waits for a connection.
    readers: Arc<Semaphore>,
    writes: WriteQueue,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("schema", &self.0.schema)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Connects; blocks for at most the connect timeout. The tables may still be missing: see [`Store::migrate`].
    pub fn open(config: &StoreConfig, schema: Schema) -> Result<Self, StoreError> {
        let pools = Pools::open(config)?;
        let readers = Arc::new(Semaphore::new(pools.readers()));
        let writes = WriteQueue::start(pools.clone())?;
        Ok(Self(Arc::new(Inner {
            schema,
            pools,
            readers,
            writes,
        })))
    }

    /// An empty, migrated database in memory, gone with the last clone: for tests and throw-away runs.
    pub fn in_memory(schema: Schema) -> Result<Self, StoreError> {
        let store = Self::open(&StoreConfig::default(), schema)?;
        store.migrate_blocking()?;
        Ok(store)
    }

    /// Brings the tables to the state this program expects; names the migrations that ran. Safe to run on several
    /// nodes at once.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.migrate_blocking())
            .await
            .map_err(|_| StoreError::Interrupted)?
    }

    /// [`Store::migrate`] for callers without a runtime.
    pub fn migrate_blocking(&self) -> Result<Vec<String>, StoreError> {
        migrate::run(&mut *self.0.pools.writer()?, self.0.schema)
    }

    /// Names the migrations this program has and the database has not.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || {
            migrate::pending(&mut *store.0.pools.writer()?, store.0.schema)
        })
        .await
        .map_err(|_| StoreError::Interrupted)?
    }

    /// Runs queries on a connection that cannot write. Each statement sees what was committed before it. The work
    /// runs to its end even when the caller goes away.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.readers)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Interrupted)?;
        let store = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = store.0.pools.reader()?;
            work(&mut Reader::new(&mut connection))
        })
        .await
        .map_err(|_| StoreError::Interrupted)?
    }

    /// Runs `work` and records `event` in one transaction: both are durable when this returns `Ok`, neither is
    /// when it returns an error of `work`. Writes of one database happen one after the other, so `work` may check
    /// and then act. The write runs to its end even when the caller goes away after it was queued.
    pub async fn write<T: Send + 'static>(
        &self,
        event: AuditEvent,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writes.submit(event, work).await
    }

    /// Recomputes the audit chain from its start (or from `after`) and returns its head; an error names the first
    /// entry that does not fit.
    pub async fn verify_audit_chain(
        &self,
        after: Option<AuditHead>,
    ) -> Result<AuditHead, ChainError> {
        let mut head = after.unwrap_or_default();
        loop {
            let from = head.seq;
            let batch = self
                .read(move |r| r.list_audit_records(from, audit::VERIFY_BATCH))
                .await?;
            if batch.is_empty() {
                return Ok(head);
            }
            for record in &batch {
                head = record.follow(head)?;
            }
        }
    }

    /// Whether the database answers.
    pub async fn health(&self) -> Result<(), StoreError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method's path names one lifetime, the bound asks for every"
        )]
        self.read(|reader| reader.ping()).await
    }
}
