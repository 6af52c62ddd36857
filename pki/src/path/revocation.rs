//! Revocation by CRL (RFC 5280 §6.3), complete, partitioned, indirect and delta lists.

use x509_cert::ext::pkix::crl::dp::{DistributionPoint, ReasonFlags};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{CrlDistributionPoints, KeyUsage};

use super::build::{self, Material};
use super::{Budget, Fault, Options, PathError, Revocation, check, scope};
use crate::certificate::Certificate;
use crate::crl::{CertificateList, CrlReason, Entry};
use crate::name;

/// How many lists may depend on one another: a list's signer may itself be listed elsewhere.
const MAX_NESTING: u8 = 3;

/// Checks every certificate of a path that otherwise passed.
pub(super) fn check(
    path: &[&Certificate],
    anchor: &Certificate,
    material: &Material<'_, '_>,
    budget: &mut Budget,
    nesting: u8,
) -> Result<(), PathError> {
    let Revocation::Crls(lists) = material.options.revocation else {
        return Ok(());
    };
    // From the anchor down: a revoked authority explains more than what is below it.
    for (depth, certificate) in path.iter().enumerate().rev() {
        match check::needs_no_revocation(certificate) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(_) => {
                return Err(PathError::Certificate {
                    depth,
                    fault: Fault::Malformed,
                });
            }
        }
        let above = path.get(depth + 1..).unwrap_or_default();
        let signs_lists = nesting > 0 && depth == 0;
        let inquiry = Inquiry {
            certificate,
            above,
            anchor,
            lists,
            material,
            nesting,
            signs_lists,
        };
        inquiry
            .answer(budget)?
            .map_err(|fault| PathError::Certificate { depth, fault })?;
    }
    Ok(())
}

/// One question: is this certificate revoked?
struct Inquiry<'q, 'a, 'o> {
    certificate: &'q Certificate,
    /// The authorities above it in its path.
    above: &'q [&'q Certificate],
    anchor: &'q Certificate,
    lists: &'q [CertificateList],
    material: &'q Material<'a, 'o>,
    nesting: u8,
    /// Whether the certificate is asked about because it signed a list.
    signs_lists: bool,
}

