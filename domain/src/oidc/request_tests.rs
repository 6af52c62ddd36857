use proptest::prelude::*;

use super::*;
use crate::oidc::client::tests::client;
use crate::oidc::grant::tests::grant;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn parameters(changes: &[(&str, &str)]) -> Parameters {
    let mut pairs = vec![
        ("response_type", "code"),
        ("redirect_uri", "https://tax.gov.kh/callback"),
        ("scope", "openid profile"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    Parameters::from_pairs(pairs)
}

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Error> {
    let parameters = parameters(changes);
    let reply_to = ReplyTo::find(&parameters, &client()).unwrap();
    AuthorizationRequest::parse(&parameters, &client(), &grant(), reply_to)
}

fn code_of(changes: &[(&str, &str)]) -> ErrorCode {
    parse(changes).unwrap_err().code
}

#[test]
fn a_plain_request_is_read() {
    let request = parse(&[
        ("prompt", "login consent"),
        ("max_age", "0"),
        ("acr_values", "urn:kh:vdia:3 urn:kh:vdia:2"),
        ("ui_locales", "km en"),
    ])
    .unwrap();
    assert_eq!(request.scopes.to_string(), "openid profile");
    assert!(request.prompt.login && request.prompt.consent && !request.prompt.none);
    assert_eq!(request.max_age, Some(0));
    assert_eq!(request.acr.at_least, Some(crate::oidc::Acr::Two));
    assert_eq!(request.reply_to.state.as_deref(), Some("s"));
}

#[test]
fn answers_go_only_to_registered_uris() {
    let unknown = parameters(&[("redirect_uri", "https://tax.gov.kh/callback/")]);
    assert_eq!(
        ReplyTo::find(&unknown, &client()),
        Err(NoReply::RedirectUriUnknown)
    );
    let missing = parameters(&[("redirect_uri", "")]);
    assert_eq!(
        ReplyTo::find(&missing, &client()),
        Err(NoReply::RedirectUriMissing)
    );
}

#[test]
fn each_fault_has_its_code() {
    use ErrorCode as E;
    for (name, value, code) in [
        ("response_type", "token", E::UnsupportedResponseType),
        ("response_type", "code id_token", E::UnsupportedResponseType),
        ("response_type", "", E::InvalidRequest),
        ("response_mode", "fragment", E::InvalidRequest),
        ("scope", "", E::InvalidScope),
        ("scope", "profile", E::InvalidScope),
        ("scope", "openid phone", E::InvalidScope),
        ("code_challenge", "", E::InvalidRequest),
        ("code_challenge_method", "plain", E::InvalidRequest),
        ("prompt", "none login", E::InvalidRequest),
        ("prompt", "dance", E::InvalidRequest),
        ("max_age", "-1", E::InvalidRequest),
        ("max_age", "+1", E::InvalidRequest),
        ("max_age", "soon", E::InvalidRequest),
        ("claims", "{", E::InvalidRequest),
        ("request", "eyJ", E::RequestNotSupported),
        ("registration", "{}", E::RegistrationNotSupported),
        ("resource", "https://elsewhere.example", E::InvalidTarget),
        (
            "claims",
            r#"{"id_token":{"acr":{"essential":true,"value":"x"}}}"#,
            E::UnmetAuthenticationRequirements,
        ),
    ] {
        assert_eq!(code_of(&[(name, value)]), code, "{name}={value}");
    }
    let long = "x".repeat(MAX_NONCE_LENGTH + 1);
    assert_eq!(code_of(&[("nonce", &long)]), E::InvalidRequest);
}

#[test]
fn a_repeated_parameter_is_refused() {
    let twice = Parameters::parse(&format!(
        "response_type=code&redirect_uri=https%3A%2F%2Ftax.gov.kh%2Fcallback&scope=openid&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"
    ))
    .unwrap();
    let reply_to = ReplyTo::find(&twice, &client()).unwrap();
    let error = AuthorizationRequest::parse(&twice, &client(), &grant(), reply_to).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
}

proptest! {
    #[test]
    fn any_value_of_any_parameter_is_read_or_refused(
        name in prop_oneof![Just("scope"), Just("prompt"), Just("max_age"), Just("claims"), Just("acr_values"), Just("state"), Just("response_mode"), Just("code_challenge")],
        value in "\\PC{1,60}",
    ) {
        let _ = parse(&[(name, &value)]);
    }

    #[test]
    fn scopes_never_exceed_the_grant(text in "(openid|profile|email|phone|address|identity|x)( (openid|profile|email|phone|address|identity|x)){0,5}") {
        if let Ok(request) = parse(&[("scope", &text)]) {
            prop_assert!(request.scopes.is_subset(&grant().scopes()));
        }
    }
}
