//! Tokens and what they open.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::test::TestRequest;
use futures_util::future::join_all;
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use pki::jose::{Jwks, Rules, verify};
use serde_json::json;

use super::fixture::*;

#[actix_web::test]
async fn the_id_token_verifies_with_the_published_keys() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(
        &service,
        &mut browser,
        "gdt",
        "openid profile identity email",
    )
    .await;
    let jwks = send(&service, TestRequest::get().uri("/jwks")).await.json();
    let keys = Jwks::from_value(&jwks).unwrap();
    let rules = Rules {
        allowed: &[SignatureScheme::EcdsaP256Sha256],
        typ: &["JWT"],
    };
    let id_token = tokens["id_token"].as_str().unwrap();
    let claims = verify(id_token, &keys, &rules, &OpenSslVerifier)
        .unwrap()
        .claims()
        .unwrap();
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], "gdt");
    assert_eq!(claims["nonce"], "no-1");
    assert_eq!(claims["acr"], "urn:kh:vdia:2");
    assert_eq!(
        (&claims["ial"], &claims["aal"], &claims["fal"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(claims["sub"].as_str().unwrap().len(), 43);
    assert!(claims.contains_key("auth_time") && claims.contains_key("amr"));
    assert!(
        !claims.contains_key("name"),
        "scope claims belong in userinfo"
    );
    let access = super::fixture::claims(&tokens["access_token"]);
    assert_eq!(access["aud"], ISSUER);
    assert!(access["grant_id"].is_string() && access["consent_id"].is_string());
    let whole = tokens.to_string();
    assert!(!whole.contains(&world.person.to_string()));
}

#[actix_web::test]
async fn userinfo_gives_what_was_shared_by_every_allowed_way() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(
        &service,
        &mut browser,
        "gdt",
        "openid profile identity email",
    )
    .await;
    let token = tokens["access_token"].as_str().unwrap();
    let claims = userinfo(&service, token).await.json();
    assert_eq!(
        claims["sub"],
        super::fixture::claims(&tokens["id_token"])["sub"]
    );
    assert_eq!(
        (&claims["name"], &claims["name#km"]),
        (&json!("SOK DARA"), &json!("សុខ ដារ៉ា"))
    );
    assert_eq!(
        (&claims["birthdate"], &claims["email"]),
        (&json!("1990-01-01"), &json!("dara@example.org"))
    );
    assert!(claims.get("gender").is_none(), "not in the grant");
    let verified = &claims["verified_claims"];
    assert_eq!(verified["verification"]["trust_framework"], "kh_vdia");
    assert_eq!(
        verified["claims"],
        json!({"name": "SOK DARA", "birthdate": "1990-01-01"})
    );

    let in_body = TestRequest::post()
        .uri("/userinfo")
        .set_form([("access_token", token)]);
    assert_eq!(send(&service, in_body).await.json(), claims);
    let bearer = (header::AUTHORIZATION, format!("bEaReR {token}"));
    let by_post = TestRequest::post().uri("/userinfo").insert_header(bearer);
    assert_eq!(send(&service, by_post).await.json(), claims);
    let in_query = TestRequest::get().uri(&format!("/userinfo?access_token={token}"));
    assert_eq!(
        send(&service, in_query).await.status,
        StatusCode::BAD_REQUEST
    );
    let without = send(&service, TestRequest::get().uri("/userinfo")).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert!(
        !without
            .headers
            .get(header::WWW_AUTHENTICATE)
            .unwrap()
            .to_str()
            .unwrap()
            .contains("error")
    );

    world.clock.advance(Duration::from_secs(301));
    let late = userinfo(&service, token).await;
    assert_eq!(
        (late.status, late.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_token")
    );
}

#[actix_web::test]
async fn an_optional_line_that_is_not_ticked_is_not_released() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let path = push(&service, "gdt", &parameters("gdt", "openid profile email")).await;
    let sent = browser.get(&service, &path).await;
    let back = decide(&service, &mut browser, &sent, &[("decision", "share")]).await;
    let code = back.parameter("code").unwrap();
    let tokens = call(&service, "gdt", "/token", &redemption("gdt", &code))
        .await
        .json();
    assert_eq!(tokens["scope"], "openid profile");
    let claims = userinfo(&service, tokens["access_token"].as_str().unwrap())
        .await
        .json();
    assert!(claims.get("email").is_none());
}

#[actix_web::test]
async fn two_ministries_know_a_person_by_different_subjects() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let one = tokens(&service, &mut browser, "gdt", "openid").await;
    let two = tokens(&service, &mut browser, "nssf", "openid").await;
    let again = tokens(&service, &mut browser, "gdt", "openid").await;
    assert_ne!(
        claims(&one["id_token"])["sub"],
        claims(&two["id_token"])["sub"]
    );
    assert_ne!(
        claims(&one["id_token"])["sid"],
        claims(&two["id_token"])["sid"]
    );
    assert_eq!(
        claims(&one["id_token"])["sub"],
        claims(&again["id_token"])["sub"]
    );
}