impl Inquiry<'_, '_, '_> {
    fn answer(&self, budget: &mut Budget) -> Result<Result<(), Fault>, PathError> {
        let Ok(points) = distribution_points(self.certificate) else {
            return Ok(Err(Fault::Malformed));
        };
        let mut covered = ReasonFlags::default();
        for point in &points {
            for list in self.lists {
                let Some(reasons) = self.usable(list, point, false) else {
                    continue;
                };
                if covered.contains(reasons) || !self.is_authentic(list, budget)? {
                    continue;
                }
                if let Some(fault) = self.verdict(list, point, budget)? {
                    return Ok(Err(fault));
                }
                covered |= reasons;
                if covered.contains(scope::all_reasons()) {
                    return Ok(Ok(()));
                }
            }
        }
        Ok(Err(Fault::RevocationUnknown))
    }

    /// Scope and freshness, without signature: for which reasons the list would answer.
    fn usable(
        &self,
        list: &CertificateList,
        point: &DistributionPoint,
        delta: bool,
    ) -> Option<ReasonFlags> {
        let is_delta = list.base_number().ok()?.is_some();
        let now = self.material.now;
        // A list without an end was fresh once; nobody can say when it no longer is.
        let fresh = list.this_update() <= now && list.next_update().is_some_and(|end| now <= end);
        if is_delta != delta || !fresh || list.has_unknown_critical_extension() {
            return None;
        }
        scope::reasons(list, self.certificate, point)
    }

    /// What a list and its deltas say; `None` is "not revoked".
    fn verdict(
        &self,
        list: &CertificateList,
        point: &DistributionPoint,
        budget: &mut Budget,
    ) -> Result<Option<Fault>, PathError> {
        let mut entry = self.find(list);
        for delta in self.lists {
            if self.usable(delta, point, true).is_some()
                && belongs(delta, list)
                && self.is_authentic(delta, budget)?
                && let Some(newer) = self.find(delta)
            {
                entry = Some(newer);
            }
        }
        Ok(entry
            .filter(|entry| entry.reason != CrlReason::RemoveFromCrl)
            .map(|entry| Fault::Revoked {
                at: entry.revoked_at,
                reason: entry.reason,
            }))
    }

    fn find<'l>(&self, list: &'l CertificateList) -> Option<&'l Entry> {
        let serial = self.certificate.tbs().serial_number().as_bytes();
        list.find(self.certificate.issuer(), serial)
    }

    /// Whether a signer that this path trusts made the list (§6.3.3 (f) and (g)).
    fn is_authentic(&self, list: &CertificateList, budget: &mut Budget) -> Result<bool, PathError> {
        // An indirect list may cover its own signer; no other list ever will.
        let own = self.signs_lists.then_some(self.certificate);
        let known = self.above.iter().copied().chain([self.anchor]).chain(own);
        for signer in known {
            if self.signed(list, signer, budget)? {
                return Ok(true);
            }
        }
        if self.nesting >= MAX_NESTING {
            return Ok(false);
        }
        for signer in self.material.pool {
            if self.signed(list, signer, budget)? && self.is_trusted(signer, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn signed(
        &self,
        list: &CertificateList,
        signer: &Certificate,
        budget: &mut Budget,
    ) -> Result<bool, PathError> {
        budget.spend_candidate()?;
        let may_sign = match signer.extension::<KeyUsage>() {
            Ok(usage) => usage.is_none_or(|(_, usage)| usage.crl_sign()),
            Err(_) => false,
        };
        if !may_sign || !name::matches(signer.subject(), list.issuer()) {
            return Ok(false);
        }
        budget.spend_signature()?;
        Ok(list
            .verify(signer.public_key(), self.material.verifier)
            .is_ok())
    }

    /// Validates a signer outside the path, up to the same anchor, its own status included.
    fn is_trusted(&self, signer: &Certificate, budget: &mut Budget) -> Result<bool, PathError> {
        let options = Options {
            budget: *budget,
            ..Options::new(self.material.options.revocation)
        };
        let material = Material {
            pool: self.material.pool,
            anchors: std::slice::from_ref(self.anchor),
            options: &options,
            now: self.material.now,
            verifier: self.material.verifier,
        };
        match build::search(signer, &material, budget, self.nesting + 1) {
            Ok(_) => Ok(true),
            Err(PathError::Budget) => Err(PathError::Budget),
            Err(_) => Ok(false),
        }
    }
}

/// The certificate's points, and its issuer as a last one, whose lists need no point (§6.3.3, end).
fn distribution_points(
    certificate: &Certificate,
) -> Result<Vec<DistributionPoint>, crate::certificate::CertificateError> {
    let found = certificate.extension::<CrlDistributionPoints>()?;
    let mut points = found.map(|(_, points)| points.0).unwrap_or_default();
    let issuer = GeneralName::DirectoryName(certificate.issuer().clone());
    points.push(DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![issuer])),
        reasons: None,
        crl_issuer: None,
    });
    Ok(points)
}

/// Whether a delta list updates a complete one (§5.2.4 and §6.3.3 (c)).
fn belongs(delta: &CertificateList, list: &CertificateList) -> bool {
    let (Ok(Some(base)), Ok(Some(number)), Ok(Some(delta_number))) =
        (delta.base_number(), list.number(), delta.number())
    else {
        return false;
    };
    let order = |number: &der::asn1::Uint| (number.as_bytes().len(), number.as_bytes().to_vec());
    name::matches(delta.issuer(), list.issuer())
        && delta.issuing_distribution_point() == list.issuing_distribution_point()
        && delta.authority_key_identifier().ok() == list.authority_key_identifier().ok()
        && order(&base) <= order(&number)
        && order(&number) < order(&delta_number)
}
