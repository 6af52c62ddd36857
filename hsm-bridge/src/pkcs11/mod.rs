//! The PKCS#11 driver: a token in this process.
//!
//! Tokens are found by label, key pairs by CKA_ID, secrets by label; two objects of one name are refused. Handles are resolved once
//! and kept, so signing never searches. One anchor session stays logged in for as long as the token is open, because closing the
//! last session (or logging out anywhere) logs every session out. PKCS#11 names never leave this module.

mod attributes;
mod data;
mod evidence;
mod index;
mod init;
mod keys;
mod live;
mod mechanism;
mod module;
mod pin;
mod public_object;
pub mod recovery;
mod secrets;
mod signer;
mod survey;
mod template;
mod token;

pub use evidence::Clock;
pub use init::{TokenSummary, init_token, list_tokens};
pub use keys::{KeyInfo, SecretInfo};
pub use pin::{Leave, Login};
pub use secrecy::SecretString;
pub(crate) use survey::Survey;
pub use template::Template;
pub use token::{Token, TokenConfig, TokenOptions, WhenLost};
