use proptest::prelude::*;

use super::*;
use crate::oidc::claims::ClaimsRequest;
use crate::oidc::grant::tests::grant;
use crate::oidc::{Parameters, client::tests::client, request::ReplyTo};

fn request(scope: &str, claims: Option<&str>) -> AuthorizationRequest {
    let parameters = Parameters::from_pairs([
        ("response_type", "code"),
        ("redirect_uri", "https://tax.gov.kh/callback"),
        ("scope", scope),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
    ]);
    let reply_to = ReplyTo::find(&parameters, &client()).unwrap();
    let mut request =
        AuthorizationRequest::parse(&parameters, &client(), &grant(), reply_to).unwrap();
    if let Some(claims) = claims {
        request.claims = ClaimsRequest::parse(claims).unwrap();
    }
    request
}

fn consent(asked: &[AskedLine], ticked: &[&str]) -> Consent {
    Consent {
        id: Uuid::from_u128(1),
        person: Uuid::from_u128(2),
        client_id: grant().client_id,
        grant_id: grant().id,
        shares: answers(asked, &ticked.iter().map(|&t| t.to_owned()).collect()),
        granted_at: Timestamp::UNIX_EPOCH,
        expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
        withdrawn_at: None,
    }
}

fn ids(asked: &[AskedLine]) -> Vec<&str> {
    asked.iter().map(|a| a.line.id.as_str()).collect()
}

#[test]
fn only_what_is_asked_for_and_granted_is_a_line() {
    let asked = asked_lines(&request("openid profile", None), &grant());
    assert_eq!(ids(&asked), ["name", "birthdate"]);
    let by_name = request(
        "openid",
        Some(r#"{"userinfo":{"birthdate":null,"gender":null,"phone_number":null,"email":null}}"#),
    );
    let asked = asked_lines(&by_name, &grant());
    assert_eq!(ids(&asked), ["birthdate", "email"]);
    assert_eq!(asked[1].claims, BTreeSet::from(["email".to_owned()]));
}

#[test]
fn optional_lines_are_off_unless_ticked() {
    let request = request("openid profile email", None);
    let asked = asked_lines(&request, &grant());
    let without = consent(&asked, &[]);
    assert!(without.answers(&asked), "a refusal is an answer too");
    let release = without.release(&request, &asked);
    assert_eq!(release.scopes.to_string(), "openid profile");
    assert_eq!(release.claims_of(Scope::Email), None);
    let with = consent(&asked, &["email"]).release(&request, &asked);
    assert_eq!(with.scopes.to_string(), "openid profile email");
}

#[test]
fn a_wider_request_is_not_answered_by_a_narrower_consent() {
    let narrow = asked_lines(&request("openid profile", None), &grant());
    let consent = consent(&narrow, &[]);
    let wide = asked_lines(&request("openid profile email", None), &grant());
    assert!(!consent.answers(&wide));
    assert!(consent.answers(&narrow));
}

#[test]
fn a_consent_ends_by_time_withdrawal_and_with_its_grant() {
    let asked = asked_lines(&request("openid profile", None), &grant());
    let consent = consent(&asked, &[]);
    let now = "2026-11-22T00:00:00Z".parse().unwrap();
    assert!(consent.is_in_force(&grant(), now));
    assert!(!consent.is_in_force(&grant(), consent.expires_at));
    let mut withdrawn = consent.clone();
    withdrawn.withdrawn_at = Some(now);
    assert!(!withdrawn.is_in_force(&grant(), now));
    let mut other = grant();
    other.id = Uuid::from_u128(9);
    assert!(!consent.is_in_force(&other, now));
}

proptest! {
    #[test]
    fn a_release_never_exceeds_request_grant_and_consent(
        scopes in proptest::collection::btree_set(prop_oneof![Just("profile"), Just("email"), Just("identity"), Just("offline_access")], 0..4),
        ticked in proptest::collection::btree_set(prop_oneof![Just("email"), Just("offline"), Just("name")], 0..3),
    ) {
        let scope = ["openid"].into_iter().chain(scopes.iter().copied()).collect::<Vec<_>>().join(" ");
        let request = request(&scope, None);
        let asked = asked_lines(&request, &grant());
        let ticked: Vec<&str> = ticked.into_iter().collect();
        let release = consent(&asked, &ticked).release(&request, &asked);
        prop_assert!(release.scopes.is_subset(&request.scopes));
        prop_assert!(release.scopes.is_subset(&grant().scopes()));
        for (scope, claims) in &release.claims {
            for claim in claims {
                prop_assert!(grant().data.iter().any(|line| line.scope == *scope
                    && line.claims.contains(claim)
                    && (line.required || ticked.contains(&line.id.as_str()))));
            }
        }
    }
}
