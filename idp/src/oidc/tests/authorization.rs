//! The authorization endpoint, pushed requests and consent.

use actix_web::http::{StatusCode, header};
use actix_web::test::TestRequest;
use std::time::Duration;

use super::fixture::*;

#[actix_web::test]
async fn a_pushed_request_leads_over_consent_to_a_code() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(
        &service,
        "gdt",
        &parameters("gdt", "openid profile identity email"),
    )
    .await;
    let sent = browser.get(&service, &path).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let page = browser
        .get(&service, &format!("{}&lang=en", sent.location))
        .await;
    for text in [
        "SOK DARA",
        "សុខ ដារ៉ា",
        "1 January 1990",
        "Level 2",
        "Goes on your declaration.",
        "General Department of Taxation",
        "tax.gov.kh",
        "2026-gdt",
        "Ministry of Interior",
    ] {
        assert!(page.body.contains(text), "{text} is missing: {}", page.body);
    }
    assert!(page.body.contains("id=\"share-email\"") && !page.body.contains(" checked>"));
    let policy = page
        .headers
        .get(header::CONTENT_SECURITY_POLICY)
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        policy.contains("form-action 'self' https://tax.gov.kh;"),
        "{policy}"
    );

    let back = decide(&service, &mut browser, &sent, &[("decision", "share")]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(back.location.starts_with("https://tax.gov.kh/callback?"));
    assert_eq!(back.parameter("state").as_deref(), Some("st-1"));
    assert_eq!(back.parameter("iss").as_deref(), Some(ISSUER));
    assert!(back.parameter("code").unwrap().len() >= 43);
}

#[actix_web::test]
async fn refusing_answers_access_denied_and_is_final() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(&service, "gdt", &parameters("gdt", "openid profile")).await;
    let sent = browser.get(&service, &path).await;
    let back = decide(&service, &mut browser, &sent, &[("decision", "refuse")]).await;
    assert_eq!(back.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(back.parameter("state").as_deref(), Some("st-1"));
    assert_eq!(back.parameter("iss").as_deref(), Some(ISSUER));
    let again = browser.get(&service, &path).await;
    assert_eq!(
        (again.status, again.location.as_str()),
        (StatusCode::BAD_REQUEST, "")
    );
}

#[actix_web::test]
async fn nothing_is_shared_without_the_form_token() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(&service, "gdt", &parameters("gdt", "openid profile")).await;
    let sent = browser.get(&service, &path).await;
    let uri = sent.parameter("request_uri").unwrap();
    let form = [
        ("csrf", "x"),
        ("client_id", "gdt"),
        ("request_uri", &uri),
        ("decision", "share"),
    ];
    let refused = browser
        .send(&service, TestRequest::post().uri("/consent").set_form(form))
        .await;
    assert_eq!(
        (refused.status, refused.location.as_str()),
        (StatusCode::FORBIDDEN, "")
    );
}

#[actix_web::test]
async fn a_request_uri_works_until_it_is_answered_and_then_never() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(&service, "gdt", &parameters("gdt", "openid profile")).await;
    let first = browser.get(&service, &path).await;
    let second = browser.get(&service, &path).await;
    assert_eq!(first.location, second.location);
    let back = decide(&service, &mut browser, &first, &[("decision", "share")]).await;
    assert!(back.parameter("code").is_some());
    let third = browser.get(&service, &path).await;
    assert_eq!(
        (third.status, third.location.as_str()),
        (StatusCode::BAD_REQUEST, "")
    );
}

#[actix_web::test]
async fn an_expired_or_foreign_request_uri_is_refused_on_our_own_page() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(&service, "gdt", &parameters("gdt", "openid")).await;
    let foreign = browser
        .get(&service, &path.replace("client_id=gdt", "client_id=nssf"))
        .await;
    assert_eq!(
        (foreign.status, foreign.location.as_str()),
        (StatusCode::BAD_REQUEST, "")
    );
    world.clock.advance(Duration::from_secs(91));
    let late = browser.get(&service, &path).await;
    assert_eq!(
        (late.status, late.location.as_str()),
        (StatusCode::BAD_REQUEST, "")
    );
    assert!(late.body.contains("id=\"error-page\""));
}

#[actix_web::test]
async fn wrong_redirects_and_unknown_clients_never_redirect() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "https://nssf.gov.kh/callback/"),
        ("redirect_uri", "https://nssf.gov.kh/callback?x=1"),
        ("redirect_uri", ""),
        ("client_id", "nobody"),
        ("client_id", "desk-robot"),
        ("client_id", ""),
    ] {
        let mut form = parameters("nssf", "openid");
        form.retain(|(n, _)| *n != name);
        form.push((name, value));
        let answer = browser
            .get(&service, &format!("/authorize?{}", encode(&form)))
            .await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::BAD_REQUEST, ""),
            "{name}={value}"
        );
    }
    let pushed = call(&service, "gdt", "/par", &parameters("nssf", "openid")).await;
    assert_eq!(pushed.error(), "invalid_client");
}

