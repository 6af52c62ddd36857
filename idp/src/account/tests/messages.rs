//! Codes and messages: once, in time, and never lost.

use actix_web::http::StatusCode;
use domain::account::Identifier;
use domain::locale::Locale;

use super::browser::{Browser, EMAIL, World, messages, site};
use crate::outbox::contact::{SendError, Verdict, check_code, send_code};
use crate::outbox::{Message, prepare, send_due};

fn digits(message: &serde_json::Value) -> String {
    message["text"]
        .as_str()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .take(6)
        .collect()
}

#[actix_web::test]
async fn a_contact_code_counts_once_for_its_owner_and_address() {
    let Some(world) = World::new() else { return };
    let site = site(&world.app).await;
    let app = &world.app;
    let (owner, other) = (app.sources.uuid(), app.sources.uuid());
    let phone = Identifier::parse("012 345 678").unwrap();
    let sent = send_code(app, owner, &phone, Locale::En).await.unwrap();
    assert_eq!(sent.expires_at.as_second() - app.sources.unix(), 600);
    assert!(matches!(
        send_code(app, owner, &phone, Locale::En).await,
        Err(SendError::TooSoon(_))
    ));
    let code = digits(&messages(&site).await[0]);
    let wrong = if code == "111111" { "222222" } else { "111111" };
    assert_eq!(
        check_code(app, other, &phone, &code).await.unwrap(),
        Verdict::Void
    );
    assert_eq!(
        check_code(app, owner, &phone, wrong).await.unwrap(),
        Verdict::Wrong { left: 4 }
    );
    assert_eq!(
        check_code(app, owner, &phone, &code).await.unwrap(),
        Verdict::Accepted
    );
    assert_eq!(
        check_code(app, owner, &phone, &code).await.unwrap(),
        Verdict::Void
    );
    world.pass(61);
    send_code(app, owner, &phone, Locale::Km).await.unwrap();
    world.pass(600);
    let code = digits(&messages(&site).await[0]);
    assert_eq!(
        check_code(app, owner, &phone, &code).await.unwrap(),
        Verdict::Void,
        "too late"
    );
}

#[actix_web::test]
async fn a_claimed_message_is_tried_again_after_a_crash() {
    let Some(world) = World::new() else { return };
    let app = &world.app;
    let message = Message {
        kind: "test",
        to: Identifier::parse(EMAIL).unwrap(),
        locale: Locale::En,
        subject: "A\r\nBcc: x@example.kh".to_owned(),
        text: "text".to_owned(),
    };
    let prepared = prepare(app, message).await.unwrap();
    app.store
        .write(world.event(), move |w| prepared.insert(w))
        .await
        .unwrap();
    let row = app
        .store
        .read(|r| r.list_messages(1))
        .await
        .unwrap()
        .remove(0);
    assert!(!String::from_utf8_lossy(row.content_sealed.as_ref().unwrap()).contains("example"));
    let (id, again_at) = (row.id.clone(), app.sources.unix() + 120);
    let claimed = app
        .store
        .write(world.event(), move |w| w.claim_message(&id, 0, again_at))
        .await;
    assert!(claimed.unwrap());
    assert_eq!(send_due(app).await.unwrap(), 0, "somebody else is at it");
    world.pass(121);
    assert_eq!(send_due(app).await.unwrap(), 1);
    let row = app
        .store
        .read(|r| r.list_messages(1))
        .await
        .unwrap()
        .remove(0);
    assert_eq!((row.state.as_str(), row.attempts), ("sent", 2));
    assert_eq!(send_due(app).await.unwrap(), 0);
}

#[actix_web::test]
async fn the_page_shows_messages_in_development_alone() {
    let Some(world) = World::new() else { return };
    world.invite(EMAIL).await;
    let development = site(&world.app).await;
    let page = Browser::default().get(&development, "/outbox").await;
    assert!(page.status == StatusCode::OK && page.body.contains(EMAIL));
    let mut app = world.app.clone();
    app.outbox = crate::outbox::Outbox::new(&app.config.outbox, false).unwrap();
    let production = site(&app).await;
    for path in ["/outbox", "/outbox.json"] {
        let page = Browser::default().get(&production, path).await;
        assert!(
            page.status == StatusCode::NOT_FOUND && !page.body.contains(EMAIL),
            "{path}"
        );
    }
}
