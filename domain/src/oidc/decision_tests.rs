use proptest::prelude::*;

use super::*;
use crate::oidc::client::tests::client;
use crate::oidc::grant::tests::grant;
use crate::oidc::{Parameters, request::ReplyTo};

fn request(changes: &[(&str, &str)]) -> AuthorizationRequest {
    let mut pairs = vec![
        ("response_type", "code"),
        ("redirect_uri", "https://tax.gov.kh/callback"),
        ("scope", "openid"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
    ];
    pairs.extend_from_slice(changes);
    let parameters = Parameters::from_pairs(pairs);
    let reply_to = ReplyTo::find(&parameters, &client()).unwrap();
    AuthorizationRequest::parse(&parameters, &client(), &grant(), reply_to).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn situation(auth_time: Option<i64>, started: Option<i64>) -> Situation {
    Situation {
        started_at: started.map(at),
        signed_in: auth_time.map(|t| SignedIn {
            auth_time: at(t),
            ial: 2,
            aal: 2,
        }),
        consent_answers: true,
        consent_given_now: false,
        now: at(1000),
    }
}

fn code(step: Step) -> ErrorCode {
    match step {
        Step::Refuse(error) => error.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn no_session_means_signing_in() {
    assert!(matches!(
        next_step(&request(&[]), &situation(None, None)),
        Step::SignIn { .. }
    ));
    assert_eq!(
        code(next_step(
            &request(&[("prompt", "none")]),
            &situation(None, None)
        )),
        ErrorCode::LoginRequired
    );
}

#[test]
fn a_session_and_a_consent_issue_without_a_page() {
    assert_eq!(
        next_step(&request(&[]), &situation(Some(900), None)),
        Step::Issue
    );
    assert_eq!(
        next_step(&request(&[("prompt", "none")]), &situation(Some(900), None)),
        Step::Issue
    );
}

#[test]
fn prompt_login_wants_a_sign_in_after_the_request_came() {
    let request = request(&[("prompt", "login")]);
    assert!(matches!(
        next_step(&request, &situation(Some(999), None)),
        Step::SignIn { .. }
    ));
    assert!(matches!(
        next_step(&request, &situation(Some(900), Some(950))),
        Step::SignIn { .. }
    ));
    assert_eq!(
        next_step(&request, &situation(Some(960), Some(950))),
        Step::Issue
    );
}

#[test]
fn max_age_is_counted_from_the_sign_in_and_never_loops() {
    let short = request(&[("max_age", "50")]);
    assert!(matches!(
        next_step(&short, &situation(Some(900), None)),
        Step::SignIn { .. }
    ));
    assert_eq!(next_step(&short, &situation(Some(950), None)), Step::Issue);
    let zero = request(&[("max_age", "0")]);
    assert!(matches!(
        next_step(&zero, &situation(Some(990), None)),
        Step::SignIn { .. }
    ));
    assert_eq!(
        next_step(&zero, &situation(Some(960), Some(950))),
        Step::Issue
    );
    let silent = request(&[("max_age", "50"), ("prompt", "none")]);
    assert_eq!(
        code(next_step(&silent, &situation(Some(900), None))),
        ErrorCode::LoginRequired
    );
}

#[test]
fn consent_is_asked_for_when_missing_or_demanded() {
    let mut missing = situation(Some(900), None);
    missing.consent_answers = false;
    assert_eq!(next_step(&request(&[]), &missing), Step::Consent);
    assert_eq!(
        code(next_step(&request(&[("prompt", "none")]), &missing)),
        ErrorCode::ConsentRequired
    );
    let demanded = request(&[("prompt", "consent")]);
    assert_eq!(
        next_step(&demanded, &situation(Some(900), None)),
        Step::Consent
    );
    let mut given = situation(Some(900), Some(890));
    given.consent_given_now = true;
    assert_eq!(next_step(&demanded, &given), Step::Issue);
}

#[test]
fn step_up_is_tried_once_where_it_can_help() {
    let two = request(&[("acr_values", "urn:kh:vdia:2")]);
    let mut weak = situation(Some(900), None);
    weak.signed_in = Some(SignedIn {
        auth_time: at(900),
        ial: 2,
        aal: 1,
    });
    assert_eq!(next_step(&two, &weak), Step::SignIn { at_least: Some(2) });
    weak.started_at = Some(at(890));
    assert_eq!(
        next_step(&two, &weak),
        Step::Issue,
        "voluntary: goes on with less"
    );
    weak.started_at = None;
    weak.signed_in = Some(SignedIn {
        auth_time: at(900),
        ial: 1,
        aal: 1,
    });
    assert_eq!(
        next_step(&two, &weak),
        Step::Issue,
        "no sign-in raises the identity level"
    );
}

#[test]
fn an_essential_level_is_reached_or_refused() {
    let three = request(&[(
        "claims",
        r#"{"id_token":{"acr":{"essential":true,"value":"urn:kh:vdia:3"}}}"#,
    )]);
    assert_eq!(
        code(next_step(&three, &situation(Some(900), None))),
        ErrorCode::UnmetAuthenticationRequirements
    );
}

proptest! {
    #[test]
    fn none_never_shows_a_page_and_issue_always_has_session_and_consent(
        prompt in prop_oneof![Just(""), Just("none"), Just("login"), Just("consent")],
        max_age in proptest::option::of(0u32..2000),
        auth_time in proptest::option::of(0i64..1000),
        started in proptest::option::of(0i64..1000),
        consent_answers: bool, consent_given_now: bool, ial in 0u8..4, aal in 0u8..4,
        level in proptest::option::of(1u8..4),
    ) {
        let max_age = max_age.map(|m| m.to_string());
        let acr = level.and_then(|l| Acr::try_from(l).ok()).map(|a| a.acr().to_owned());
        let mut changes = Vec::new();
        if !prompt.is_empty() { changes.push(("prompt", prompt)); }
        if let Some(m) = &max_age { changes.push(("max_age", m.as_str())); }
        if let Some(a) = &acr { changes.push(("acr_values", a.as_str())); }
        let request = request(&changes);
        let situation = Situation {
            started_at: started.map(at),
            signed_in: auth_time.map(|t| SignedIn { auth_time: at(t), ial, aal }),
            consent_answers, consent_given_now, now: at(1000),
        };
        let step = next_step(&request, &situation);
        if prompt == "none" {
            prop_assert!(matches!(step, Step::Issue | Step::Refuse(_)));
        }
        if step == Step::Issue {
            prop_assert!(situation.signed_in.is_some() && consent_answers);
            if prompt == "login" {
                prop_assert!(started.is_some_and(|s| auth_time.is_some_and(|t| t >= s)));
            }
        }
    }
}
