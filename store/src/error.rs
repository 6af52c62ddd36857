//! What can go wrong with the database.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A failed read or write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such row.
    #[error("not found")]
    NotFound,
    /// The change contradicts what is stored; the words say what.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// A stored value cannot be read back as what it should be.
    #[error("stored value is damaged: {0}")]
    Damaged(&'static str),
    /// A value cannot be stored.
    #[error("value cannot be stored: {0}")]
    Invalid(&'static str),
    /// The database could not be reached or did not answer in time.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The work was ended before it finished.
    #[error("database work was interrupted")]
    Interrupted,
    /// The schema could not be brought to its current state.
    #[error("migration failed: {0}")]
    Migration(String),
    /// A sealed value could not be sealed or opened.
    #[error(transparent)]
    Sealing(#[from] crate::sealing::SealingError),
    /// The database refused a statement.
    #[error("database: {0}")]
    Database(DieselError),
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                Self::Conflict("already exists")
            }
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
                Self::Conflict("refers to something that does not exist")
            }
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            DieselError::BrokenTransactionManager => {
                Self::Unavailable("connection lost inside a transaction".to_owned())
            }
            other => Self::Database(other),
        }
    }
}

impl From<diesel::r2d2::PoolError> for StoreError {
    fn from(error: diesel::r2d2::PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
