//! SQLite and PostgreSQL behind one connection type: the only file that tells them apart at run time.
//!
//! What diesel cannot say for both at once (`ON CONFLICT`, batch inserts) is written as `diesel::sql_query` with
//! `$1`, `$2`… parameters, which both understand unchanged.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection};

use crate::{StoreConfig, StoreError};

/// How long SQLite waits for another process's lock.
const SQLITE_BUSY_TIMEOUT_MS: u32 = 5_000;
/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL works on one statement before it gives up.
const POSTGRES_STATEMENT_TIMEOUT_MS: u32 = 30_000;
/// Key of the PostgreSQL advisory lock that keeps the writers of several nodes one after the other.
const WRITER_LOCK: i64 = 0x726f_6d64_756f_6c01;
/// Key of the PostgreSQL advisory lock held while migrating.
const MIGRATION_LOCK: i64 = 0x726f_6d64_756f_6c02;
const MEMORY_URL: &str = "sqlite::memory:";
const SQLITE_PREFIX: &str = "sqlite://";

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub(crate) enum AnyConnection {
    /// SQLite, in a file or in memory.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

impl AnyConnection {
    /// Opens the transaction of a group of writes: nobody else writes until it ends.
    pub(crate) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
            Self::Postgres(c) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN")?;
                c.batch_execute(&format!("SELECT pg_advisory_xact_lock({WRITER_LOCK})"))
            }
        }
    }

    /// Lets the only connection of a database in memory write, or not; the others are made for one use.
    fn set_query_only(&mut self, on: bool) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => c.batch_execute(if on {
                "PRAGMA query_only=1"
            } else {
                "PRAGMA query_only=0"
            }),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Runs `work` while no other node migrates.
    pub(crate) fn with_migration_lock<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Self::Postgres(c) = self {
            c.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))?;
        }
        let outcome = work(self);
        if let Self::Postgres(c) = self {
            c.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})"))?;
        }
        outcome
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
    /// The single connection of a database in memory.
    Both,
}

/// Makes connections of one kind for a pool.
pub(crate) struct Manager {
    url: String,
    purpose: Use,
    /// How many connections of the store were lost so far.
    lost: Arc<AtomicU64>,
}

/// A connection, and how many others were lost when it was last seen to work.
pub(crate) struct Held {
    connection: AnyConnection,
    lost: u64,
}

impl Deref for Held {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

impl Manager {
    fn establish(&self) -> Result<AnyConnection, StoreError> {
        let path = if self.url == MEMORY_URL {
            Some(":memory:")
        } else {
            self.url.strip_prefix(SQLITE_PREFIX)
        };
        match path {
            Some(path) => self.establish_sqlite(path),
            None => self.establish_postgres(),
        }
        .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    fn establish_sqlite(&self, path: &str) -> ConnectionResult<AnyConnection> {
        let mut c = SqliteConnection::establish(path)?;
        let query_only = u8::from(self.purpose == Use::Read);
        c.batch_execute(&format!(
            "PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS};
             PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;
             PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
             PRAGMA query_only={query_only};"
        ))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(AnyConnection::Sqlite(c))
    }

    fn establish_postgres(&self) -> ConnectionResult<AnyConnection> {
        let mut c = PgConnection::establish(&self.url)?;
        let read_only = if self.purpose == Use::Read {
            "on"
        } else {
            "off"
        };
        c.batch_execute(&format!(
            "SET statement_timeout={POSTGRES_STATEMENT_TIMEOUT_MS};
             SET synchronous_commit=on;
             SET default_transaction_read_only={read_only};"
        ))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(AnyConnection::Postgres(c))
    }
}

impl ManageConnection for Manager {
    type Connection = Held;
    type Error = StoreError;

    fn connect(&self) -> Result<Held, StoreError> {
        let lost = self.lost.load(Ordering::Relaxed);
        let connection = self.establish()?;
        Ok(Held { connection, lost })
    }

    /// Asked before each use, and free as long as nothing was lost: a probe costs as much as a query. Where one
    /// connection was lost the server was probably away, so each other one is tried before it is used again.
    fn is_valid(&self, held: &mut Held) -> Result<(), StoreError> {
        let lost = self.lost.load(Ordering::Relaxed);
        if held.lost != lost {
            held.connection.ping()?;
            held.lost = lost;
        }
        Ok(())
    }

    fn has_broken(&self, held: &mut Held) -> bool {
        let broken = std::thread::panicking() || held.connection.is_broken();
        if broken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        broken
    }
}

/// A borrowed connection that goes back to its pool when dropped.
pub(crate) type Pooled = PooledConnection<Manager>;

/// The connections of a store: many that cannot write, one that can.
#[derive(Clone)]
pub(crate) struct Pools {
    readers: Pool<Manager>,
    writer: Pool<Manager>,
    /// A database in memory lives in one connection, which then serves both.
    shared: bool,
}

impl Pools {
    /// Connects once for reading and once for writing, so that a wrong address is found at start.
    pub(crate) fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let known = config.url == MEMORY_URL
            || [SQLITE_PREFIX, "postgres://", "postgresql://"]
                .iter()
                .any(|prefix| config.url.starts_with(prefix));
        if !known {
            return Err(StoreError::Unavailable(
                "the address must begin with sqlite:// or postgres://".to_owned(),
            ));
        }
        let lost = Arc::default();
        if config.url == MEMORY_URL {
            let pool = pool(config, Use::Both, 1, &lost)?;
            return Ok(Self {
                readers: pool.clone(),
                writer: pool,
                shared: true,
            });
        }
        // The writer first: it creates an SQLite file and switches it to write-ahead logging.
        let writer = pool(config, Use::Write, 1, &lost)?;
        let readers = pool(config, Use::Read, config.pool_size.max(1), &lost)?;
        Ok(Self {
            readers,
            writer,
            shared: false,
        })
    }

    /// How many can read at once.
    pub(crate) fn readers(&self) -> usize {
        usize::try_from(self.readers.max_size()).unwrap_or(1)
    }

    /// A connection that cannot write.
    pub(crate) fn reader(&self) -> Result<Pooled, StoreError> {
        let mut connection = self.readers.get()?;
        if self.shared {
            connection.set_query_only(true)?;
        }
        Ok(connection)
    }

    /// The connection that can write.
    pub(crate) fn writer(&self) -> Result<Pooled, StoreError> {
        let mut connection = self.writer.get()?;
        if self.shared {
            connection.set_query_only(false)?;
        }
        Ok(connection)
    }
}

fn pool(
    config: &StoreConfig,
    purpose: Use,
    size: u32,
    lost: &Arc<AtomicU64>,
) -> Result<Pool<Manager>, StoreError> {
    let builder = Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(CONNECT_TIMEOUT)
        .test_on_check_out(true);
    let builder = if purpose == Use::Both {
        builder.idle_timeout(None).max_lifetime(None)
    } else {
        builder
    };
    Ok(builder.build(Manager {
        url: config.url.clone(),
        purpose,
        lost: Arc::clone(lost),
    })?)
}
