//! Activation, signing in, recovery: the ways that work, and the near misses that do not.

use actix_web::http::StatusCode;

use super::browser::{
    Answer, Browser, EMAIL, PASSWORD, Site, World, invitation_code, messages, site,
};

pub(super) struct Activated {
    pub(super) browser: Browser,
    pub(super) secret: String,
    pub(super) codes: Vec<String>,
}

fn codes_of(page: &Answer) -> Vec<String> {
    let start = page.body.find("id=\"recovery-codes\"").unwrap();
    page.body[start..]
        .split("<li>")
        .skip(1)
        .map(|part| part.split("</li>").next().unwrap().to_owned())
        .collect()
}

/// Activates the invited account with password and app.
pub(super) async fn activate(world: &World, site: &impl Site) -> Activated {
    let mut browser = Browser::open(site).await;
    let code = invitation_code(site).await;
    let opened = browser
        .post(site, "/account/activate", &[("code", &code.to_lowercase())])
        .await;
    assert_eq!(opened.location, "/account/activate/choose");
    let chosen = browser
        .post(
            site,
            "/account/activate/password",
            &[("password", PASSWORD)],
        )
        .await;
    assert_eq!(chosen.location, "/account/activate/app", "{}", chosen.body);
    let secret = browser
        .get(site, "/account/activate/app")
        .await
        .text("app-secret");
    let digits = world.app_code(&secret);
    let confirmed = browser
        .post(site, "/account/activate/app", &[("code", &digits)])
        .await;
    assert_eq!(confirmed.location, "/account/activate/recovery");
    let codes = codes_of(&browser.get(site, "/account/activate/recovery").await);
    assert_eq!(codes.len(), 10);
    let done = browser
        .post(site, "/account/activate/recovery", &[("code", &codes[3])])
        .await;
    assert_eq!(done.location, "/account/activate/done", "{}", done.body);
    Activated {
        browser,
        secret,
        codes,
    }
}

async fn try_password(
    browser: &mut Browser,
    site: &impl Site,
    identifier: &str,
    password: &str,
    code: &str,
) -> Answer {
    let fields = [
        ("identifier", identifier),
        ("password", password),
        ("code", code),
        ("return_to", "/account"),
    ];
    browser.post(site, "/sign-in/password", &fields).await
}

#[actix_web::test]
async fn an_invited_person_activates_without_script_and_signs_in_again() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let code = invitation_code(&site).await;
    let Activated {
        mut browser,
        secret,
        codes,
    } = activate(&world, &site).await;
    assert!(browser.is_signed_in(&site).await);
    let page = browser.get(&site, "/account").await;
    assert!(page.body.contains("10 left") && page.body.contains("s•••@example.kh"));
    assert!(!page.body.contains(EMAIL), "addresses are masked");

    let again = browser
        .post(&site, "/account/activate", &[("code", &code)])
        .await;
    assert_eq!(
        again.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "an invitation is used once"
    );

    let before = browser.cookies["session"].clone();
    let left = browser.post(&site, "/sign-out", &[]).await;
    assert_eq!(left.location, "/sign-in?signed_out=1");
    browser.cookies.insert("session".to_owned(), before);
    assert!(!browser.is_signed_in(&site).await, "the old token is dead");

    let digits = world.app_code(&secret);
    let replayed = try_password(&mut browser, &site, EMAIL, PASSWORD, &digits).await;
    assert_eq!(
        replayed.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the step was used at activation"
    );
    world.pass(30);
    let digits = world.app_code(&secret);
    let right = try_password(&mut browser, &site, EMAIL, PASSWORD, &digits).await;
    assert_eq!(
        (right.status, right.location.as_str()),
        (StatusCode::SEE_OTHER, "/account")
    );
    assert!(browser.is_signed_in(&site).await);

    let mut other = Browser::open(&site).await;
    let by_code = try_password(&mut other, &site, EMAIL, PASSWORD, &codes[0]).await;
    assert_eq!(
        by_code.status,
        StatusCode::SEE_OTHER,
        "a recovery code stands in for the app"
    );
    assert!(other.get(&site, "/account").await.body.contains("9 left"));
    let twice = try_password(
        &mut Browser::open(&site).await,
        &site,
        EMAIL,
        PASSWORD,
        &codes[0],
    )
    .await;
    assert_eq!(
        twice.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "and is used once"
    );
}

