//! The checks that are computed when an application is handed in. They inform officers and never decide.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Application;
use crate::{
    document::{DocumentPolicy, DocumentRule, ExpiryRule},
    evidence::{CheckKind, Outcome},
    mrz::Mrz,
    name::latin::{NameMatch, compare},
    person::Sex,
};

/// What the application alone cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Other cases or persons with the same document.
    pub same_document: usize,
    /// Other cases with one of the images.
    pub same_image: usize,
}

/// One computed check with what it compared. Personal data: stored sealed only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked.
    pub kind: CheckKind,
    /// What was found.
    pub outcome: Outcome,
    /// What the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// What the form says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// How many were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Finding {
    fn new(kind: CheckKind, outcome: Outcome) -> Self {
        Self {
            kind,
            outcome,
            document: None,
            form: None,
            count: None,
        }
    }

    fn compared(kind: CheckKind, outcome: Outcome, document: String, form: String) -> Self {
        Self {
            document: Some(document),
            form: Some(form),
            ..Self::new(kind, outcome)
        }
    }

    fn counted(kind: CheckKind, outcome: Outcome, count: usize) -> Self {
        Self {
            count: u64::try_from(count).ok(),
            ..Self::new(kind, outcome)
        }
    }
}

/// All computed checks on a complete application, in the order shown.
pub fn automatic(
    application: &Application,
    policy: &DocumentPolicy,
    around: Surroundings,
    today: Date,
) -> Vec<Finding> {
    let Some(rule) = application.rule(policy) else {
        return Vec::new();
    };
    let zone = application.read_zone(today);
    let mut findings = vec![
        zone_digits(rule, zone.as_ref()),
        number_format(application, rule),
    ];
    if let Some(zone) = &zone {
        findings.extend(agreement(application, zone));
    }
    findings.push(expiry(application, rule, today));
    findings.push(unused(CheckKind::DocumentUnused, around.same_document));
    findings.push(unused(CheckKind::ImageUnused, around.same_image));
    let reached = application
        .contact
        .as_ref()
        .is_some_and(|c| c.verified_at.is_some());
    findings.push(Finding::new(
        CheckKind::ContactReached,
        if reached {
            Outcome::Right
        } else {
            Outcome::Wrong
        },
    ));
    findings
}

fn zone_digits(rule: &DocumentRule, zone: Option<&Mrz>) -> Finding {
    const KIND: CheckKind = CheckKind::MrzCheckDigits;
    match zone {
        Some(zone) => Finding::counted(KIND, Outcome::Right, usize::from(zone.check_digits)),
        None if rule.has_zone() => Finding::new(KIND, Outcome::Wrong),
        None => Finding::new(KIND, Outcome::NotApplicable),
    }
}

fn number_format(application: &Application, rule: &DocumentRule) -> Finding {
    let normal = application
        .number
        .as_deref()
        .map(|number| rule.number.normalise(number));
    let outcome = match (normal, application.number.as_deref()) {
        (Some(Ok(normal)), Some(number)) if normal == number => Outcome::Right,
        _ => Outcome::Wrong,
    };
    Finding::new(CheckKind::NumberFormat, outcome)
}

fn agreement(application: &Application, zone: &Mrz) -> Vec<Finding> {
    let verdict = |same: bool| if same { Outcome::Right } else { Outcome::Wrong };
    let number = application.number.clone().unwrap_or_default();
    let mut findings = vec![Finding::compared(
        CheckKind::NumberAgrees,
        verdict(number == zone.number),
        zone.number.clone(),
        number,
    )];
    if let Some(name) = &application.latin {
        let outcome = match compare(name, &zone.name, zone.truncated) {
            NameMatch::Same | NameMatch::ByRules => Outcome::Right,
            NameMatch::Differs => Outcome::Look,
        };
        findings.push(Finding::compared(
            CheckKind::NameAgrees,
            outcome,
            zone.name.full(),
            name.full(),
        ));
    }
    if let (Some(typed), Some(read)) = (application.birth_date, zone.birth_date) {
        findings.push(Finding::compared(
            CheckKind::BirthDateAgrees,
            verdict(typed.agrees_with(read)),
            read.to_string(),
            typed.to_string(),
        ));
    }
    if let Some(typed) = application.sex {
        let same = typed == zone.sex || zone.sex == Sex::Unspecified;
        findings.push(Finding::compared(
            CheckKind::SexAgrees,
            verdict(same),
            zone.sex.as_str().to_owned(),
            typed.as_str().to_owned(),
        ));
    }
    findings
}

