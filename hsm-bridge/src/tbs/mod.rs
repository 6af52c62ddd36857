//! What a CA key may sign: to-be-signed structures, held against the key's rules before a digest of them reaches the token.
//!
//! Whoever takes over the service that calls for signatures cannot have a certificate for another authority, or one that outlives its
//! issuer, since the bytes are read here and only here hashed. A TBSCertificate (RFC 5280 §4.1) is checked whole; a TBSCertList
//! (§5.1) may be hundreds of megabytes long and is checked as it streams by.
//!
//! Invariant: what passes is DER in every byte that is read here, and never passes as the other structure: one starts with an
//! explicitly tagged version, the other with a plain one.

mod certificate;
mod error;
mod extension;
mod fields;
mod list;
mod list_parts;
mod rules;

pub use certificate::{CertificateFacts, check_certificate};
pub use error::TbsError;
pub use list::{CertListChecker, CertListFacts, CheckedList, check_cert_list};
pub(crate) use list_parts::Hasher;
pub use rules::{
    Authority, CertListRules, CertificateRules, DEFAULT_DRIFT, IssuerPin, KNOWN_CRITICAL, Signing,
};

#[cfg(test)]
mod tests;
