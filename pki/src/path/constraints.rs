//! Name constraints (RFC 5280 §4.2.1.10).

use const_oid::ObjectIdentifier;
use der::asn1::Ia5StringRef;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{NameConstraints, SubjectAltName};

use super::{Budget, Fault, PathError};
use crate::certificate::Certificate;
use crate::name;

const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// The constraints of all authorities so far.
#[derive(Debug, Default)]
pub(super) struct Constraints {
    /// One list per authority: a name must lie within one subtree of its type in each.
    permitted: Vec<Vec<GeneralSubtree>>,
    excluded: Vec<GeneralSubtree>,
}

impl Constraints {
    /// Adds one authority's constraints; `minimum` and `maximum` are not used in this profile.
    pub(super) fn add(&mut self, constraints: NameConstraints) -> Result<(), Fault> {
        let permitted = constraints.permitted_subtrees.unwrap_or_default();
        let excluded = constraints.excluded_subtrees.unwrap_or_default();
        let plain = |subtree: &GeneralSubtree| subtree.minimum == 0 && subtree.maximum.is_none();
        if !permitted.iter().chain(&excluded).all(plain) {
            return Err(Fault::NameConstraints);
        }
        if !permitted.is_empty() {
            self.permitted.push(permitted);
        }
        self.excluded.extend(excluded);
        Ok(())
    }

    /// Checks every name of a certificate; the outer error is the budget's.
    pub(super) fn check(
        &self,
        certificate: &Certificate,
        budget: &mut Budget,
    ) -> Result<Result<(), Fault>, PathError> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(Ok(()));
        }
        let Ok(names) = names(certificate) else {
            return Ok(Err(Fault::Malformed));
        };
        for name in &names {
            if !self.allows(name, budget)? {
                return Ok(Err(Fault::NameConstraints));
            }
        }
        Ok(Ok(()))
    }

    fn allows(&self, name: &GeneralName, budget: &mut Budget) -> Result<bool, PathError> {
        for subtree in &self.excluded {
            budget.spend_name()?;
            // A name of a constrained type that we cannot read might be the excluded one.
            if same_type(name, &subtree.base) && lies_within(name, &subtree.base).unwrap_or(true) {
                return Ok(false);
            }
        }
        for list in &self.permitted {
            let mut constrained = false;
            let mut within = false;
            for subtree in list.iter().filter(|subtree| same_type(name, &subtree.base)) {
                budget.spend_name()?;
                constrained = true;
                within |= lies_within(name, &subtree.base).unwrap_or(false);
            }
            if constrained && !within {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The subject, its mail addresses and the alternative names.
fn names(certificate: &Certificate) -> Result<Vec<GeneralName>, ()> {
    let mut names = Vec::new();
    let subject = certificate.subject();
    if !subject.is_empty() {
        names.push(GeneralName::DirectoryName(subject.clone()));
    }
    let alternative = certificate.extension::<SubjectAltName>().map_err(|_| ())?;
    if let Some((_, alternative)) = alternative {
        names.extend(alternative.0);
    }
    for address in subject
        .iter()
        .filter(|attribute| attribute.oid == EMAIL_ADDRESS)
    {
        let text = Ia5StringRef::new(address.value.value()).map_err(|_| ())?;
        names.push(GeneralName::Rfc822Name(text.into()));
    }
    Ok(names)
}

fn same_type(left: &GeneralName, right: &GeneralName) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

/// Whether a name lies in a subtree; `None` where the type or the form is beyond us.
fn lies_within(name: &GeneralName, base: &GeneralName) -> Option<bool> {
    match (name, base) {
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => {
            Some(name::is_within(name, base))
        }
        (GeneralName::DnsName(name), GeneralName::DnsName(base)) => Some(host_within(
            name.as_str(),
            base.as_str(),
            Subdomains::Always,
        )),
        (GeneralName::Rfc822Name(name), GeneralName::Rfc822Name(base)) => {
            mailbox_within(name.as_str(), base.as_str())
        }
        (
            GeneralName::UniformResourceIdentifier(name),
            GeneralName::UniformResourceIdentifier(base),
        ) => {
            let host = uri_host(name.as_str())?;
            Some(host_within(host, base.as_str(), Subdomains::AfterDot))
        }
        (GeneralName::IpAddress(name), GeneralName::IpAddress(base)) => {
            address_within(name.as_bytes(), base.as_bytes())
        }
        _ => None,
    }
}

/// When a host constraint also covers hosts below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subdomains {
    /// dNSName: adding labels on the left stays inside.
    Always,
    /// rfc822Name and URI: only if the constraint starts with a dot, and then only those below.
    AfterDot,
}

fn host_within(host: &str, base: &str, subdomains: Subdomains) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    if base.is_empty() {
        return true;
    }
    let below = |base: &str| {
        host.strip_suffix(base)
            .is_some_and(|left| left.ends_with('.'))
    };
    match (base.strip_prefix('.'), subdomains) {
        (Some(parent), _) => below(parent),
        (None, Subdomains::Always) => host == base || below(&base),
        (None, Subdomains::AfterDot) => host == base,
    }
}

fn mailbox_within(mailbox: &str, base: &str) -> Option<bool> {
    let (user, host) = mailbox.rsplit_once('@')?;
    Some(match base.rsplit_once('@') {
        Some((only_user, at)) => user == only_user && host.eq_ignore_ascii_case(at),
        None => host_within(host, base, Subdomains::AfterDot),
    })
}

/// The host of an absolute URI; one with an address or none at all cannot be constrained (§4.2.1.10).
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return None;
    }
    let host = host.split(':').next()?;
    let is_name = host.contains(|character: char| character.is_ascii_alphabetic());
    (!host.is_empty() && is_name).then_some(host)
}

