//! Queries of the certificate authority's database.
//!
//! A certificate and its entry in the status log are written together; a serial number, a CRL number and a
//! time-stamp number are each given out once, also across restarts and nodes.

mod certificates;
mod cleaning;
mod counters;
mod credentials;
mod crls;
mod documents;
mod intents;
mod status_log;
mod time_stamps;

pub use certificates::{CertificateRow, Revocation, RevokedRow};
pub use cleaning::Removed;
pub use credentials::CredentialRow;
pub use crls::CrlRow;
pub use documents::DocumentRow;
pub use intents::IntentRow;
pub use status_log::StatusRow;
pub use time_stamps::TimeStampRow;

/// Upper bound of a page of any list here.
pub const MAX_PAGE: i64 = 1_000;

#[cfg(test)]
mod tests;
