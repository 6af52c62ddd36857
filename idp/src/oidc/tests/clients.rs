//! How clients prove themselves, and what machines get.

use std::os::unix::fs::PermissionsExt as _;

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use base64ct::{Base64UrlUnpadded, Encoding};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore as _};
use pki::jose::sign_compact;
use serde_json::{Map, Value, json};

use super::fixture::*;
use crate::oidc::assertion::ASSERTION_TYPE;

fn keyed(assertion: &str) -> Vec<(&'static str, String)> {
    let mut form: Vec<(&str, String)> = parameters("keyed", "openid")
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
    form.push(("client_assertion", assertion.to_owned()));
    form
}

#[actix_web::test]
async fn an_assertion_counts_once() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let form = keyed(&world.assertion(&[]));
    let push = || send(&service, TestRequest::post().uri("/par").set_form(&form));
    assert_eq!(push().await.status, StatusCode::CREATED);
    let again = push().await;
    assert_eq!(
        (again.status, again.error().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
}

#[actix_web::test]
async fn assertions_for_endpoints_arrays_and_other_clients_are_refused() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    for (name, value) in [
        ("aud", json!(format!("{ISSUER}/par"))),
        ("aud", json!(format!("{ISSUER}/token"))),
        ("aud", json!([ISSUER])),
        ("iss", json!("gdt")),
        ("sub", json!("gdt")),
        ("exp", json!(world.app.sources.unix())),
        ("nbf", json!(world.app.sources.unix() + 60)),
    ] {
        let form = keyed(&world.assertion(&[(name, value.clone())]));
        let answer = send(&service, TestRequest::post().uri("/par").set_form(&form)).await;
        assert_eq!(answer.error(), "invalid_client", "{name}={value}");
    }
    let ahead = json!(world.app.sources.unix() + 8);
    let form = keyed(&world.assertion(&[("nbf", ahead)]));
    let answer = send(&service, TestRequest::post().uri("/par").set_form(&form)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn algorithms_cannot_be_confused() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let sound = world.assertion(&[]);
    let parts: Vec<&str> = sound.split('.').collect();
    let header = |value: Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let mac = Base64UrlUnpadded::encode_string(&[7; 32]);
    let stranger = world
        .keys
        .generate(
            &KeyLabel::parse("test/stranger/g1").unwrap(),
            KeyAlgorithm::P256,
        )
        .and_then(|id| world.keys.signer(id, None))
        .unwrap();
    let payload = Base64UrlUnpadded::decode_vec(parts[1]).unwrap();
    for forged in [
        format!("{}.{}.", header(json!({"alg": "none"})), parts[1]),
        format!("{}.{}.{mac}", header(json!({"alg": "none"})), parts[1]),
        format!("{}.{}.{mac}", header(json!({"alg": "HS256"})), parts[1]),
        format!(
            "{}.{}.{}",
            header(json!({"alg": "RS256"})),
            parts[1],
            parts[2]
        ),
        format!(
            "{}.{}.{}",
            header(json!({"alg": "ES384"})),
            parts[1],
            parts[2]
        ),
        format!(
            "{}.{}.{}",
            header(json!({"alg": "ES256", "crit": ["b64"], "b64": true})),
            parts[1],
            parts[2]
        ),
        format!(
            "{}.{}.{}",
            parts[0],
            header(json!({"iss": "keyed"})),
            parts[2]
        ),
        sign_compact(Map::new(), &payload, stranger.as_ref()).unwrap(),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        let form = keyed(&forged);
        let answer = send(&service, TestRequest::post().uri("/par").set_form(&form)).await;
        assert_eq!(answer.error(), "invalid_client", "{forged}");
    }
}

#[actix_web::test]
async fn a_client_uses_its_own_method_and_only_one() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut in_body = parameters("gdt", "openid");
    let secret = format!("{SECRET}-gdt");
    in_body.push(("client_secret", &secret));
    let answer = send(&service, TestRequest::post().uri("/par").set_form(&in_body)).await;
    assert_eq!(
        answer.error(),
        "invalid_client",
        "registered for the header"
    );
    let both = TestRequest::post()
        .uri("/par")
        .insert_header(basic("gdt"))
        .set_form(&in_body);
    assert_eq!(send(&service, both).await.error(), "invalid_request");
    let nothing = TestRequest::post()
        .uri("/par")
        .set_form(parameters("gdt", "openid"));
    assert_eq!(send(&service, nothing).await.error(), "invalid_client");
    let wrong = TestRequest::post()
        .uri("/token")
        .insert_header(("Authorization", "Basic Z2R0Ondyb25n"))
        .set_form([("grant_type", "client_credentials")]);
    let answer = send(&service, wrong).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.headers.contains_key("www-authenticate"));
}

#[actix_web::test]
async fn machines_get_their_scopes_for_their_resources() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let ask = |extra: &'static [(&'static str, &'static str)]| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend_from_slice(extra);
        let service = &service;
        async move { call(service, "desk-robot", "/token", &form).await }
    };
    let all = ask(&[]).await.json();
    let token = claims(&all["access_token"]);
    assert_eq!(token["scope"], "ca.issue ca.read");
    assert_eq!(
        (&token["sub"], &token["aud"]),
        (&json!("desk-robot"), &json!("https://ca.gov.kh"))
    );
    assert!(all.get("refresh_token").is_none() && all.get("id_token").is_none());
    assert_eq!(
        ask(&[("scope", "ca.read")]).await.json()["scope"],
        "ca.read"
    );
    assert_eq!(
        ask(&[("scope", "ca.revoke")]).await.error(),
        "invalid_scope"
    );
    assert_eq!(
        ask(&[("resource", "https://other.gov.kh")]).await.error(),
        "invalid_target"
    );
    let info = userinfo(&service, all["access_token"].as_str().unwrap()).await;
    assert_eq!(
        info.status,
        StatusCode::UNAUTHORIZED,
        "for another resource"
    );
    let person = call(
        &service,
        "gdt",
        "/token",
        &[("grant_type", "client_credentials")],
    )
    .await;
    assert_eq!(person.error(), "unauthorized_client");
}

#[actix_web::test]
async fn malformed_token_requests_have_an_error_in_the_protocols_form() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let json = TestRequest::post()
        .uri("/token")
        .insert_header(basic("gdt"))
        .set_json(json!({}));
    assert_eq!(send(&service, json).await.error(), "invalid_request");
    for (form, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (
            vec![("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
            "invalid_grant",
        ),
    ] {
        assert_eq!(
            call(&service, "gdt", "/token", &form).await.error(),
            error,
            "{form:?}"
        );
    }
}

#[actix_web::test]
async fn a_client_is_registered_from_a_file_and_its_secret_goes_to_a_file_alone() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (
        folder.path().join("client.toml"),
        folder.path().join("secret"),
    );
    let form = registration("fresh");
    std::fs::write(&file, toml::to_string(&form).unwrap()).unwrap();
    let added = crate::oidc::admin::add_client(&world.app, &file, Some(&secret))
        .await
        .unwrap();
    assert!(added.has_secret && added.grant_id.is_some());
    assert_eq!(
        std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = std::fs::read_to_string(&secret).unwrap();
    let request = TestRequest::post()
        .uri("/par")
        .insert_header((
            "Authorization",
            format!(
                "Basic {}",
                base64ct::Base64::encode_string(format!("fresh:{secret}").as_bytes())
            ),
        ))
        .set_form(parameters("fresh", "openid"));
    assert_eq!(send(&service, request).await.status, StatusCode::CREATED);
    assert!(
        crate::oidc::admin::add_client(&world.app, &file, None)
            .await
            .is_err()
    );
}
