//! Why something was not recorded.

use std::path::Path;

use thiserror::Error;

use super::finding::Finding;
use crate::KeyStoreError;

/// Why a log was not opened or a record not written; the use of a key that it was about must not happen or bear fruit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Another process, or another part of this one, writes this log.
    #[error("the audit log {0} is being written by another")]
    InUse(String),
    /// The system refused to read or write; the text says what.
    #[error("audit log: {0}")]
    Io(String),
    /// The log is not as it was left; it must be looked at before it is continued.
    #[error("the audit log is damaged: {0}")]
    Damaged(Finding),
    /// The log failed before and takes no more until it is opened anew.
    #[error("the audit log failed before")]
    Poisoned,
    /// The record makes a line longer than [`super::MAX_LINE_BYTES`]; nothing was written.
    #[error("the audit record is too long")]
    TooLong,
    /// The checkpoint was not signed; the log goes on.
    #[error("signing a checkpoint of the audit log: {0}")]
    Signer(KeyStoreError),
    /// Too many lines came while the checkpoint was being signed; the log goes on, and the next checkpoint covers them.
    #[error("the audit log grew too fast for its checkpoint")]
    Overtaken,
}

impl AuditError {
    /// An error of the system about a file.
    pub(super) fn io(path: &Path, error: impl std::fmt::Display) -> Self {
        Self::Io(format!("{}: {error}", path.display()))
    }
}

impl From<Finding> for AuditError {
    fn from(finding: Finding) -> Self {
        Self::Damaged(finding)
    }
}

/// Callers learn no more than that no key can be used now.
impl From<AuditError> for KeyStoreError {
    fn from(_: AuditError) -> Self {
        Self::TokenUnavailable("the audit log cannot be written".to_owned())
    }
}
