//! The certificate authority: issuing, revoking, status log, revocation lists, time-stamps, document signing, and
//! the key ceremony that makes all of it possible.
//!
//! The running service holds no key and names no token: keys are behind the bridge, and the root's key is in a
//! token that only the ceremony opens.

pub mod app;
pub mod auth;
mod background;
pub mod ceremony;
mod cleaning;
pub mod config;
mod crl;
pub mod error;
mod hex;
pub mod hierarchy;
pub mod http;
mod import;
pub mod issuance;
pub mod keys;
mod program;
mod revocation;
pub mod signing;
mod statuses;
pub mod tsa;

pub use app::App;
pub use config::Config;
pub use error::Error;
pub use program::{CertificateAuthority, start};

#[cfg(test)]
mod tests;
