use std::collections::BTreeMap;

use jiff::civil::date;
use uuid::Uuid;

use super::*;
use crate::assurance::{KH_2026_11, compute};
use crate::document::{DocumentKind, Strength};
use crate::evidence::CheckKind;
use crate::name::NameParts;
use crate::oidc::claims::ClaimsRequest;
use crate::person::{Contact, ContactKind, PartialDate, PersonKind, Sex};

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn check(kind: CheckKind, outcome: Outcome, officer: u128) -> CheckRecord {
    CheckRecord {
        id: Uuid::from_u128(100 + officer),
        kind,
        outcome,
        officer: Some(Uuid::from_u128(officer)),
        at: "2026-05-12T03:00:00Z".parse().unwrap(),
    }
}

fn facts() -> PersonFacts {
    let evidence = vec![EvidenceRecord {
        id: Uuid::from_u128(5),
        case: Uuid::from_u128(6),
        document: DocumentKind::NationalIdCard,
        issuer: "KHM".to_owned(),
        number: "123456789".to_owned(),
        issued_on: None,
        expires_on: Some(date(2030, 1, 1)),
        strength: Strength::Strong,
        checks: vec![
            check(CheckKind::DocumentInspected, Outcome::Right, 1),
            check(CheckKind::FaceCompared, Outcome::Right, 1),
            check(CheckKind::DocumentInspected, Outcome::Right, 2),
            check(CheckKind::FaceCompared, Outcome::Right, 2),
            check(CheckKind::RegisterMatched, Outcome::Wrong, 3),
        ],
        verified_at: "2026-05-12T03:00:00Z".parse().unwrap(),
    }];
    let assurance = compute(&evidence, &KH_2026_11, date(2026, 11, 22)).unwrap();
    PersonFacts {
        person: Uuid::from_u128(1),
        kind: PersonKind::Natural,
        latin: NameParts {
            family: "SOK".to_owned(),
            given: "DARA".to_owned(),
        },
        khmer: Some(NameParts {
            family: "សុខ".to_owned(),
            given: "ដារ៉ា".to_owned(),
        }),
        birth_date: Some(PartialDate::new(1990, None, None).unwrap()),
        sex: Some(Sex::Female),
        nationality: Some("KHM".to_owned()),
        entity: None,
        contacts: vec![Contact {
            kind: ContactKind::Email,
            value: "dara@example.org".to_owned(),
            verified_at: Some(now()),
        }],
        evidence,
        assurance,
        updated_at: now(),
    }
}

fn release(claims: &[(Scope, &[&str])]) -> Release {
    Release {
        scopes: claims.iter().map(|(scope, _)| *scope).collect(),
        claims: claims
            .iter()
            .map(|(scope, names)| (*scope, names.iter().map(|&n| n.to_owned()).collect()))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn userinfo(release: &Release, request: &str) -> Map<String, Value> {
    let requested = ClaimsRequest::parse(request).unwrap().userinfo;
    released_claims(&facts(), release, &requested, true, now())
}

#[test]
fn a_scope_releases_only_the_granted_claims() {
    let release = release(&[(Scope::Profile, &["name", "name#km", "birthdate"])]);
    let claims = Value::Object(userinfo(&release, "{}"));
    assert_eq!(
        claims,
        json!({"name": "SOK DARA", "name#km": "សុខ ដារ៉ា", "birthdate": "1990"})
    );
}

#[test]
fn without_a_release_nothing_leaves_whatever_is_asked_for() {
    let asked = r#"{"userinfo":{"name":null,"email":null,"document":null,
        "verified_claims":{"verification":{"trust_framework":null},"claims":{"name":null}}}}"#;
    assert!(userinfo(&Release::default(), asked).is_empty());
}

#[test]
fn the_identity_scope_shows_the_evidence_without_numbers_or_officers() {
    let release = release(&[(Scope::Identity, &["name", "birthdate"])]);
    let claims = userinfo(&release, "{}");
    let verified = &claims["verified_claims"];
    assert_eq!(verified["verification"]["trust_framework"], "kh_vdia");
    assert_eq!(verified["verification"]["assurance_level"], "urn:kh:vdia:2");
    assert_eq!(
        verified["claims"],
        json!({"name": "SOK DARA", "birthdate": "1990"})
    );
    let methods: Vec<&str> = verified["verification"]["evidence"][0]["check_details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["check_method"].as_str().unwrap())
        .collect();
    assert_eq!(
        methods,
        ["vri", "pvr", "vri", "pvr"],
        "a failed check is no evidence"
    );
    let text = serde_json::to_string(&claims).unwrap();
    assert!(!text.contains("123456789"));
    assert!(!text.contains(&Uuid::from_u128(2).to_string()));
}

#[test]
fn a_request_by_name_narrows_verified_claims_and_honours_constraints() {
    let release = release(&[(Scope::Identity, &["name", "birthdate"])]);
    let unmet = r#"{"userinfo":{"verified_claims":{"verification":{"trust_framework":{"value":"eidas"}},"claims":{"name":null}}}}"#;
    assert!(!userinfo(&release, unmet).contains_key("verified_claims"));
    let met = r#"{"userinfo":{"verified_claims":{"verification":{"trust_framework":{"value":"kh_vdia"}},"claims":{"birthdate":null,"gender":null}}}}"#;
    assert_eq!(
        userinfo(&release, met)["verified_claims"],
        json!({"verification": {"trust_framework": "kh_vdia"}, "claims": {"birthdate": "1990"}})
    );
}

#[test]
fn the_document_is_masked() {
    let release = release(&[(Scope::IdentityDocument, &["document"])]);
    let claims = userinfo(&release, "{}");
    assert_eq!(claims["document"]["number"], "******789");
}

#[test]
fn a_constraint_on_a_plain_claim_is_honoured() {
    let release = release(&[(Scope::Email, &["email", "email_verified"])]);
    let asked = r#"{"userinfo":{"email":{"value":"someone@else.example"}}}"#;
    let claims = userinfo(&release, asked);
    assert!(!claims.contains_key("email"));
    assert_eq!(claims["email_verified"], json!(true));
}
