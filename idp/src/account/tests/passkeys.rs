//! Passkeys: enrolment, signing in, and what must be refused.

use actix_web::http::StatusCode;
use serde_json::json;

use super::authenticator::Authenticator;
use super::browser::{Browser, EMAIL, Site, World, invitation_code, site};
use crate::account::session;

async fn enrol(site: &impl Site, authenticator: &mut Authenticator) -> Browser {
    let mut browser = Browser::open(site).await;
    let code = invitation_code(site).await;
    browser
        .post(site, "/account/activate", &[("code", &code)])
        .await;
    let options = browser
        .post_json(site, "/account/activate/passkey/options", json!({}))
        .await
        .json();
    let credential = authenticator.create(&options);
    let body = json!({ "ceremony": options["ceremony"], "credential": credential });
    let made = browser
        .post_json(site, "/account/activate/passkey", body.clone())
        .await;
    assert_eq!(
        made.json()["location"],
        "/account/activate/recovery",
        "{}",
        made.body
    );
    let again = browser
        .post_json(site, "/account/activate/passkey", body)
        .await;
    assert_eq!(
        again.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a ceremony serves one answer"
    );
    let page = browser.get(site, "/account/activate/recovery").await;
    let code = page.text("recovery-codes").replace("<li>", "");
    let done = browser
        .post(site, "/account/activate/recovery", &[("code", &code)])
        .await;
    assert_eq!(done.location, "/account/activate/done", "{}", done.body);
    browser
}

#[actix_web::test]
async fn a_passkey_signs_in_once_per_ceremony_and_in_its_browser() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let (person, account) = world.invite(EMAIL).await;
    let mut authenticator = Authenticator::new(3, true);
    enrol(&site, &mut authenticator).await;

    let mut browser = Browser::open(&site).await;
    let options = browser
        .post_json(&site, "/sign-in/passkey/options", json!({}))
        .await
        .json();
    let body = json!({ "ceremony": options["ceremony"], "credential": authenticator.get(&options),
                       "return_to": "https://evil.example/" });
    let mut stranger = Browser::open(&site).await;
    let stolen = stranger
        .post_json(&site, "/sign-in/passkey", body.clone())
        .await;
    assert_eq!(
        stolen.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "bound to the browser that began it"
    );
    let signed_in = browser
        .post_json(&site, "/sign-in/passkey", body.clone())
        .await;
    assert_eq!(
        signed_in.json()["location"],
        "/account",
        "foreign targets are not followed"
    );
    let replayed = browser.post_json(&site, "/sign-in/passkey", body).await;
    assert_eq!(replayed.status, StatusCode::UNPROCESSABLE_ENTITY);

    let request = browser.cookies.iter().fold(
        actix_web::test::TestRequest::default(),
        |request, (name, value)| {
            request.cookie(actix_web::cookie::Cookie::new(name.clone(), value.clone()))
        },
    );
    let session = session::current(&request.to_http_request(), &world.app)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (session.person, session.account, session.aal),
        (person, account, 2)
    );
    assert_eq!(
        session.amr,
        ["swk", "pop", "user", "mfa"],
        "a key that syncs counts as software"
    );
    assert!(session.roles.is_empty());
}

#[actix_web::test]
async fn another_origin_an_unverified_user_and_an_unknown_key_are_refused() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let mut authenticator = Authenticator::new(4, false);
    enrol(&site, &mut authenticator).await;
    let mut browser = Browser::open(&site).await;

    authenticator.origin = "http://localhost.evil:8080";
    let phished = browser.passkey_sign_in(&site, &authenticator).await;
    assert_eq!(phished.status, StatusCode::UNPROCESSABLE_ENTITY);
    authenticator.origin = super::authenticator::ORIGIN;
    authenticator.flags = 0x01;
    let unverified = browser.passkey_sign_in(&site, &authenticator).await;
    assert_eq!(unverified.status, StatusCode::UNPROCESSABLE_ENTITY);
    authenticator.flags = 0x05;
    let mut unknown = Authenticator::new(5, false);
    unknown.flags = 0x05;
    let refused = browser.passkey_sign_in(&site, &unknown).await;
    assert!(refused.status.is_client_error());
    assert!(!browser.is_signed_in(&site).await);

    let options = browser
        .post_json(&site, "/sign-in/passkey/options", json!({}))
        .await
        .json();
    let body =
        json!({ "ceremony": options["ceremony"], "credential": authenticator.get(&options) });
    world.pass(601);
    let late = browser.post_json(&site, "/sign-in/passkey", body).await;
    assert_eq!(
        late.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a ceremony ends"
    );
    assert_eq!(
        browser.passkey_sign_in(&site, &authenticator).await.status,
        StatusCode::OK
    );
    assert!(browser.is_signed_in(&site).await);
}

#[actix_web::test]
async fn guessing_passwords_never_locks_a_passkey_holder_out() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let mut authenticator = Authenticator::new(6, false);
    enrol(&site, &mut authenticator).await;
    let mut attacker = Browser::open(&site).await;
    let fields = [
        ("identifier", EMAIL),
        ("password", "guess-guess-guess"),
        ("code", "123456"),
    ];
    let mut held = false;
    for _ in 0..8 {
        let answer = attacker.post(&site, "/sign-in/password", &fields).await;
        held |= answer.body.contains("Too many tries");
    }
    assert!(held, "guesses are slowed down");
    let mut holder = Browser::open(&site).await;
    assert_eq!(
        holder.passkey_sign_in(&site, &authenticator).await.status,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn the_last_way_in_cannot_be_removed() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let (_, account) = world.invite(EMAIL).await;
    let mut authenticator = Authenticator::new(7, false);
    let mut browser = enrol(&site, &mut authenticator).await;
    let options = browser
        .post_json(&site, "/account/passkeys/options", json!({}))
        .await
        .json();
    let mut second = Authenticator::new(8, false);
    let body = json!({ "ceremony": options["ceremony"], "credential": second.create(&options) });
    let added = browser.post_json(&site, "/account/passkeys", body).await;
    assert_eq!(added.json()["location"], "/account", "{}", added.body);

    let rows = world
        .app
        .store
        .read(move |r| r.list_passkeys(account))
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    let remove = |id: &str| format!("/account/passkeys/{id}/remove");
    assert_eq!(
        browser
            .post(&site, &remove(&rows[0].id), &[])
            .await
            .location,
        "/account"
    );
    let last = browser.post(&site, &remove(&rows[1].id), &[]).await;
    assert_eq!(last.status, StatusCode::CONFLICT);
    assert_eq!(
        browser.passkey_sign_in(&site, &second).await.status,
        StatusCode::OK
    );
}
