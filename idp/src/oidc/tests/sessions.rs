//! Logout and metadata.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;

use super::fixture::*;

#[actix_web::test]
async fn a_logout_with_the_persons_own_token_ends_session_and_tokens() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", "openid profile").await;
    let hint = tokens["id_token"].as_str().unwrap();
    let query = encode(&[
        ("id_token_hint", hint),
        ("post_logout_redirect_uri", "https://tax.gov.kh/"),
        ("state", "bye"),
    ]);
    let back = browser.get(&service, &format!("/logout?{query}")).await;
    assert_eq!(back.location, "https://tax.gov.kh/?state=bye");
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        userinfo(&service, token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let path = push(&service, "gdt", &parameters("gdt", "openid profile")).await;
    assert!(
        browser
            .get(&service, &path)
            .await
            .location
            .starts_with("/sign-in?")
    );
}

#[actix_web::test]
async fn a_logout_without_proof_is_asked_about_first() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let page = browser.get(&service, "/logout?client_id=gdt").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("id=\"logout-confirm\""));
    let path = push(&service, "gdt", &parameters("gdt", "openid profile")).await;
    assert!(
        browser
            .get(&service, &path)
            .await
            .location
            .starts_with("/consent?"),
        "still signed in"
    );
    let forged = TestRequest::post()
        .uri("/logout/confirm")
        .set_form([("csrf", "x"), ("decision", "logout")]);
    assert_eq!(
        browser.send(&service, forged).await.status,
        StatusCode::FORBIDDEN
    );
    let done = browser
        .post(&service, "/logout/confirm", &[("decision", "logout")])
        .await;
    assert_eq!(done.location, "/logout/done");
    assert!(
        browser
            .get(&service, &path)
            .await
            .location
            .starts_with("/sign-in?")
    );
}

#[actix_web::test]
async fn logout_never_leads_to_an_unregistered_address() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", "openid").await;
    let hint = tokens["id_token"].as_str().unwrap();
    for query in [
        encode(&[
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", "https://evil.example/"),
        ]),
        encode(&[("post_logout_redirect_uri", "https://tax.gov.kh/")]),
        encode(&[("id_token_hint", hint), ("client_id", "nssf")]),
        encode(&[("id_token_hint", "x.y.z")]),
    ] {
        let answer = browser.get(&service, &format!("/logout?{query}")).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::BAD_REQUEST, ""),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn metadata_says_what_is_there() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let path = "/.well-known/openid-configuration";
    let metadata = send(&service, TestRequest::get().uri(path)).await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        serde_json::json!(["ES256"])
    );
    let other = send(
        &service,
        TestRequest::get().uri("/.well-known/oauth-authorization-server"),
    )
    .await;
    assert_eq!(other.json(), metadata);
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = value.as_str().unwrap().strip_prefix(ISSUER).unwrap();
            let answer = send(&service, TestRequest::get().uri(path)).await;
            assert_ne!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{name}: not even for another method"
            );
        }
    }
    let jwks = send(&service, TestRequest::get().uri("/jwks")).await.json();
    let key = &jwks["keys"][0];
    assert!(key.get("d").is_none() && key["kid"].is_string());
}
