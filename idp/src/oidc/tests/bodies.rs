//! Bodies that are too long or of another media type, in the form that who sent them can read.

use actix_web::http::{StatusCode, header};
use actix_web::test::TestRequest;

use super::fixture::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn post(path: &str, kind: &'static str, body: String) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::ACCEPT_LANGUAGE, "en"))
        .set_payload(body)
}

fn too_long() -> String {
    format!("x={}", "A".repeat(300_000))
}

#[actix_web::test]
async fn browsers_get_a_page() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    let texts = [
        (FORM, too_long(), StatusCode::PAYLOAD_TOO_LARGE, "too long"),
        (
            "application/json",
            "{}".to_owned(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "could not read",
        ),
        (
            "text/plain",
            "csrf=x&decision=share".to_owned(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "could not read",
        ),
    ];
    for path in ["/consent", "/logout", "/logout/confirm", "/authorize"] {
        for (media_type, body, status, words) in &texts {
            let answer = send(&service, post(path, media_type, body.clone())).await;
            assert_eq!(answer.status, *status, "{path} {media_type}");
            assert_eq!(
                answer.header(header::CONTENT_TYPE),
                "text/html; charset=utf-8",
                "{path}"
            );
            assert!(answer.body.contains(words), "{path}: {}", answer.body);
        }
    }
}

#[actix_web::test]
async fn clients_get_the_error_form_of_the_protocol() {
    let Some(world) = world().await else { return };
    let service = site(&world.app).await;
    for path in ["/token", "/par", "/introspect", "/revoke", "/userinfo"] {
        let long = send(&service, post(path, FORM, too_long())).await;
        assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        let other = send(&service, post(path, "application/json", "{}".to_owned())).await;
        assert_eq!(other.status, StatusCode::BAD_REQUEST, "{path}");
        for answer in [long, other] {
            assert_eq!(
                answer.header(header::CONTENT_TYPE),
                "application/json",
                "{path}"
            );
            assert_eq!(answer.error(), "invalid_request", "{path}");
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
            let challenge = answer.headers.get(header::WWW_AUTHENTICATE);
            assert_eq!(challenge.is_some(), path == "/userinfo", "{path}");
        }
    }
}
