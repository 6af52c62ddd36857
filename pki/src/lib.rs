//! X.509, CRL, OCSP, CMS, time-stamps and JOSE: bytes in, bytes out.
//!
//! Invariant: nothing here reads a clock, a file, a socket or a random source; they are arguments.
//! Signatures are made by a handed-in [`hsm_bridge::Signer`] and checked by a handed-in
//! [`hsm_bridge::SignatureVerifier`], so that the crate also builds for browsers.

pub mod certificate;
pub mod cms;
pub mod crl;
pub mod csr;
pub mod extension;
pub mod issue;
pub mod jose;
pub mod key;
pub mod lint;
pub mod name;
pub mod ocsp;
pub mod oid;
pub mod path;
pub mod profile;
pub mod serial;
pub mod time;
pub mod tsp;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod judges;

pub use certificate::Certificate;
pub use key::{IssuerId, issuer_id};