#[actix_web::test]
async fn faults_of_a_request_go_to_the_client_in_its_own_form() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "openid phone", "invalid_scope"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("claims", "{", "invalid_request"),
    ] {
        let mut form = parameters("nssf", "openid");
        form.retain(|(n, _)| *n != name);
        form.push((name, value));
        let answer = browser
            .get(&service, &format!("/authorize?{}", encode(&form)))
            .await;
        assert_eq!(
            answer.parameter("error").as_deref(),
            Some(error),
            "{name}={value}"
        );
        assert_eq!(answer.parameter("state").as_deref(), Some("st-1"));
        assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
    }
    let twice = format!(
        "/authorize?{}&nonce=again",
        encode(&parameters("nssf", "openid"))
    );
    let answer = browser.get(&service, &twice).await;
    assert_eq!(
        answer.parameter("error").as_deref(),
        Some("invalid_request")
    );
}

#[actix_web::test]
async fn a_client_that_must_push_cannot_do_without() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = format!("/authorize?{}", encode(&parameters("gdt", "openid")));
    let answer = browser.get(&service, &path).await;
    assert_eq!(
        answer.parameter("error").as_deref(),
        Some("invalid_request")
    );
}

#[actix_web::test]
async fn post_keeps_the_request_and_comes_again_by_get() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = Browser::default();
    let request = TestRequest::post()
        .uri("/authorize")
        .set_form(parameters("nssf", "openid profile"));
    let kept = browser.send(&service, request).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER);
    assert!(
        kept.location
            .starts_with("/authorize?client_id=nssf&request_uri=urn")
    );
    let sent = browser.get(&service, &kept.location).await;
    assert!(
        sent.location
            .starts_with("/sign-in?return_to=%2Fauthorize%2Fcontinue%3F")
    );
    let back = sent.parameter("return_to").unwrap();
    let page = browser.get(&service, &back).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body
            .contains("http-equiv=\"refresh\" content=\"0;url=/authorize?client_id=nssf&")
    );
    world.sign_in(&mut browser).await;
    let consent = browser.get(&service, &kept.location).await;
    assert!(consent.location.starts_with("/consent?"));
}

#[actix_web::test]
async fn prompt_none_shows_no_page() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut form = parameters("nssf", "openid profile");
    form.push(("prompt", "none"));
    let path = format!("/authorize?{}", encode(&form));
    let nobody = Browser::default().get(&service, &path).await;
    assert_eq!(nobody.parameter("error").as_deref(), Some("login_required"));
    let mut browser = world.signed_in().await;
    let unasked = browser.get(&service, &path).await;
    assert_eq!(
        unasked.parameter("error").as_deref(),
        Some("consent_required")
    );
    code(&service, &mut browser, "nssf", "openid profile").await;
    let known = browser.get(&service, &path).await;
    assert!(known.parameter("code").is_some(), "{}", known.location);
}

#[actix_web::test]
async fn prompt_login_and_max_age_ask_for_a_new_sign_in() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    code(&service, &mut browser, "nssf", "openid profile").await;
    world.clock.advance(Duration::from_secs(100));
    for extra in [("prompt", "login"), ("max_age", "50")] {
        let mut form = parameters("nssf", "openid profile");
        form.push(extra);
        let sent = browser
            .get(&service, &format!("/authorize?{}", encode(&form)))
            .await;
        assert!(
            sent.location.starts_with("/sign-in?"),
            "{extra:?} {}",
            sent.location
        );
        assert_eq!(sent.parameter("prompt").as_deref(), Some("login"));
        world.clock.advance(Duration::from_secs(5));
        world.sign_in(&mut browser).await;
        let back = sent
            .parameter("return_to")
            .unwrap()
            .replace("/authorize/continue", "/authorize");
        let answer = browser.get(&service, &back).await;
        assert!(
            answer.parameter("code").is_some(),
            "{extra:?} {}",
            answer.location
        );
        world.clock.advance(Duration::from_secs(100));
    }
}

#[actix_web::test]
async fn an_essential_level_that_cannot_be_reached_is_an_error() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let mut form = parameters("nssf", "openid");
    form.push((
        "claims",
        r#"{"id_token":{"acr":{"essential":true,"value":"urn:kh:vdia:3"}}}"#,
    ));
    let answer = browser
        .get(&service, &format!("/authorize?{}", encode(&form)))
        .await;
    assert_eq!(
        answer.parameter("error").as_deref(),
        Some("unmet_authentication_requirements")
    );
}

#[actix_web::test]
async fn form_post_carries_the_answer_in_a_form_to_the_client() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    code(&service, &mut browser, "nssf", "openid profile").await;
    let mut form = parameters("nssf", "openid profile");
    form.push(("response_mode", "form_post"));
    let page = browser
        .get(&service, &format!("/authorize?{}", encode(&form)))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body
            .contains("action=\"https://nssf.gov.kh/callback\"")
    );
    assert!(page.body.contains("name=\"code\"") && page.body.contains("name=\"iss\""));
}
