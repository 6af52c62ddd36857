//! Certification path validation (RFC 5280 §6), with policies after RFC 9618 and revocation by CRL (§6.3).
//!
//! Invariant: work is bounded by a [`Budget`], whatever certificates an attacker supplies, and every
//! doubt (unknown critical extension, no fresh list) is a refusal.

mod budget;
mod build;
mod check;
mod constraints;
mod policy;
mod revocation;
mod scope;

use std::collections::BTreeSet;
use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use hsm_bridge::SignatureVerifier;

pub use budget::Budget;

use crate::certificate::Certificate;
use crate::crl::{CertificateList, CrlReason};
use crate::oid::Oid;
use crate::time;

/// Where revocation information comes from.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// Not looked at; the caller asks OCSP, or does not mind.
    NotChecked,
    /// Every certificate needs a fresh list that covers it, except those that say they need none
    /// (id-pkix-ocsp-nocheck on responders, noRevAvail).
    Crls(&'a [CertificateList]),
}

/// Inputs of validation beside the certificates (RFC 5280 §6.1.1).
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Revocation.
    pub revocation: Revocation<'a>,
    /// Policies acceptable to the caller; empty means any.
    pub initial_policies: BTreeSet<Oid>,
    /// Whether the path must be valid for at least one acceptable policy.
    pub require_explicit_policy: bool,
    /// Whether policy mapping is refused.
    pub inhibit_policy_mapping: bool,
    /// Whether anyPolicy in certificates is ignored.
    pub inhibit_any_policy: bool,
    /// An extended key usage that the end entity must have, and authorities must not exclude.
    pub extended_key_usage: Option<ObjectIdentifier>,
    /// Limits of work.
    pub budget: Budget,
}

impl<'a> Options<'a> {
    /// Any policy, any purpose, default limits.
    pub fn new(revocation: Revocation<'a>) -> Self {
        Self {
            revocation,
            initial_policies: BTreeSet::new(),
            require_explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
            extended_key_usage: None,
            budget: Budget::default(),
        }
    }
}

/// What is wrong with one certificate of a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Malformed or repeated extension, or a structure of the wrong version.
    #[error("malformed")]
    Malformed,
    /// No candidate issuer's key verifies the signature.
    #[error("signature does not verify")]
    Signature,
    /// Before its first second.
    #[error("not yet valid")]
    NotYetValid,
    /// After its last second.
    #[error("expired")]
    Expired,
    /// A critical extension that is not processed.
    #[error("unknown critical extension {0}")]
    UnknownCriticalExtension(ObjectIdentifier),
    /// Used as an authority without being one.
    #[error("not a certificate authority")]
    NotAnAuthority,
    /// More authorities below than pathLenConstraint allows.
    #[error("path length exceeded")]
    PathLength,
    /// Its key usage does not allow what it was used for.
    #[error("key usage")]
    KeyUsage,
    /// Its extended key usage does not allow the asked purpose.
    #[error("extended key usage")]
    ExtendedKeyUsage,
    /// A name outside the name constraints of an authority above.
    #[error("name constraints")]
    NameConstraints,
    /// No acceptable policy, or a forbidden mapping.
    #[error("certificate policies")]
    Policy,
    /// Revoked, since the given second of 1970.
    #[error("revoked: {reason}")]
    Revoked {
        /// When, seconds since 1970.
        at: u64,
        /// Why.
        reason: CrlReason,
    },
    /// No fresh list covers the certificate.
    #[error("revocation status unknown")]
    RevocationUnknown,
}

/// Why no valid path was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No end entity was handed in.
    #[error("no certificate")]
    Empty,
    /// No chain of names leads to a trust anchor.
    #[error("no path to a trust anchor")]
    NoPath,
    /// The limits of work are spent.
    #[error("too much work")]
    Budget,
    /// A certificate fails; `depth` 0 is the end entity.
    #[error("certificate at depth {depth}: {fault}")]
    Certificate {
        /// Distance from the end entity.
        depth: usize,
        /// What fails.
        fault: Fault,
    },
    /// The time of validation lies outside what certificates can say.
    #[error("time of validation out of range")]
    Time,
}

/// A path that passed every check.
#[derive(Debug, Clone)]
pub struct ValidPath<'a> {
    /// From the end entity up, without the anchor.
    pub certificates: Vec<&'a Certificate>,
    /// The trust anchor.
    pub anchor: &'a Certificate,
    /// The policies that the path is valid for, as far as the caller accepts them;
    /// anyPolicy where neither side names one.
    pub policies: BTreeSet<Oid>,
}

/// Validates `chain[0]` at `now`; the rest of `chain` are further certificates in any order.
///
/// Succeeds with the first path to one of `anchors` that passes every check of RFC 5280 §6.
pub fn validate<'a>(
    chain: &'a [Certificate],
    anchors: &'a [Certificate],
    revocation: Revocation<'_>,
    now: SystemTime,
    verifier: &dyn SignatureVerifier,
) -> Result<ValidPath<'a>, PathError> {
    validate_with(chain, anchors, &Options::new(revocation), now, verifier)
}

/// [`validate`] with all inputs of RFC 5280 §6.1.1.
pub fn validate_with<'a>(
    chain: &'a [Certificate],
    anchors: &'a [Certificate],
    options: &Options<'_>,
    now: SystemTime,
    verifier: &dyn SignatureVerifier,
) -> Result<ValidPath<'a>, PathError> {
    let now = time::seconds(now).map_err(|_| PathError::Time)?;
    let (leaf, pool) = chain.split_first().ok_or(PathError::Empty)?;
    let mut budget = options.budget;
    let material = build::Material {
        pool,
        anchors,
        options,
        now,
        verifier,
    };
    build::search(leaf, &material, &mut budget, 0)
}

#[cfg(test)]
mod pkits;
#[cfg(test)]
mod tests;
