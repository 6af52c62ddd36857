//! From application to approval, and what two applications with one document show.

use actix_web::http::StatusCode;
use domain::account::AccountState;
use domain::assurance::Level;

use super::fixture::*;

#[actix_web::test]
async fn apply_maker_checker_approved() {
    let Some(world) = world() else { return };
    let service = site(&world.app).await;
    let (mut citizen, receipt) = apply(&service, "sok.dara@example.com", 10).await;
    assert_eq!(receipt.text("case-number"), "26-1122-0001");
    let case = only_case(&world).await;
    let (mut maker, mut checker) = (world.officer().await, world.officer().await);

    // Nobody without the role, and no personal data without holding the case.
    let stranger = citizen.get(&service, "/desk").await;
    assert!(
        stranger.location.starts_with("/sign-in"),
        "{}",
        stranger.location
    );
    let closed = checker
        .get(&service, &format!("/desk/cases/{case}?lang=en"))
        .await
        .body;
    assert!(!closed.contains("SOK") && closed.contains("id=\"take\""));

    let answer = approve(&service, &mut maker, case).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    // The same operator twice.
    let again = maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("data-code=\"same-officer\""));
    let fields = [
        ("verdict", "approve"),
        ("document_genuine", "yes"),
        ("face_matches", "yes"),
    ];
    let again = maker
        .post(&service, &format!("/desk/cases/{case}/decision"), &fields)
        .await;
    assert!(
        again.body.contains("data-code=\"same-officer\""),
        "{}",
        again.body
    );

    // The checker sees evidence and checks, not the first decision.
    checker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let page = checker
        .get(&service, &format!("/desk/cases/{case}"))
        .await
        .body;
    assert!(
        page.contains("Level 2")
            && page.contains("kh-2026-11")
            && !page.contains("id=\"decisions\"")
    );
    let src = page
        .split("src=\"/desk/cases/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let seen = checker.get(&service, &format!("/desk/cases/{src}")).await;
    assert!(
        seen.bytes.starts_with(&[0xFF, 0xD8])
            && seen.headers.get("cache-control").unwrap() == "no-store"
    );
    assert_eq!(
        maker
            .get(&service, &format!("/desk/cases/{src}"))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let answer = approve(&service, &mut checker, case).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    let status = citizen.get(&service, "/apply/status").await.body;
    assert!(status.contains("data-state=\"approved\""));
    let subject = world
        .app
        .store
        .read(move |r| r.load_case(case))
        .await
        .unwrap()
        .case
        .subject;
    let facts = crate::apply::facts::load(&world.app, subject)
        .await
        .unwrap();
    assert_eq!(facts.assurance.level(), Level::Two);
    assert_eq!(
        (
            facts.latin.full().as_str(),
            facts.khmer.unwrap().full().as_str()
        ),
        ("Sok Dara", "សុខ ដារ៉ា")
    );
    assert_eq!(facts.birth_date.unwrap().claim(), "1990-01-01");
    let account = world
        .app
        .store
        .read(move |r| r.find_account_of_subject(subject))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.state, AccountState::Invited);
    let looks = world
        .app
        .store
        .read(move |r| r.list_data_accesses(subject, None, 50))
        .await
        .unwrap();
    assert!(
        looks.iter().any(|look| look.items == "evidence-front"),
        "every look is shown to the person"
    );
    let sent = Browser::default().get(&service, "/outbox.json").await.body;
    assert!(sent.contains("case-approved") && sent.contains("account-invitation"));

    // Erasing the wrapped key makes everything unreadable.
    let event = world.event();
    world
        .app
        .store
        .write(event, move |w| w.erase_subject_key(subject, 1))
        .await
        .unwrap();
    assert!(
        crate::apply::facts::load(&world.app, subject)
            .await
            .is_err()
    );
    assert!(
        crate::apply::open_application(&world.app, move |r| r.find_case(case))
            .await
            .unwrap()
            .is_none()
    );
}

#[actix_web::test]
async fn a_document_used_twice_is_looked_at_and_not_refused() {
    let Some(world) = world() else { return };
    let service = site(&world.app).await;
    apply(&service, "first@example.com", 10).await;
    let first = only_case(&world).await;
    world.clock.advance(std::time::Duration::from_secs(90));
    let (_, receipt) = apply(&service, "second@example.com", 40).await;
    assert_eq!(receipt.text("case-number"), "26-1122-0002");
    let second = only_case(&world).await;
    assert_ne!(first, second);
    let mut officer = world.officer().await;
    officer.get(&service, "/desk?lang=en").await;
    officer
        .post(
            &service,
            &format!("/desk/cases/{second}/lease"),
            &[("act", "take")],
        )
        .await;
    let page = officer
        .get(&service, &format!("/desk/cases/{second}"))
        .await
        .body;
    assert!(page.contains("id=\"duplicates\"") && page.contains("26-1122-0001"));
    assert!(page.contains("id=\"check-image_unused\""));
}
