//! More information, refusal, appeal.

use actix_web::http::StatusCode;

use super::fixture::*;

#[actix_web::test]
async fn more_information_then_refusal_then_appeal() {
    let Some(world) = world() else { return };
    let service = site(&world.app).await;
    let (citizen, receipt) = apply(&service, "sok.dara@example.com", 10).await;
    let code = receipt.text("continuation-code");
    drop(citizen);
    let case = only_case(&world).await;
    let mut maker = world.officer().await;
    maker.get(&service, "/desk?lang=en").await;
    maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let digest = digest_of(
        &maker
            .get(&service, &format!("/desk/cases/{case}"))
            .await
            .body,
    );
    let path = format!("/desk/cases/{case}/decision");
    let unreasoned = maker
        .post(
            &service,
            &path,
            &[("verdict", "refuse"), ("evidence_digest", &digest)],
        )
        .await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [
        ("verdict", "ask_for_more"),
        ("reason", "picture_unreadable"),
        ("note", "The back, please."),
        ("evidence_digest", digest.as_str()),
    ];
    assert_eq!(
        maker.post(&service, &path, &fields).await.status,
        StatusCode::SEE_OTHER
    );

    // Back with the code on another device: only the pictures can be changed.
    let mut citizen = Browser::default();
    citizen.get(&service, "/apply/continue?lang=en").await;
    let answer = citizen
        .post(
            &service,
            "/apply/continue",
            &[("code", &code.to_lowercase())],
        )
        .await;
    assert_eq!(answer.location, "/apply/status");
    let status = citizen.get(&service, "/apply/status").await.body;
    assert!(status.contains("The back, please.") && status.contains("href=\"/apply/photos\""));
    assert_eq!(
        citizen.get(&service, "/apply/name").await.location,
        "/apply/status"
    );
    let back = picture(99);
    assert_eq!(
        citizen
            .upload(&service, "/apply/photos", &[("back", "image/png", &back)])
            .await
            .location,
        "/apply/check"
    );
    assert_eq!(
        citizen.post(&service, "/apply/check", &[]).await.location,
        "/apply/receipt"
    );
    assert!(
        citizen
            .get(&service, "/apply/receipt")
            .await
            .body
            .contains("26-1122-0001"),
        "the number stays"
    );

    // A decision on what was shown before does not count any more.
    maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let stale = [
        ("verdict", "refuse"),
        ("reason", "face_differs"),
        ("evidence_digest", digest.as_str()),
    ];
    assert!(
        maker
            .post(&service, &path, &stale)
            .await
            .body
            .contains("data-code=\"evidence-changed\"")
    );
    let mut checker = world.officer().await;
    for officer in [&mut maker, &mut checker] {
        officer.get(&service, "/desk?lang=en").await;
        officer
            .post(
                &service,
                &format!("/desk/cases/{case}/lease"),
                &[("act", "take")],
            )
            .await;
        let digest = digest_of(
            &officer
                .get(&service, &format!("/desk/cases/{case}"))
                .await
                .body,
        );
        let fields = [
            ("verdict", "refuse"),
            ("reason", "face_differs"),
            ("evidence_digest", digest.as_str()),
        ];
        assert_eq!(
            officer.post(&service, &path, &fields).await.status,
            StatusCode::SEE_OTHER
        );
    }
    assert!(
        citizen
            .get(&service, "/apply/status")
            .await
            .body
            .contains("data-state=\"rejected\"")
    );
    assert_eq!(
        citizen.post(&service, "/apply/appeal", &[]).await.location,
        "/apply/status"
    );
    assert!(
        citizen
            .get(&service, "/apply/status")
            .await
            .body
            .contains("data-state=\"waiting\"")
    );
    let refused = maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert!(refused.body.contains("data-code=\"same-officer\""));
}
