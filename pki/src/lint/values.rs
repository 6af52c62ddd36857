//! What the extensions say (RFC 5280 §4.2.1), compared with the profile and among themselves.

use std::collections::BTreeSet;

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Decode;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};

use super::Subject;
use crate::extension::qc_statements::QcStatements;
use crate::extension::{
    self, ANY_EXTENDED_KEY_USAGE, ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_KP_OCSP_SIGNING,
    ID_KP_TIME_STAMPING, ID_PKIX_OCSP_NOCHECK,
};
use crate::key;
use crate::oid::CertificatePolicies;
use crate::profile::{Kind, Revocation};

pub(super) fn check(subject: &mut Subject<'_>) {
    check_key_identifiers(subject);
    check_usage(subject);
    check_constraints(subject);
    check_policies(subject);
    check_status(subject);
    check_qc_statements(subject);
}

/// Decodes an extension; a malformed one is a finding, an absent one is left to the presence rules.
fn value<T>(subject: &mut Subject<'_>) -> Option<T>
where
    T: AssociatedOid + for<'a> Decode<'a, Error = der::Error>,
{
    let extensions = subject.tbs.extensions().map_or(&[][..], Vec::as_slice);
    match extension::find::<T>(extensions, T::OID) {
        Ok(found) => found.map(|(_, value)| value),
        Err(error) => {
            subject.error("e_extension_malformed", format!("{}: {error}", T::OID));
            None
        }
    }
}

fn check_key_identifiers(subject: &mut Subject<'_>) {
    let own = key::key_identifier(subject.tbs.subject_public_key_info());
    if let Some(identifier) = value::<SubjectKeyIdentifier>(subject) {
        subject.error_if(
            identifier.0.as_bytes() != own,
            "e_subject_key_identifier_differs",
        );
    }
    let issuers = match subject
        .issuer
        .map(crate::Certificate::subject_key_identifier)
    {
        None => Some(own),
        Some(found) => found.ok().flatten(),
    };
    if let Some(identifier) = value::<AuthorityKeyIdentifier>(subject) {
        let octets = identifier
            .key_identifier
            .as_ref()
            .map(|octets| octets.as_bytes().to_vec());
        subject.error_if(
            octets.is_none() || octets != issuers,
            "e_authority_key_identifier_differs",
        );
        let by_name = identifier.authority_cert_issuer.is_some()
            || identifier.authority_cert_serial_number.is_some();
        subject.error_if(by_name, "e_authority_key_identifier_by_name");
    }
}

fn check_usage(subject: &mut Subject<'_>) {
    let Some(usage) = value::<KeyUsage>(subject) else {
        return;
    };
    subject.error_if(usage.0 != subject.terms.key_usage, "e_key_usage_differs");
    let authority = subject.terms.kind.is_authority();
    subject.error_if(
        usage.key_cert_sign() != authority,
        "e_key_usage_contradicts_kind",
    );
    let Some(extended) = value::<ExtendedKeyUsage>(subject) else {
        return;
    };
    let oids: BTreeSet<ObjectIdentifier> = extended.0.iter().copied().collect();
    subject.error_if(
        oids.len() != extended.0.len(),
        "e_extended_key_usage_repeated",
    );
    let wanted = subject.terms.extended_key_usage.iter().copied().collect();
    subject.error_if(oids != wanted, "e_extended_key_usage_differs");
    subject.error_if(
        oids.contains(&ANY_EXTENDED_KEY_USAGE),
        "e_extended_key_usage_any",
    );
    // All purposes that we know need a signature of one of the two kinds (RFC 5280 §4.2.1.12).
    let signs = usage.0.contains(KeyUsages::DigitalSignature)
        || usage.0.contains(KeyUsages::NonRepudiation);
    subject.error_if(!signs, "e_key_usage_contradicts_extended_key_usage");
    let alone = [ID_KP_TIME_STAMPING, ID_KP_OCSP_SIGNING];
    let mixed = oids.len() > 1 && alone.iter().any(|oid| oids.contains(oid));
    subject.error_if(mixed, "e_extended_key_usage_mixed");
    let responder = oids.contains(&ID_KP_OCSP_SIGNING);
    let unchecked = subject.terms.revocation == Revocation::NoCheck;
    subject.error_if(responder != unchecked, "e_ocsp_nocheck_without_responder");
}

fn check_constraints(subject: &mut Subject<'_>) {
    let found = value::<BasicConstraints>(subject);
    let wanted = match subject.terms.kind {
        Kind::Anchor => Some((true, None)),
        Kind::Authority { path_len } => Some((true, Some(path_len))),
        Kind::EndEntity => None,
    };
    let found = found.map(|constraints| (constraints.ca, constraints.path_len_constraint));
    subject.error_if(found != wanted, "e_basic_constraints_differ");
}

fn check_policies(subject: &mut Subject<'_>) {
    let Some(policies) = value::<CertificatePolicies>(subject) else {
        return;
    };
    let oids: Vec<_> = policies
        .0
        .iter()
        .map(|policy| policy.policy_identifier.clone())
        .collect();
    subject.error_if(
        oids != subject.terms.policies,
        "e_certificate_policies_differ",
    );
    let unique: BTreeSet<_> = oids.iter().collect();
    subject.error_if(unique.len() != oids.len(), "e_certificate_policy_repeated");
}

fn check_status(subject: &mut Subject<'_>) {
    if let Some(points) = value::<CrlDistributionPoints>(subject) {
        subject.error_if(points.0.len() != 1, "e_crl_distribution_point_not_single");
        for point in &points.0 {
            let plain = point.reasons.is_none() && point.crl_issuer.is_none();
            let http = match &point.distribution_point {
                Some(DistributionPointName::FullName(names)) => {
                    names.len() == 1 && names.iter().all(is_http)
                }
                _ => false,
            };
            subject.error_if(!(plain && http), "e_crl_distribution_point_form");
        }
    }
    if let Some(access) = value::<AuthorityInfoAccessSyntax>(subject) {
        let has = |method| access.0.iter().any(|entry| entry.access_method == method);
        let wants_ocsp = subject.terms.revocation == Revocation::Published { ocsp: true };
        let known = access
            .0
            .iter()
            .all(|entry| [ID_AD_OCSP, ID_AD_CA_ISSUERS].contains(&entry.access_method));
        let addressed = access.0.iter().all(|entry| is_http(&entry.access_location));
        subject.error_if(
            has(ID_AD_OCSP) != wants_ocsp,
            "e_authority_info_access_ocsp",
        );
        subject.error_if(
            !has(ID_AD_CA_ISSUERS),
            "e_authority_info_access_issuer_missing",
        );
        subject.error_if(!known || !addressed, "e_authority_info_access_form");
    }
    for oid in [ID_PKIX_OCSP_NOCHECK, extension::ID_CE_NO_REV_AVAIL] {
        let extensions = subject.tbs.extensions().map_or(&[][..], Vec::as_slice);
        let null = extensions
            .iter()
            .filter(|extension| extension.extn_id == oid)
            .all(|extension| extension.extn_value.as_bytes() == extension::NULL);
        subject.error_if(!null, "e_extension_value_not_null");
    }
}

fn is_http(name: &GeneralName) -> bool {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => {
            uri.as_str().starts_with("http://") || uri.as_str().starts_with("https://")
        }
        _ => false,
    }
}

fn check_qc_statements(subject: &mut Subject<'_>) {
    let extensions = subject.tbs.extensions().map_or(&[][..], Vec::as_slice);
    let found = extensions
        .iter()
        .find(|extension| extension.extn_id == QcStatements::OID);
    let Some(found) = found else { return };
    match QcStatements::from_der(found.extn_value.as_bytes()) {
        Ok(statements) => {
            let same = statements.0 == subject.terms.qc_statements;
            subject.error_if(!same, "e_qc_statements_differ");
        }
        Err(error) => subject.error("e_qc_statements_malformed", error.to_string()),
    }
}
