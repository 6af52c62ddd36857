//! What applicants mistype, and what nobody honest sends.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;

use super::fixture::*;

const WRONG_ZONE: &str = "IDKHM1234567890<<<<<<<<<<<<<<<\r\n9001011F3301018KHM<<<<<<<<<<<2\r\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<";

#[actix_web::test]
async fn wrong_digits_and_garbage_are_answered_in_words_and_nothing_is_lost() {
    let Some(world) = world() else { return };
    let service = site(&world.app).await;
    let mut citizen = Browser::default();
    citizen.get(&service, "/apply?lang=en").await;
    citizen.post(&service, "/apply", &[]).await;
    citizen
        .post(&service, "/apply/who", &[("choice", "national")])
        .await;
    citizen
        .post(
            &service,
            "/apply/document",
            &[("choice", "national_id_card")],
        )
        .await;

    let wrong = [("number", "123456789"), ("zone", WRONG_ZONE)];
    let answer = citizen.post(&service, "/apply/number", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("Line 1, characters 6–15")
            && answer.body.contains("document number is mistyped")
    );
    assert!(
        answer.body.contains("IDKHM1234567890"),
        "what was typed stays"
    );
    let answer = citizen
        .post(
            &service,
            "/apply/number",
            &[("number", "987654321"), ("zone", ZONE)],
        )
        .await;
    assert!(answer.body.contains("You typed 987654321"));
    let expired = [("number", "123456789"), ("zone", "")];
    assert_eq!(
        citizen
            .post(&service, "/apply/number", &expired)
            .await
            .status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    citizen
        .post(
            &service,
            "/apply/number",
            &[("number", "123456789"), ("zone", ZONE)],
        )
        .await;

    // A page ahead of the answers leads back to the first open question.
    assert_eq!(
        citizen.get(&service, "/apply/check").await.location,
        "/apply/photos"
    );

    let good = picture(10);
    let huge = vec![0_u8; crate::evidence::MAX_BYTES + 1];
    let files: [(&str, &str, &[u8]); 3] = [
        ("front", "image/png", &good),
        ("back", "image/jpeg", b"<svg onload=alert(1)>"),
        ("portrait", "image/jpeg", &huge),
    ];
    let answer = citizen.upload(&service, "/apply/photos", &files).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("id=\"front-held\""),
        "the good picture is kept"
    );
    assert!(answer.body.contains("id=\"back-error\"") && answer.body.contains("larger than 8 MB"));

    // A form from elsewhere, and a code that nobody has.
    let stolen = citizen
        .cookies
        .insert("csrf".to_owned(), "A".repeat(43))
        .unwrap();
    let mut other = Browser::default();
    other.cookies.insert("csrf".to_owned(), stolen);
    let bad = TestRequest::post()
        .uri("/apply")
        .set_form([("csrf", "B".repeat(43))]);
    assert_eq!(
        other.send(&service, bad).await.status,
        StatusCode::FORBIDDEN
    );
    let mut lost = Browser::default();
    lost.get(&service, "/apply/continue?lang=en").await;
    let answer = lost
        .post(
            &service,
            "/apply/continue",
            &[("code", "ABCD-EFGH-JKMN-PQRS")],
        )
        .await;
    assert!(answer.body.contains("No application has this code"));
}
