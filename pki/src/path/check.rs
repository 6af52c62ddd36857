//! The state machine of RFC 5280 §6.1 over one complete path, signatures apart.

use std::collections::BTreeSet;

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Decode;
use x509_cert::Version;
use x509_cert::ext::pkix::{
    BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, NameConstraints,
    PolicyConstraints,
};

use super::constraints::Constraints;
use super::policy::PolicyGraph;
use super::{Budget, Fault, Options, PathError};
use crate::certificate::{Certificate, CertificateError};
use crate::extension::{
    self, ANY_EXTENDED_KEY_USAGE, ID_CE_INHIBIT_ANY_POLICY, ID_CE_SUBJECT_ALT_NAME,
    ID_KP_OCSP_SIGNING, ID_KP_TIME_STAMPING,
};
use crate::oid::{CertificatePolicies, Oid, PolicyMappings};

/// Critical extensions that are processed.
const PROCESSED: [ObjectIdentifier; 10] = [
    BasicConstraints::OID,
    KeyUsage::OID,
    ExtendedKeyUsage::OID,
    NameConstraints::OID,
    PolicyConstraints::OID,
    CrlDistributionPoints::OID,
    CertificatePolicies::OID,
    PolicyMappings::OID,
    ID_CE_INHIBIT_ANY_POLICY,
    ID_CE_SUBJECT_ALT_NAME,
];

struct State<'s> {
    graph: PolicyGraph,
    constraints: Constraints,
    /// Non-self-issued authorities that may still follow.
    path_length: usize,
    explicit_policy: usize,
    policy_mapping: usize,
    inhibit_any_policy: usize,
    options: &'s Options<'s>,
}

/// Checks a path (end entity first) below an anchor and returns the policies it is valid for.
pub(super) fn check(
    path: &[&Certificate],
    anchor: &Certificate,
    options: &Options<'_>,
    now: u64,
    budget: &mut Budget,
) -> Result<BTreeSet<Oid>, PathError> {
    let length = path.len();
    check_time(anchor, now).map_err(|fault| PathError::Certificate {
        depth: length,
        fault,
    })?;
    let first = |inhibited: bool| if inhibited { 0 } else { length + 1 };
    let mut state = State {
        graph: PolicyGraph::new(),
        constraints: Constraints::default(),
        path_length: length,
        explicit_policy: first(options.require_explicit_policy),
        policy_mapping: first(options.inhibit_policy_mapping),
        inhibit_any_policy: first(options.inhibit_any_policy),
        options,
    };
    for (depth, certificate) in path.iter().enumerate().rev() {
        let is_last = depth == 0;
        let outcome = state
            .process(certificate, is_last, now, budget)
            .and_then(|()| {
                if is_last {
                    Ok(())
                } else {
                    state.prepare_next(certificate, budget)
                }
            });
        outcome.map_err(|error| error.at(depth))?;
    }
    let end = path.first().ok_or(PathError::Empty)?;
    state.wrap_up(end).map_err(|error| error.at(0))
}

/// A fault of the certificate in hand, or the end of the budget.
enum Stop {
    Fault(Fault),
    Path(PathError),
}

