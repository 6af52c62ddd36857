//! How tokens end: refresh, revocation, withdrawal.

use actix_web::http::StatusCode;

use super::fixture::*;
use crate::oidc::services;

const OFFLINE: &str = "openid profile offline_access";

#[actix_web::test]
async fn refresh_tokens_rotate_and_a_copy_ends_the_family() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", OFFLINE).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", first)];
    assert_eq!(
        call(&service, "nssf", "/token", &form).await.error(),
        "invalid_grant"
    );
    let next = call(&service, "gdt", "/token", &form).await.json();
    let second = next["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    assert!(next["id_token"].is_string());
    let token = next["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&service, token).await.status, StatusCode::OK);

    assert_eq!(
        call(&service, "gdt", "/token", &form).await.error(),
        "invalid_grant"
    );
    assert_eq!(
        userinfo(&service, token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", second.as_str()),
    ];
    assert_eq!(
        call(&service, "gdt", "/token", &form).await.error(),
        "invalid_grant"
    );
}

#[actix_web::test]
async fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", OFFLINE).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let wide = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("scope", "openid email"),
    ];
    assert_eq!(
        call(&service, "gdt", "/token", &wide).await.error(),
        "invalid_scope"
    );
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("scope", "openid"),
    ];
    let next = call(&service, "gdt", "/token", &narrow).await.json();
    assert_eq!(next["scope"], "openid");
    let info = userinfo(&service, next["access_token"].as_str().unwrap())
        .await
        .json();
    assert!(info.get("name").is_none());
}

#[actix_web::test]
async fn withdrawing_a_consent_ends_its_tokens_and_asks_again() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", OFFLINE).await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(userinfo(&service, token).await.status, StatusCode::OK);
    let used = services::list(&world.app, world.person).await.unwrap();
    assert_eq!(used.len(), 1);
    assert!(used[0].last_used_at.is_some());
    services::withdraw(&world.app, None, world.person, used[0].consent.id)
        .await
        .unwrap();

    assert_eq!(
        userinfo(&service, token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(
        call(&service, "gdt", "/token", &form).await.error(),
        "invalid_grant"
    );
    assert!(
        services::list(&world.app, world.person)
            .await
            .unwrap()
            .is_empty()
    );
    let path = push(&service, "gdt", &parameters("gdt", OFFLINE)).await;
    let sent = browser.get(&service, &path).await;
    assert!(sent.location.starts_with("/consent?"));
}

#[actix_web::test]
async fn a_client_revokes_its_own_tokens_alone() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", OFFLINE).await;
    let (access, refresh) = (
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    );
    for token in [access, refresh, "nonsense"] {
        let answer = call(&service, "nssf", "/revoke", &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(userinfo(&service, access).await.status, StatusCode::OK);
    call(&service, "gdt", "/revoke", &[("token", refresh)]).await;
    assert_eq!(
        userinfo(&service, access).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn introspection_tells_a_client_about_its_own_tokens() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let mut browser = world.signed_in().await;
    let tokens = tokens(&service, &mut browser, "gdt", OFFLINE).await;
    let access = tokens["access_token"].as_str().unwrap();
    let own = call(&service, "gdt", "/introspect", &[("token", access)])
        .await
        .json();
    assert_eq!(
        (own["active"].as_bool(), own["client_id"].as_str()),
        (Some(true), Some("gdt"))
    );
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let own = call(&service, "gdt", "/introspect", &[("token", refresh)])
        .await
        .json();
    assert_eq!(own["active"], true);
    for token in [access, refresh, "nonsense"] {
        let foreign = call(&service, "nssf", "/introspect", &[("token", token)])
            .await
            .json();
        assert_eq!(foreign, serde_json::json!({"active": false}));
    }
}
