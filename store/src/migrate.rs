//! The migrations, embedded in the program, for both databases on both backends.

use diesel::migration::Migration;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::backend::AnyConnection;
use crate::{Schema, StoreError};

const CA_SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/ca/sqlite");
const CA_POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/ca/postgres");
const IDP_SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/idp/sqlite");
const IDP_POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/idp/postgres");

/// Runs what is missing, each migration in a transaction of its own, and names what ran.
pub(crate) fn run(
    connection: &mut AnyConnection,
    schema: Schema,
) -> Result<Vec<String>, StoreError> {
    connection.with_migration_lock(|connection| {
        let versions = match connection {
            AnyConnection::Sqlite(c) => c.run_pending_migrations(sqlite(schema)),
            AnyConnection::Postgres(c) => c.run_pending_migrations(postgres(schema)),
        }
        .map_err(|error| StoreError::Migration(error.to_string()))?;
        Ok(versions.iter().map(ToString::to_string).collect())
    })
}

/// Names what is missing.
pub(crate) fn pending(
    connection: &mut AnyConnection,
    schema: Schema,
) -> Result<Vec<String>, StoreError> {
    Ok(match connection {
        AnyConnection::Sqlite(c) => names(
            &c.pending_migrations(sqlite(schema))
                .map_err(|e| failed(&*e))?,
        ),
        AnyConnection::Postgres(c) => names(
            &c.pending_migrations(postgres(schema))
                .map_err(|e| failed(&*e))?,
        ),
    })
}

fn names<DB: diesel::backend::Backend>(migrations: &[Box<dyn Migration<DB>>]) -> Vec<String> {
    migrations
        .iter()
        .map(|migration| migration.name().to_string())
        .collect()
}

fn failed(error: &(dyn std::error::Error + Send + Sync)) -> StoreError {
    StoreError::Migration(error.to_string())
}

fn sqlite(schema: Schema) -> EmbeddedMigrations {
    match schema {
        Schema::Ca => CA_SQLITE,
        Schema::Idp => IDP_SQLITE,
    }
}

fn postgres(schema: Schema) -> EmbeddedMigrations {
    match schema {
        Schema::Ca => CA_POSTGRES,
        Schema::Idp => IDP_POSTGRES,
    }
}
