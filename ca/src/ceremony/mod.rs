//! The key ceremony: from one reviewed file to a hierarchy, its transcript, and nothing secret on disk.
//!
//! The root's token is opened here and nowhere else: no part of the running service has a setting for it. A
//! ceremony never replaces a key and never writes over a file; `verify` replays the transcript on what it made.

mod plan;
mod run;
mod sign;
mod tokens;
mod transcript;
mod verify;

use std::path::{Path, PathBuf};

pub use plan::{
    CertificatePlan, Environment, IssuingPlan, KeyPlan, Participant, PeerPlan, Plan, RootPlan,
    SecretPlan, TokenPlan, Tokens,
};
pub use run::{Outcome, run};
pub use verify::{Report, verify};

/// Why a ceremony did not happen, or its results are not sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The ceremony file is unsound; the words say where.
    #[error("ceremony file: {0}")]
    Plan(String),
    /// A key of the file exists; a ceremony never replaces one.
    #[error(
        "{0} exists in the token '{1}': this ceremony was held before, and keys are never replaced"
    )]
    KeyExists(String, String),
    /// The directory for the results holds something.
    #[error("{0} is not empty: results are never written over")]
    NotEmpty(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A result is not what the transcript says.
    #[error("{0}")]
    Artefact(String),
    /// The token failed.
    #[error("token: {0}")]
    Token(#[from] hsm_bridge::KeyStoreError),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Issue(#[from] pki::issue::IssueError),
    /// A revocation list could not be made.
    #[error("revocation list: {0}")]
    Crl(#[from] pki::crl::CrlError),
}

impl CeremonyError {
    fn plan(words: &str) -> Self {
        Self::Plan(words.to_owned())
    }

    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn artefact(error: impl ToString) -> Self {
        Self::Artefact(error.to_string())
    }
}