#[actix_web::test]
async fn of_many_redemptions_one_gets_tokens_and_reuse_ends_them() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let code = code(&service, &mut browser, "gdt", "openid profile").await;
    let form = redemption("gdt", &code);
    let answers = join_all((0..8).map(|_| call(&service, "gdt", "/token", &form))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == StatusCode::OK);
    assert_eq!(good.len(), 1);
    assert!(bad.iter().all(|answer| answer.error() == "invalid_grant"));
    let token = good[0].json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        userinfo(&service, &token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn a_code_needs_its_verifier_its_address_its_client_and_its_minute() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    for (name, value) in [
        (
            "code_verifier",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX",
        ),
        ("redirect_uri", "https://tax.gov.kh/other"),
    ] {
        let code = code(&service, &mut browser, "gdt", "openid").await;
        let mut form = redemption("gdt", &code);
        form.retain(|(n, _)| *n != name);
        form.push((name, value));
        assert_eq!(
            call(&service, "gdt", "/token", &form).await.error(),
            "invalid_grant",
            "{name}"
        );
        let burned = call(&service, "gdt", "/token", &redemption("gdt", &code)).await;
        assert_eq!(
            burned.error(),
            "invalid_grant",
            "a failed proof spends the code"
        );
    }
    let stolen = code(&service, &mut browser, "gdt", "openid").await;
    let foreign = call(&service, "nssf", "/token", &redemption("gdt", &stolen)).await;
    assert_eq!(foreign.error(), "invalid_grant");
    let own = call(&service, "gdt", "/token", &redemption("gdt", &stolen)).await;
    assert_eq!(
        own.status,
        StatusCode::OK,
        "another client's try does not spend it"
    );
    let late = code(&service, &mut browser, "gdt", "openid").await;
    world.clock.advance(Duration::from_secs(60));
    let answer = call(&service, "gdt", "/token", &redemption("gdt", &late)).await;
    assert_eq!(answer.error(), "invalid_grant");
    assert_eq!(
        answer.headers.get(header::CACHE_CONTROL).unwrap(),
        "no-store"
    );
}

#[actix_web::test]
async fn verified_claims_never_break_a_constraint() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    for (level, present) in [("urn:kh:vdia:2", true), ("urn:kh:vdia:3", false)] {
        let claims = json!({"userinfo": {"verified_claims": {
            "verification": {"trust_framework": {"value": "kh_vdia"}, "assurance_level": {"value": level}},
            "claims": {"birthdate": null}}}})
        .to_string();
        let mut form = parameters("gdt", "openid");
        form.push(("claims", &claims));
        let path = push(&service, "gdt", &form).await;
        let sent = browser.get(&service, &path).await;
        let back = if sent.location.starts_with("/consent") {
            decide(&service, &mut browser, &sent, &[("decision", "share")]).await
        } else {
            sent
        };
        let code = back.parameter("code").unwrap();
        let tokens = call(&service, "gdt", "/token", &redemption("gdt", &code))
            .await
            .json();
        let info = userinfo(&service, tokens["access_token"].as_str().unwrap())
            .await
            .json();
        assert_eq!(info.get("verified_claims").is_some(), present, "{level}");
        if present {
            assert_eq!(
                info["verified_claims"]["claims"],
                json!({"birthdate": "1990-01-01"})
            );
        }
    }
}
