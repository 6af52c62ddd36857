//! What the state knows about the certificates it issued: records, statuses, intents, and who may do what.
//!
//! The types permit only the transitions that RFC 5280 and the floor plan allow: a status moves from good to
//! revoked and never back; an intent ends once.

pub mod intent;
pub mod roles;
pub mod status;

pub use intent::{IntentOutcome, IntentState};
pub use roles::{Permission, Role};
pub use status::{CertificateStatus, RevocationError, RevocationReason};
