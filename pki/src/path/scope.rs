//! Which certificates a list speaks about (RFC 5280 §6.3.3 (b)), and for which reasons.

use der::Encode;
use der::asn1::SetOfVec;
use der::flagset::FlagSet;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, ReasonFlags, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::{Name, RelativeDistinguishedName};

use crate::certificate::Certificate;
use crate::crl::CertificateList;
use crate::{crl, name};

/// Every reason but the unused bit.
pub(super) fn all_reasons() -> ReasonFlags {
    let mut all = FlagSet::full();
    all -= Reasons::Unused;
    all
}

/// The reasons for which `list` answers about `certificate` under `point`; `None` if it does not at all.
pub(super) fn reasons(
    list: &CertificateList,
    certificate: &Certificate,
    point: &DistributionPoint,
) -> Option<ReasonFlags> {
    let scope = list.issuing_distribution_point();
    if !issuer_matches(
        list,
        certificate,
        point,
        scope.is_some_and(|scope| scope.indirect_crl),
    ) {
        return None;
    }
    let asked = point.reasons.unwrap_or_else(all_reasons);
    let Some(scope) = scope else {
        return Some(asked & all_reasons());
    };
    if scope.only_contains_attribute_certs {
        return None;
    }
    let constraints = certificate.extension::<BasicConstraints>().ok()?;
    let is_authority = constraints.is_some_and(|(_, constraints)| constraints.ca);
    if (scope.only_contains_user_certs && is_authority)
        || (scope.only_contains_ca_certs && !is_authority)
    {
        return None;
    }
    if let Some(published) = &scope.distribution_point
        && !names_meet(published, list, certificate, point)
    {
        return None;
    }
    Some(asked & scope.only_some_reasons.unwrap_or_else(all_reasons) & all_reasons())
}

fn issuer_matches(
    list: &CertificateList,
    certificate: &Certificate,
    point: &DistributionPoint,
    indirect: bool,
) -> bool {
    match &point.crl_issuer {
        Some(issuers) => {
            indirect
                && issuers.iter().any(|issuer| match issuer {
                    GeneralName::DirectoryName(issuer) => name::matches(issuer, list.issuer()),
                    _ => false,
                })
        }
        None => name::matches(list.issuer(), certificate.issuer()),
    }
}

fn names_meet(
    published: &DistributionPointName,
    list: &CertificateList,
    certificate: &Certificate,
    point: &DistributionPoint,
) -> bool {
    let published = full_names(published, list.issuer());
    let asked = match (&point.distribution_point, &point.crl_issuer) {
        (Some(asked), None) => full_names(asked, certificate.issuer()),
        (Some(asked), Some(_)) => full_names(asked, list.issuer()),
        (None, Some(issuers)) => issuers.clone(),
        (None, None) => return false,
    };
    published
        .iter()
        .any(|left| asked.iter().any(|right| crl::same_names(left, right)))
}

/// The names of a distribution point, a relative one completed by its issuer (§4.2.1.13).
fn full_names(point: &DistributionPointName, issuer: &Name) -> Vec<GeneralName> {
    match point {
        DistributionPointName::FullName(names) => names.clone(),
        DistributionPointName::NameRelativeToCRLIssuer(relative) => completed(issuer, relative)
            .map(GeneralName::DirectoryName)
            .into_iter()
            .collect(),
    }
}

fn completed(issuer: &Name, relative: &RelativeDistinguishedName) -> Option<Name> {
    let mut rdns: Vec<SetOfVec<AttributeTypeAndValue>> =
        issuer.iter_rdn().map(|rdn| rdn.as_ref().clone()).collect();
    rdns.push(relative.as_ref().clone());
    <Name as der::Decode>::from_der(&rdns.to_der().ok()?).ok()
}
