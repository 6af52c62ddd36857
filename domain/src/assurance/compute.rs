//! From evidence to level.

use jiff::civil::Date;

use super::{Assurance, Level, Reason};
use crate::{
    document::{DocumentPolicy, ExpiryRule, KH_2026_11 as DOCUMENTS, Strength},
    evidence::{CheckKind, EvidenceRecord, Outcome},
};

/// The rules from evidence to level, with the document rules they rest on.
#[derive(Debug)]
pub struct AssurancePolicy {
    /// Name of the set, recorded with every computed level.
    pub version: &'static str,
    /// Rules on documents.
    pub documents: &'static DocumentPolicy,
    /// Officers who must have compared a document for level two without a register.
    pub officers_for_two: usize,
}

/// The rules in force from November 2026.
pub static KH_2026_11: AssurancePolicy = AssurancePolicy {
    version: "kh-2026-11",
    documents: &DOCUMENTS,
    officers_for_two: 2,
};

/// The level that the evidence gives on a day; `None` where it gives none.
///
/// A foreigner's account lives no longer than the passport, so an expired document counts only where its rule
/// lets cards outlive their date.
pub fn compute(
    evidence: &[EvidenceRecord],
    policy: &AssurancePolicy,
    on: Date,
) -> Option<Assurance> {
    evidence
        .iter()
        .filter(|record| counts(record, policy, on))
        .filter_map(|record| level_of(record, policy))
        .max_by_key(|(level, _)| *level)
        .map(|(level, reason)| Assurance {
            level,
            policy: policy.version.to_owned(),
            reason,
        })
}

/// Worth of a document after the checks recorded on it.
pub fn strength(record: &EvidenceRecord, policy: &DocumentPolicy) -> Strength {
    let rule = policy.rule(record.document);
    if record.passed(CheckKind::ChipVerified) {
        return Strength::Superior;
    }
    let raised = rule.strong_after.iter().any(|check| match check {
        CheckKind::FaceCompared => {
            record.officers_who_passed(CheckKind::FaceCompared) >= rule.officers
                && record.officers_who_passed(CheckKind::DocumentInspected) >= rule.officers
        }
        other => record.passed(*other),
    });
    if raised {
        rule.strength.max(Strength::Strong)
    } else {
        rule.strength
    }
}

fn counts(record: &EvidenceRecord, policy: &AssurancePolicy, on: Date) -> bool {
    let expired = record.expires_on.is_some_and(|last| last < on);
    let strict = policy.documents.rule(record.document).expiry == ExpiryRule::Required;
    // A passport of our own state proves who someone is for as long as the account is renewed; a foreign one caps it.
    let caps = strict && record.issuer != "KHM";
    let contradicted = record
        .checks
        .iter()
        .any(|check| check.kind == CheckKind::MrzCheckDigits && check.outcome == Outcome::Wrong);
    !(contradicted || (expired && caps))
}