fn expiry(application: &Application, rule: &DocumentRule, today: Date) -> Finding {
    const KIND: CheckKind = CheckKind::NotExpired;
    match (application.expires_on, rule.expiry) {
        (Some(last), _) => Finding {
            document: Some(last.to_string()),
            ..Finding::new(
                KIND,
                if last < today {
                    Outcome::Wrong
                } else {
                    Outcome::Right
                },
            )
        },
        (None, ExpiryRule::Required) => Finding::new(KIND, Outcome::Wrong),
        (None, ExpiryRule::Optional | ExpiryRule::Never) => {
            Finding::new(KIND, Outcome::NotApplicable)
        }
    }
}

fn unused(kind: CheckKind, others: usize) -> Finding {
    let outcome = if others == 0 {
        Outcome::Right
    } else {
        Outcome::Look
    };
    Finding::counted(kind, outcome, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        document::{ApplicantKind, DocumentKind, KH_2026_11},
        name::NameParts,
    };
    use jiff::civil::date;

    const ZONE: &str = "IDKHM1234567897<<<<<<<<<<<<<<<\n9001011F3301018KHM<<<<<<<<<<<2\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<";

    fn application() -> Application {
        Application {
            applicant: Some(ApplicantKind::National),
            document: Some(DocumentKind::NationalIdCard),
            number: Some("123456789".to_owned()),
            zone: Some(ZONE.to_owned()),
            expires_on: Some(date(2033, 1, 1)),
            latin: Some(NameParts {
                family: "Sok".to_owned(),
                given: "Dara".to_owned(),
            }),
            birth_date: "1990-01-01".parse().ok(),
            sex: Some(Sex::Male),
            ..Application::default()
        }
    }

    fn outcome(findings: &[Finding], kind: CheckKind) -> Outcome {
        findings
            .iter()
            .find(|finding| finding.kind == kind)
            .unwrap()
            .outcome
    }

    #[test]
    fn a_card_with_another_sex() {
        let around = Surroundings {
            same_document: 1,
            same_image: 0,
        };
        let found = automatic(&application(), &KH_2026_11, around, date(2026, 11, 22));
        assert_eq!(outcome(&found, CheckKind::MrzCheckDigits), Outcome::Right);
        assert_eq!(outcome(&found, CheckKind::NameAgrees), Outcome::Right);
        assert_eq!(outcome(&found, CheckKind::SexAgrees), Outcome::Wrong);
        assert_eq!(outcome(&found, CheckKind::DocumentUnused), Outcome::Look);
        assert_eq!(outcome(&found, CheckKind::ImageUnused), Outcome::Right);
        assert_eq!(outcome(&found, CheckKind::ContactReached), Outcome::Wrong);
    }

    #[test]
    fn valid_through_its_last_day() {
        let on = |day| {
            outcome(
                &automatic(&application(), &KH_2026_11, Surroundings::default(), day),
                CheckKind::NotExpired,
            )
        };
        assert_eq!(on(date(2033, 1, 1)), Outcome::Right);
        assert_eq!(on(date(2033, 1, 2)), Outcome::Wrong);
    }

    #[test]
    fn a_document_without_zone() {
        let mut paper = application();
        paper.choose_document(DocumentKind::BirthCertificate);
        paper.number = Some("12/2026".to_owned());
        let found = automatic(
            &paper,
            &KH_2026_11,
            Surroundings::default(),
            date(2026, 11, 22),
        );
        assert_eq!(
            outcome(&found, CheckKind::MrzCheckDigits),
            Outcome::NotApplicable
        );
        assert_eq!(outcome(&found, CheckKind::NumberFormat), Outcome::Right);
        assert!(
            !found
                .iter()
                .any(|finding| finding.kind == CheckKind::NameAgrees)
        );
    }
}
