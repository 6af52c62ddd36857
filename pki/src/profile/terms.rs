//! The shape of a profile.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::KeyUsages;

use crate::extension::qc_statements::QcStatement;
use crate::name::Attribute;
use crate::oid::Oid;

/// What a certificate of the kind is in a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A self-signed trust anchor.
    Anchor,
    /// An authority; at most so many further authorities below it.
    Authority {
        /// pathLenConstraint (RFC 5280 §4.2.1.9).
        path_len: u8,
    },
    /// A certificate whose key signs no certificates.
    EndEntity,
}

impl Kind {
    /// Whether the key signs certificates.
    pub const fn is_authority(self) -> bool {
        !matches!(self, Self::EndEntity)
    }
}

/// How relying parties learn that a certificate of the kind was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// A CRL distribution point, and an OCSP address beside it if `ocsp`.
    Published {
        /// Whether the issuer has a responder.
        ocsp: bool,
    },
    /// id-pkix-ocsp-nocheck: a responder's own certificate (RFC 6960 §4.2.2.2.1).
    NoCheck,
    /// noRevAvail: expired before a revocation could be published (RFC 9608).
    NotAvailable,
    /// Nothing: a trust anchor is withdrawn by other means.
    Anchor,
}

/// Kinds of subject alternative names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SanKind {
    /// dNSName.
    Dns,
    /// iPAddress.
    Ip,
    /// rfc822Name.
    Email,
    /// uniformResourceIdentifier.
    Uri,
}

/// Which subject alternative names a certificate of the kind carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SanRule {
    /// The kinds that may occur; empty forbids the extension.
    pub allowed: &'static [SanKind],
    /// Whether at least one name must be there.
    pub required: bool,
}

/// Which attributes the subject carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectRule {
    /// Attributes that must be there.
    pub required: &'static [Attribute],
    /// Further attributes that may be there.
    pub optional: &'static [Attribute],
}

/// Everything that certificates of one kind have in common.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Place in the hierarchy.
    pub kind: Kind,
    /// Life of a certificate whose request names no end.
    pub default_validity: Duration,
    /// Longest life that a request may ask for; the last second counts.
    pub max_validity: Duration,
    /// How long before the time of issuing a certificate may start, for clients whose clock is late.
    pub backdate: Duration,
    /// Key usage bits, all of them (RFC 5280 §4.2.1.3).
    pub key_usage: FlagSet<KeyUsages>,
    /// Extended key usages, all of them (RFC 5280 §4.2.1.12); empty leaves the extension out.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// Whether extended key usage is critical (RFC 3161 §2.3 wants it).
    pub extended_key_usage_critical: bool,
    /// Certificate policies, all of them (RFC 5280 §4.2.1.4); empty leaves the extension out.
    pub policies: Vec<Oid>,
    /// Revocation information.
    pub revocation: Revocation,
    /// Subject.
    pub subject: SubjectRule,
    /// Subject alternative names.
    pub san: SanRule,
    /// QCStatements, all of them; empty leaves the extension out.
    pub qc_statements: Vec<QcStatement>,
}