#[actix_web::test]
async fn what_is_wrong_is_not_told() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let Activated { secret, .. } = activate(&world, &site).await;
    world.pass(60);
    let digits = world.app_code(&secret);
    let mut texts = Vec::new();
    for (identifier, password, code) in [
        ("nobody@example.kh", PASSWORD, digits.as_str()),
        (EMAIL, "not-the-password-1", digits.as_str()),
        (EMAIL, PASSWORD, "000000"),
    ] {
        let mut browser = Browser::open(&site).await;
        let answer = try_password(&mut browser, &site, identifier, password, code).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!browser.cookies.contains_key("session"));
        texts.push(answer.text("password-error"));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[actix_web::test]
async fn weak_passwords_and_wrong_codes_stop_the_enrolment() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let mut browser = Browser::open(&site).await;
    for wrong in ["", "ABCD", "0000-0000-0000-0000"] {
        let refused = browser
            .post(&site, "/account/activate", &[("code", wrong)])
            .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let skipped = browser.get(&site, "/account/activate/recovery").await;
    assert_eq!(
        skipped.location, "/account/activate?ended=1",
        "no enrolment yet"
    );
    let code = invitation_code(&site).await;
    browser
        .post(&site, "/account/activate", &[("code", &code)])
        .await;
    for weak in ["short", "passwordpassword", "sok.dara-sok.dara"] {
        let refused = browser
            .post(&site, "/account/activate/password", &[("password", weak)])
            .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{weak}");
    }
    let early = browser.get(&site, "/account/activate/recovery").await;
    assert_eq!(
        early.location, "/account/activate/choose",
        "no way to sign in yet"
    );
    browser
        .post(
            &site,
            "/account/activate/password",
            &[("password", PASSWORD)],
        )
        .await;
    browser.get(&site, "/account/activate/app").await;
    let refused = browser
        .post(&site, "/account/activate/app", &[("code", "12")])
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    world.pass(61 * 60);
    let late = browser.get(&site, "/account/activate/app").await;
    assert_eq!(late.location, "/account/activate?ended=1");
}

#[actix_web::test]
async fn two_codes_by_two_ways_recover_an_account_and_end_what_was_before() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    world.invite(EMAIL).await;
    let Activated {
        browser: mut lost,
        codes,
        ..
    } = activate(&world, &site).await;
    let mut browser = Browser::open(&site).await;
    let recovery = [("identifier", EMAIL), ("recovery_code", codes[1].as_str())];
    let wrong = [
        ("identifier", EMAIL),
        ("recovery_code", "0000-0000-0000-0000"),
    ];
    let refused = browser.post(&site, "/sign-in/recover", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let sent = browser.post(&site, "/sign-in/recover", &recovery).await;
    assert_eq!(sent.status, StatusCode::OK);
    let text = messages(&site)
        .await
        .iter()
        .find(|m| m["kind"] == "contact-code")
        .unwrap()["text"]
        .to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
    let mut fields = recovery.to_vec();
    fields.push(("code", "999999"));
    if digits != "999999" {
        let refused = browser.post(&site, "/sign-in/recover/code", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    fields.pop();
    fields.push(("code", &digits));
    let opened = browser.post(&site, "/sign-in/recover/code", &fields).await;
    assert_eq!(
        opened.location, "/account/activate/choose",
        "{}",
        opened.body
    );
    assert!(
        lost.is_signed_in(&site).await,
        "nothing changes before the end"
    );

    browser
        .post(
            &site,
            "/account/activate/password",
            &[("password", "another-boat-9-rain")],
        )
        .await;
    let secret = browser
        .get(&site, "/account/activate/app")
        .await
        .text("app-secret");
    world.pass(30);
    let code = world.app_code(&secret);
    browser
        .post(&site, "/account/activate/app", &[("code", &code)])
        .await;
    let fresh = codes_of(&browser.get(&site, "/account/activate/recovery").await);
    let done = browser
        .post(&site, "/account/activate/recovery", &[("code", &fresh[0])])
        .await;
    assert_eq!(done.location, "/account/activate/done");
    assert!(browser.is_signed_in(&site).await);
    assert!(
        !lost.is_signed_in(&site).await,
        "the lost device is signed out"
    );
    let old = try_password(
        &mut Browser::open(&site).await,
        &site,
        EMAIL,
        PASSWORD,
        &codes[2],
    )
    .await;
    assert_eq!(
        old.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "old password and codes are void"
    );
    assert!(
        messages(&site)
            .await
            .iter()
            .any(|m| m["kind"] == "account-changed"),
        "the holder is told"
    );
}
