//! What can go wrong in the status service.

use std::path::{Path, PathBuf};

/// A failure of the status service; clients see only the protocol's own forms.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written, or does not hold what it should.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The hierarchy does not fit together.
    #[error("hierarchy: {0}")]
    Hierarchy(String),
    /// The authority did not answer as expected.
    #[error("certificate authority: {0}")]
    Authority(String),
    /// The token failed.
    #[error("token: {0}")]
    KeyStore(#[from] hsm_bridge::KeyStoreError),
    /// An answer could not be made.
    #[error(transparent)]
    Ocsp(#[from] pki::ocsp::OcspError),
    /// Too much work is waiting.
    #[error(transparent)]
    Blocking(#[from] service::BlockingError),
    /// The status is not known freshly enough to answer.
    #[error("no contact with the authority for too long")]
    Stale,
}

impl Error {
    pub(crate) fn file(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