fn level_of(record: &EvidenceRecord, policy: &AssurancePolicy) -> Option<(Level, Reason)> {
    let strength = strength(record, policy.documents);
    if record.passed(CheckKind::ChipVerified) {
        return Some((Level::Three, Reason::ChipVerified));
    }
    if strength >= Strength::Strong {
        if record.passed(CheckKind::InPerson) {
            return Some((Level::Three, Reason::SeenInPerson));
        }
        if record.passed(CheckKind::RegisterMatched) {
            return Some((Level::Two, Reason::RegisterMatched));
        }
        if record.officers_who_passed(CheckKind::FaceCompared) >= policy.officers_for_two {
            return Some((Level::Two, Reason::TwoOfficersCompared));
        }
    }
    (record.officers_who_passed(CheckKind::DocumentInspected) >= 1)
        .then_some((Level::One, Reason::DocumentInspected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{document::DocumentKind, evidence::CheckRecord};
    use jiff::{Timestamp, civil::date};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn check(kind: CheckKind, officer: u128) -> CheckRecord {
        CheckRecord {
            id: Uuid::from_u128(officer * 100 + kind as u128),
            kind,
            outcome: Outcome::Right,
            officer: (officer > 0).then(|| Uuid::from_u128(officer)),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn record(document: DocumentKind, checks: Vec<CheckRecord>) -> EvidenceRecord {
        EvidenceRecord {
            id: Uuid::nil(),
            case: Uuid::nil(),
            document,
            issuer: "KHM".to_owned(),
            number: "123456789".to_owned(),
            issued_on: None,
            expires_on: Some(date(2030, 1, 1)),
            strength: Strength::Fair,
            checks,
            verified_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn two_officers() -> Vec<CheckRecord> {
        [1, 2]
            .into_iter()
            .flat_map(|o| {
                [
                    check(CheckKind::DocumentInspected, o),
                    check(CheckKind::FaceCompared, o),
                ]
            })
            .collect()
    }

    fn level(document: DocumentKind, checks: Vec<CheckRecord>) -> Option<(Level, Reason)> {
        compute(&[record(document, checks)], &KH_2026_11, date(2026, 11, 22))
            .map(|assurance| (assurance.level(), assurance.reason()))
    }

    #[test]
    fn two_officers_make_an_id_card_level_two() {
        assert_eq!(
            level(DocumentKind::NationalIdCard, two_officers()),
            Some((Level::Two, Reason::TwoOfficersCompared))
        );
    }

    #[test]
    fn one_officer_twice_is_one_officer() {
        let mut checks = two_officers();
        for check in &mut checks {
            check.officer = Some(Uuid::from_u128(1));
        }
        assert_eq!(
            level(DocumentKind::NationalIdCard, checks),
            Some((Level::One, Reason::DocumentInspected))
        );
    }

    #[test]
    fn a_birth_certificate_alone_stays_level_one() {
        assert_eq!(
            level(DocumentKind::BirthCertificate, two_officers()),
            Some((Level::One, Reason::DocumentInspected))
        );
        assert_eq!(level(DocumentKind::BirthCertificate, vec![]), None);
    }

    #[test]
    fn register_chip_and_presence() {
        let register = vec![check(CheckKind::RegisterMatched, 0)];
        assert_eq!(
            level(DocumentKind::DrivingLicence, register),
            Some((Level::Two, Reason::RegisterMatched))
        );
        let chip = vec![check(CheckKind::ChipVerified, 0)];
        assert_eq!(
            level(DocumentKind::Passport, chip),
            Some((Level::Three, Reason::ChipVerified))
        );
        let mut seen = two_officers();
        seen.push(check(CheckKind::InPerson, 1));
        assert_eq!(
            level(DocumentKind::NationalIdCard, seen),
            Some((Level::Three, Reason::SeenInPerson))
        );
        let weak = vec![
            check(CheckKind::InPerson, 1),
            check(CheckKind::DocumentInspected, 1),
        ];
        assert_eq!(
            level(DocumentKind::NssfCard, weak),
            Some((Level::One, Reason::DocumentInspected))
        );
    }

    #[test]
    fn a_foreign_passport_counts_until_it_expires() {
        let mut foreign = record(DocumentKind::Passport, two_officers());
        foreign.issuer = "D".to_owned();
        let on = |day| compute(std::slice::from_ref(&foreign), &KH_2026_11, day);
        assert!(on(date(2030, 1, 1)).is_some());
        assert!(on(date(2030, 1, 2)).is_none());
    }

    proptest! {
        /// More evidence and more checks never lower a level.
        #[test]
        fn monotone(kinds in proptest::collection::vec((0usize..8, 5usize..15, 0u128..4), 0..12), cut in 0usize..12) {
            let records = |take: usize| -> Vec<EvidenceRecord> {
                kinds.iter().take(take)
                    .map(|(document, kind, officer)| record(DocumentKind::ALL[*document], vec![check(CheckKind::ALL[*kind], *officer)]))
                    .collect()
            };
            let some = compute(&records(cut), &KH_2026_11, date(2026, 11, 22)).map(|a| a.level());
            let all = compute(&records(kinds.len()), &KH_2026_11, date(2026, 11, 22)).map(|a| a.level());
            prop_assert!(all >= some);
        }
    }
}