/// Address and mask in one string, twice as long as the address (RFC 4632 style).
fn address_within(address: &[u8], base: &[u8]) -> Option<bool> {
    if base.len() != 2 * address.len() {
        return matches!((address.len(), base.len()), (4, 32) | (16, 8)).then_some(false);
    }
    let (network, mask) = base.split_at(address.len());
    let same = address
        .iter()
        .zip(network)
        .zip(mask)
        .all(|((address, network), mask)| address & mask == network & mask);
    Some(same)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_follow_the_type_of_name() {
        assert!(host_within("a.gov.kh", "gov.kh", Subdomains::Always));
        assert!(!host_within("agov.kh", "gov.kh", Subdomains::Always));
        assert!(host_within("GOV.kh", "gov.KH", Subdomains::AfterDot));
        assert!(!host_within("a.gov.kh", "gov.kh", Subdomains::AfterDot));
        assert!(host_within("a.gov.kh", ".gov.kh", Subdomains::AfterDot));
        assert!(!host_within("gov.kh", ".gov.kh", Subdomains::AfterDot));
    }

    #[test]
    fn uris_without_a_host_name_are_beyond_constraints() {
        assert_eq!(
            uri_host("https://user@www.gov.kh:8443/a?b"),
            Some("www.gov.kh")
        );
        assert_eq!(uri_host("https://192.0.2.1/"), None);
        assert_eq!(uri_host("https://[2001:db8::1]/"), None);
        assert_eq!(uri_host("urn:kh:vdia"), None);
    }

    #[test]
    fn masks_cut_addresses() {
        let base = [192, 0, 2, 0, 255, 255, 255, 0];
        assert_eq!(address_within(&[192, 0, 2, 77], &base), Some(true));
        assert_eq!(address_within(&[192, 0, 3, 77], &base), Some(false));
        assert_eq!(address_within(&[0; 16], &base), Some(false));
        assert_eq!(address_within(&[0; 4], &[0; 3]), None);
    }

    proptest! {
        #[test]
        fn never_panics(name in ".{0,60}", base in ".{0,60}") {
            let _ = (uri_host(&name), mailbox_within(&name, &base));
            let _ = host_within(&name, &base, Subdomains::Always);
        }
    }
}
