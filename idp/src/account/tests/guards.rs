//! What protects sessions and forms, and what staff may.

use std::os::unix::fs::PermissionsExt;

use actix_web::http::StatusCode;
use domain::account::{Identifier, Role};
use domain::locale::Locale;
use serde_json::Value;

use super::browser::{Browser, EMAIL, World, site};
use super::flows::{Activated, activate};
use crate::account::staff::{self, NewStaff};
use crate::account::{AccountError, cleaning};

#[actix_web::test]
async fn forms_from_elsewhere_are_refused() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let mut browser = Browser::open(&site).await;
    browser.cookies.remove("csrf");
    for path in [
        "/sign-in",
        "/sign-in/password",
        "/sign-in/recover",
        "/account/activate",
        "/sign-out",
    ] {
        let refused = browser
            .post(&site, path, &[("identifier", EMAIL), ("code", "1")])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        browser.cookies.remove("csrf");
    }
}

#[actix_web::test]
async fn sessions_end_by_idleness_and_at_the_holders_word() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let Activated {
        mut browser,
        secret,
        ..
    } = activate(&world, &site).await;
    world.pass(3_000);
    assert!(
        browser.is_signed_in(&site).await,
        "a request keeps it alive"
    );
    world.pass(3_000);
    assert!(browser.is_signed_in(&site).await);

    let mut other = Browser::open(&site).await;
    let code = world.app_code(&secret);
    let fields = [
        ("identifier", EMAIL),
        ("password", super::browser::PASSWORD),
        ("code", code.as_str()),
    ];
    other.post(&site, "/sign-in/password", &fields).await;
    assert!(other.is_signed_in(&site).await);
    let fixed = other.cookies["session"].clone();
    world.pass(30);
    let code = world.app_code(&secret);
    let fields = [
        ("identifier", EMAIL),
        ("password", super::browser::PASSWORD),
        ("code", code.as_str()),
    ];
    other.post(&site, "/sign-in/password", &fields).await;
    assert_ne!(
        other.cookies["session"], fixed,
        "each authentication makes a new session"
    );
    let mut fixation = Browser::open(&site).await;
    fixation.cookies.insert("session".to_owned(), fixed);
    assert!(
        !fixation.is_signed_in(&site).await,
        "and ends the one before"
    );

    assert_eq!(
        browser
            .post(&site, "/account/sessions/others/end", &[])
            .await
            .location,
        "/account"
    );
    assert!(!other.is_signed_in(&site).await && browser.is_signed_in(&site).await);
    world.pass(3_601);
    let idle = browser.get(&site, "/account").await;
    assert_eq!(idle.location, "/sign-in?return_to=%2Faccount");
    assert!(cleaning::run(&world.app).await.is_ok());
}

#[actix_web::test]
async fn sensitive_acts_need_a_fresh_sign_in() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let (_, account) = world.invite(EMAIL).await;
    let Activated { mut browser, .. } = activate(&world, &site).await;
    let exported = browser.post(&site, "/account/export", &[]).await.json();
    assert_eq!(exported["account"]["addresses"][0]["value"], EMAIL);
    assert!(
        browser
            .get(&site, "/account/access")
            .await
            .body
            .contains("You downloaded your data")
    );
    world.pass(11 * 60);
    for path in [
        "/account/passkeys/add",
        "/account/recovery-codes",
        "/account/close",
    ] {
        let asked = browser.get(&site, path).await;
        assert!(
            asked.location.ends_with("&prompt=login"),
            "{path}: {}",
            asked.location
        );
    }
    let refused = browser
        .post(&site, "/account/close", &[("sure", "yes")])
        .await;
    assert!(refused.location.starts_with("/sign-in?"));
    let row = world
        .app
        .store
        .read(move |r| r.load_account(account))
        .await
        .unwrap();
    assert_eq!(row.state, domain::account::AccountState::Active);
}

#[actix_web::test]
async fn a_closed_account_is_erased() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let (_, account) = world.invite(EMAIL).await;
    let Activated { mut browser, .. } = activate(&world, &site).await;
    let unsure = browser.post(&site, "/account/close", &[]).await;
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
    let closed = browser
        .post(&site, "/account/close", &[("sure", "yes")])
        .await;
    assert!(closed.body.contains("id=\"closed\""), "{}", closed.body);
    assert!(!browser.is_signed_in(&site).await);
    let (row, identifiers) = world
        .app
        .store
        .read(move |r| {
            Ok((
                r.load_account(account)?,
                r.list_account_identifiers(account)?,
            ))
        })
        .await
        .unwrap();
    assert!(row.wrapped_key.is_empty() && identifiers.is_empty());
    // A second later, so that the newest invitation is the new one.
    world.pass(1);
    world.invite(EMAIL).await;
    activate(&world, &site).await;
}

#[actix_web::test]
async fn staff_are_added_with_two_factors_and_secrets_for_one_reader() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let new = |roles: &[Role]| NewStaff {
        name: "Chan Sophea".to_owned(),
        identifier: Identifier::parse("sophea@moi.gov.kh").unwrap(),
        roles: roles.to_vec(),
        office: "Chamkar Mon".to_owned(),
        locale: Locale::En,
        subject: None,
    };
    let file = world.folder.path().join("sophea.json");
    let both = staff::add(&world.app, new(&[Role::Auditor, Role::Operator]), &file).await;
    assert!(matches!(both, Err(AccountError::Invalid(_))));
    assert!(!file.exists());
    staff::add(&world.app, new(&[Role::Operator]), &file)
        .await
        .unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let twice = world.folder.path().join("twice.json");
    assert!(
        staff::add(&world.app, new(&[Role::Operator]), &twice)
            .await
            .is_err()
    );
    assert!(
        !twice.exists(),
        "no secrets of an account that does not exist"
    );

    let secrets: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let (identifier, password) = (
        secrets["identifier"].as_str().unwrap(),
        secrets["password"].as_str().unwrap(),
    );
    let code = world.app_code(secrets["totp_secret"].as_str().unwrap());
    let mut browser = Browser::open(&site).await;
    let fields = [
        ("identifier", identifier),
        ("password", password),
        ("code", code.as_str()),
    ];
    assert_eq!(
        browser
            .post(&site, "/sign-in/password", &fields)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    let page = browser.get(&site, "/account").await;
    assert!(page.body.contains("Chan Sophea") && page.body.contains("Operator"));
    assert_eq!(
        browser.get(&site, "/sign").await.status,
        StatusCode::FORBIDDEN,
        "not an official"
    );
    world.pass(31 * 60);
    assert!(
        !browser.is_signed_in(&site).await,
        "staff sessions end sooner"
    );
}
