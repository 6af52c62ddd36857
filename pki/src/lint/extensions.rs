//! Which extensions are there, how often, and how critical (RFC 5280 §4.2).

use std::collections::BTreeMap;

use const_oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};

use super::Subject;
use crate::extension::qc_statements::QcStatements;
use crate::extension::{ID_CE_NO_REV_AVAIL, ID_CE_SUBJECT_ALT_NAME, ID_PKIX_OCSP_NOCHECK};
use crate::oid::CertificatePolicies;
use crate::profile::{Revocation, Terms};

/// What the profile says about one extension.
#[derive(Clone, Copy)]
struct Rule {
    required: bool,
    critical: bool,
}

const REQUIRED: Rule = Rule {
    required: true,
    critical: false,
};
const REQUIRED_CRITICAL: Rule = Rule {
    required: true,
    critical: true,
};
const OPTIONAL: Rule = Rule {
    required: false,
    critical: false,
};

pub(super) fn check(subject: &mut Subject<'_>) {
    let rules = rules(subject.terms);
    let mut count: BTreeMap<ObjectIdentifier, usize> = BTreeMap::new();
    for extension in subject.tbs.extensions().map_or(&[][..], Vec::as_slice) {
        let oid = extension.extn_id;
        *count.entry(oid).or_default() += 1;
        match rules.get(&oid) {
            None => subject.error("e_extension_not_allowed", oid.to_string()),
            Some(rule) if rule.critical != extension.critical => {
                subject.error("e_extension_criticality", oid.to_string());
            }
            Some(_) => {}
        }
    }
    for (oid, _) in count.iter().filter(|(_, times)| **times > 1) {
        subject.error("e_extension_repeated", oid.to_string());
    }
    for (oid, _) in rules
        .iter()
        .filter(|(oid, rule)| rule.required && !count.contains_key(*oid))
    {
        subject.error("e_extension_missing", oid.to_string());
    }
}

/// The allow-list of a profile.
fn rules(terms: &Terms) -> BTreeMap<ObjectIdentifier, Rule> {
    let mut rules = BTreeMap::from([
        (AuthorityKeyIdentifier::OID, REQUIRED),
        (SubjectKeyIdentifier::OID, REQUIRED),
        (KeyUsage::OID, REQUIRED_CRITICAL),
    ]);
    if terms.kind.is_authority() {
        rules.insert(BasicConstraints::OID, REQUIRED_CRITICAL);
    }
    if !terms.policies.is_empty() {
        rules.insert(CertificatePolicies::OID, REQUIRED);
    }
    if !terms.extended_key_usage.is_empty() {
        let critical = terms.extended_key_usage_critical;
        rules.insert(
            ExtendedKeyUsage::OID,
            Rule {
                required: true,
                critical,
            },
        );
    }
    if !terms.san.allowed.is_empty() {
        rules.insert(ID_CE_SUBJECT_ALT_NAME, OPTIONAL);
    }
    if !terms.qc_statements.is_empty() {
        rules.insert(QcStatements::OID, REQUIRED);
    }
    match terms.revocation {
        Revocation::Published { .. } => {
            rules.insert(CrlDistributionPoints::OID, REQUIRED);
        }
        Revocation::NoCheck => {
            rules.insert(ID_PKIX_OCSP_NOCHECK, REQUIRED);
        }
        Revocation::NotAvailable => {
            rules.insert(ID_CE_NO_REV_AVAIL, REQUIRED);
        }
        Revocation::Anchor => return rules,
    }
    rules.insert(AuthorityInfoAccessSyntax::OID, REQUIRED);
    rules
}
