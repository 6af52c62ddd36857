//! The PKCS#11 driver: a token in this process.
//!
//! Tokens are found by label, key pairs by CKA_ID, secrets by label; two objects of one name are refused. Handles are resolved once
//! and kept, so signing never searches. One anchor session stays logged in for as long as the token is open, because closing the
//! last session (or logging out anywhere) logs every session out. PKCS#11 names never leave this module.

mod attributes;
mod custody;
mod data;
mod evidence;
mod import;
mod index;
mod init;
mod keys;
pub(crate) mod linked;
mod live;
mod mechanism;
mod module;
mod notary;
mod pin;
mod provenance;
mod public_object;
pub mod recovery;
mod retired;
mod secret_store;
mod secrets;
mod signer;
mod survey;
mod template;
mod token;
mod transport;

pub use evidence::Clock;
pub use init::{TokenSummary, init_token, list_tokens};
pub use keys::{KeyInfo, SecretInfo};
#[cfg(feature = "embedded")]
pub use linked::{Prepare, prepare_with};
pub use pin::{Leave, Login};
pub use provenance::Provenance;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use provenance::import_told_in;
pub use secrecy::SecretString;
pub(crate) use survey::Survey;
pub use template::Template;
pub use token::{Token, TokenConfig, TokenOptions, WhenLost};
