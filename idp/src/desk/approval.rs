//! What an approval makes of an application: the person's record with its evidence and level.

use domain::assurance::{Assurance, KH_2026_11, compute, strength};
use domain::document::{ApplicantKind, ImageRole, Strength};
use domain::evidence::{CheckKind, CheckRecord, EvidenceRecord, Outcome};
use domain::kyc::{Application, today_in_cambodia};
use domain::person::{EntityFacts, PersonKind, PersonRecord};
use jiff::Timestamp;
use store::idp::CheckItem;
use uuid::Uuid;

use crate::account::AccountError;
use crate::apply::Opened;

/// The checks that an officer vouches for by approving.
pub(super) fn officer_checks(opened: &Opened) -> Vec<CheckKind> {
    let face = opened
        .evidence
        .iter()
        .any(|item| item.role == ImageRole::Portrait);
    let mut kinds = vec![CheckKind::DocumentInspected];
    if face {
        kinds.push(CheckKind::FaceCompared);
    }
    kinds
}

/// Stored checks as records of evidence.
pub(super) fn records(checks: &[CheckItem]) -> Vec<CheckRecord> {
    checks
        .iter()
        .map(|check| CheckRecord {
            id: check.id,
            kind: check.kind,
            outcome: check.outcome,
            officer: check.officer,
            at: Timestamp::from_second(check.at).unwrap_or(Timestamp::UNIX_EPOCH),
        })
        .collect()
}

/// The level that an approval by two officers would give, and its rule; `None` where the evidence gives none.
pub(super) fn level_if_approved(
    opened: &Opened,
    checks: &[CheckItem],
    now: Timestamp,
) -> Result<Option<Assurance>, AccountError> {
    let mut all = records(checks);
    for officer in [Uuid::from_u128(1), Uuid::from_u128(2)] {
        all.extend(officer_checks(opened).into_iter().map(|kind| CheckRecord {
            id: Uuid::nil(),
            kind,
            outcome: Outcome::Right,
            officer: Some(officer),
            at: now,
        }));
    }
    let evidence = evidence(opened, Uuid::nil(), all, now)?;
    Ok(compute(&[evidence], &KH_2026_11, today_in_cambodia(now)))
}

fn evidence(
    opened: &Opened,
    id: Uuid,
    checks: Vec<CheckRecord>,
    now: Timestamp,
) -> Result<EvidenceRecord, AccountError> {
    let Application {
        document,
        issuer,
        number,
        expires_on,
        ..
    } = &opened.application;
    let (Some(document), Some(issuer), Some(number)) = (document, issuer, number) else {
        return Err(AccountError::Invalid("application without document"));
    };
    let mut record = EvidenceRecord {
        id,
        case: opened.row.id,
        document: *document,
        issuer: issuer.clone(),
        number: number.clone(),
        issued_on: None,
        expires_on: *expires_on,
        strength: Strength::Fair,
        checks,
        verified_at: now,
    };
    record.strength = strength(&record, KH_2026_11.documents);
    Ok(record)
}

/// The record of the person, as sealed. `checks` are all of the revision, the deciding officer's included.
pub(super) fn person(
    opened: &Opened,
    evidence_id: Uuid,
    checks: Vec<CheckRecord>,
    now: Timestamp,
) -> Result<PersonRecord, AccountError> {
    let application = &opened.application;
    let latin = application
        .latin
        .clone()
        .ok_or(AccountError::Invalid("application without name"))?;
    let record = evidence(opened, evidence_id, checks, now)?;
    let kind = match application.applicant {
        Some(ApplicantKind::Entity) => PersonKind::Entity,
        _ => PersonKind::Natural,
    };
    Ok(PersonRecord {
        kind,
        latin,
        khmer: application.khmer.clone(),
        birth_date: application.birth_date,
        sex: application.sex,
        nationality: application.nationality.clone(),
        entity: application.entity.as_ref().map(|entity| EntityFacts {
            latin: entity.latin.clone(),
            khmer: Some(entity.khmer.clone()),
            registration: record.number.clone(),
        }),
        contacts: application.contact.clone().into_iter().collect(),
        evidence: vec![record],
    })
}