impl Stop {
    fn at(self, depth: usize) -> PathError {
        match self {
            Self::Fault(fault) => PathError::Certificate { depth, fault },
            Self::Path(error) => error,
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<PathError> for Stop {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl From<CertificateError> for Stop {
    fn from(_: CertificateError) -> Self {
        Self::Fault(Fault::Malformed)
    }
}

fn check_time(certificate: &Certificate, now: u64) -> Result<(), Fault> {
    if now < certificate.not_before() {
        Err(Fault::NotYetValid)
    } else if now > certificate.not_after() {
        Err(Fault::Expired)
    } else {
        Ok(())
    }
}

impl State<'_> {
    /// Basic processing (§6.1.3), without signature and revocation.
    fn process(
        &mut self,
        certificate: &Certificate,
        is_last: bool,
        now: u64,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        check_time(certificate, now)?;
        check_critical(certificate)?;
        let self_issued = certificate.is_self_issued();
        if is_last || !self_issued {
            self.constraints.check(certificate, budget)??;
        }
        match certificate.extension::<CertificatePolicies>()? {
            None => self.graph.clear(),
            Some((_, policies)) => {
                let oids: Vec<Oid> = policies
                    .0
                    .into_iter()
                    .map(|policy| policy.policy_identifier)
                    .collect();
                let unique: BTreeSet<Oid> = oids.iter().cloned().collect();
                if unique.len() != oids.len() || unique.is_empty() {
                    return Err(Fault::Malformed.into());
                }
                let any_counts = self.inhibit_any_policy > 0 || (!is_last && self_issued);
                self.graph.add(&unique, any_counts, budget)?;
            }
        }
        if self.explicit_policy == 0 && self.graph.is_null() {
            return Err(Fault::Policy.into());
        }
        Ok(())
    }

    /// Preparation for the certificate below an authority (§6.1.4).
    fn prepare_next(&mut self, certificate: &Certificate, budget: &mut Budget) -> Result<(), Stop> {
        self.map_policies(certificate, budget)?;
        if let Some((_, constraints)) = certificate.extension::<NameConstraints>()? {
            self.constraints.add(constraints)?;
        }
        let self_issued = certificate.is_self_issued();
        if !self_issued {
            self.explicit_policy = self.explicit_policy.saturating_sub(1);
            self.policy_mapping = self.policy_mapping.saturating_sub(1);
            self.inhibit_any_policy = self.inhibit_any_policy.saturating_sub(1);
        }
        if let Some((_, constraints)) = certificate.extension::<PolicyConstraints>()? {
            self.explicit_policy =
                lowered(self.explicit_policy, constraints.require_explicit_policy);
            self.policy_mapping = lowered(self.policy_mapping, constraints.inhibit_policy_mapping);
        }
        if let Some(skip) = inhibit_any_policy(certificate)? {
            self.inhibit_any_policy = lowered(self.inhibit_any_policy, Some(skip));
        }
        if certificate.tbs().version() != Version::V3 {
            return Err(Fault::NotAnAuthority.into());
        }
        let constraints = certificate
            .extension::<BasicConstraints>()?
            .map(|(_, value)| value);
        let constraints = constraints
            .filter(|value| value.ca)
            .ok_or(Fault::NotAnAuthority)?;
        if !self_issued {
            self.path_length = self.path_length.checked_sub(1).ok_or(Fault::PathLength)?;
        }
        if let Some(limit) = constraints.path_len_constraint {
            self.path_length = self.path_length.min(usize::from(limit));
        }
        if certificate
            .extension::<KeyUsage>()?
            .is_some_and(|(_, usage)| !usage.key_cert_sign())
        {
            return Err(Fault::KeyUsage.into());
        }
        self.check_purpose(certificate)
    }

    fn map_policies(&mut self, certificate: &Certificate, budget: &mut Budget) -> Result<(), Stop> {
        let Some((_, mappings)) = certificate.extension::<PolicyMappings>()? else {
            return Ok(());
        };
        let any = Oid::any_policy();
        let maps_any = mappings.0.iter().any(|mapping| {
            mapping.issuer_domain_policy == any || mapping.subject_domain_policy == any
        });
        if maps_any {
            return Err(Fault::Policy.into());
        }
        Ok(self
            .graph
            .map(&mappings.0, self.policy_mapping > 0, budget)?)
    }

    /// Wrap-up (§6.1.5).
    fn wrap_up(&mut self, end: &Certificate) -> Result<BTreeSet<Oid>, Stop> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        let constraints = end.extension::<PolicyConstraints>()?;
        let explicit = constraints.and_then(|(_, value)| value.require_explicit_policy);
        if explicit == Some(0) {
            self.explicit_policy = 0;
        }
        self.check_purpose(end)?;
        let policies = self.graph.user_constrained(&self.options.initial_policies);
        if self.explicit_policy == 0 && policies.is_empty() {
            return Err(Fault::Policy.into());
        }
        Ok(policies)
    }

    /// An authority that lists purposes limits those below it, as clients read the extension.
    fn check_purpose(&self, certificate: &Certificate) -> Result<(), Stop> {
        let Some(wanted) = self.options.extended_key_usage else {
            return Ok(());
        };
        let usage = certificate.extension::<ExtendedKeyUsage>()?;
        let allowed = usage.is_none_or(|(_, usage)| {
            // anyExtendedKeyUsage does not stand for time-stamping (RFC 3161 §2.3).
            let any_counts = wanted != ID_KP_TIME_STAMPING;
            usage.0.contains(&wanted) || (any_counts && usage.0.contains(&ANY_EXTENDED_KEY_USAGE))
        });
        if allowed {
            Ok(())
        } else {
            Err(Fault::ExtendedKeyUsage.into())
        }
    }
}

fn lowered(current: usize, limit: Option<u32>) -> usize {
    limit.map_or(current, |limit| {
        current.min(usize::try_from(limit).unwrap_or(usize::MAX))
    })
}

fn check_critical(certificate: &Certificate) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for extension in certificate.extensions() {
        if !seen.insert(extension.extn_id) {
            return Err(Fault::Malformed);
        }
        if extension.critical && !PROCESSED.contains(&extension.extn_id) {
            return Err(Fault::UnknownCriticalExtension(extension.extn_id));
        }
    }
    Ok(())
}

fn inhibit_any_policy(certificate: &Certificate) -> Result<Option<u32>, Stop> {
    let mut found = certificate
        .extensions()
        .iter()
        .filter(|one| one.extn_id == ID_CE_INHIBIT_ANY_POLICY);
    let Some(extension) = found.next() else {
        return Ok(None);
    };
    let skip = u32::from_der(extension.extn_value.as_bytes()).map_err(|_| Fault::Malformed)?;
    Ok(Some(skip))
}

/// Whether the certificate says, and may say, that it needs no revocation check: a responder by
/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1), any other end entity by noRevAvail (RFC 9608 §4).
pub(super) fn needs_no_revocation(certificate: &Certificate) -> Result<bool, CertificateError> {
    let has = |oid| {
        certificate
            .extensions()
            .iter()
            .any(|one| one.extn_id == oid)
    };
    let constraints = certificate.extension::<BasicConstraints>()?;
    if constraints.is_some_and(|(_, value)| value.ca) {
        return Ok(false);
    }
    let usage = certificate.extension::<ExtendedKeyUsage>()?;
    let responder = usage.is_some_and(|(_, usage)| usage.0.contains(&ID_KP_OCSP_SIGNING));
    let unchecked = responder && has(extension::ID_PKIX_OCSP_NOCHECK);
    Ok(unchecked || has(extension::ID_CE_NO_REV_AVAIL))
}
