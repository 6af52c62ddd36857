//! Who may what, over HTTP: the domain's table is the one that counts, and refusals are on record.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use domain::audit::action;

use super::fixture::{Authority, public_key, tls_request};

#[actix_web::test]
async fn nobody_unproven_gets_in() {
    let authority = Authority::new().await;
    let paths = [
        "/issuers",
        "/status-log",
        "/certificates/01",
        "/issuers/00/crls/0",
    ];
    for path in paths {
        let request = TestRequest::get().uri(&format!("/api/v1{path}"));
        authority
            .send(request)
            .await
            .assert_problem(401, "unauthenticated");
    }
    for token in ["x", "a.b.c", "e30.e30.e30"] {
        let request = TestRequest::get()
            .uri("/api/v1/issuers")
            .insert_header((AUTHORIZATION, format!("Bearer {token}")));
        authority
            .send(request)
            .await
            .assert_problem(401, "unauthenticated");
    }
    let bearer = authority.bearer("ocsp");
    let once = |bearer: &str| {
        TestRequest::get()
            .uri("/api/v1/issuers")
            .insert_header((AUTHORIZATION, bearer.to_owned()))
    };
    assert_eq!(authority.send(once(&bearer)).await.status, StatusCode::OK);
    authority
        .send(once(&bearer))
        .await
        .assert_problem(401, "unauthenticated");
}

#[actix_web::test]
async fn another_method_is_refused_with_those_there_are() {
    let authority = Authority::new().await;
    let put = |path: &str| TestRequest::put().uri(path);
    for (path, allow) in [
        ("/api/v1/certificates", "POST"),
        ("/api/v1/certificates/01", "GET"),
        ("/api/v1/issuers", "GET"),
        ("/api/v1/status-log", "GET"),
        ("/api/v1/documents", "POST"),
    ] {
        let answer = authority.send(put(path)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.allow, allow, "{path}");
    }
    let answer = authority.send_tsa(put("/tsa")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.allow, "POST");
}

#[actix_web::test]
async fn a_peer_does_what_its_roles_carry_and_no_more() {
    let authority = Authority::new().await;
    let key = public_key(&*authority.new_key("test/key"));
    let person = serde_json::json!({
        "profile": "citizen-auth",
        "subject": { "country": "KH", "common_name": "Sok Sophea" },
        "public_key": key,
    });
    let revocation = serde_json::json!({ "reason": "superseded" });
    let denied = [
        authority.post("ocsp", "/certificates", &person),
        authority.post("ocsp", "/certificates/01/revocation", &revocation),
        authority.post("ocsp", "/credentials", &credential_request()),
        authority.get("ocsp", "/certificates/01"),
        authority.get("idp", "/status-log"),
        authority.get("ca", "/issuers"),
    ];
    let count = denied.len();
    for request in denied {
        authority
            .send(request)
            .await
            .assert_problem(403, "forbidden");
    }
    assert_eq!(authority.audited(action::CA_ACCESS_DENIED).await, count);
    let made = authority
        .send(authority.post("idp", "/certificates", &person))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    for profile in [
        "root",
        "issuing",
        "cross",
        "ocsp-responder",
        "tsa",
        "official-sign",
    ] {
        let mut body = person.clone();
        body["profile"] = profile.into();
        let answer = authority
            .send(authority.post("idp", "/certificates", &body))
            .await;
        answer.assert_problem(403, "forbidden");
    }
}

fn credential_request() -> serde_json::Value {
    serde_json::json!({
        "holder": { "name": "x", "organization": "y" },
        "activation": {
            "credential_id": "AA", "public_key": "AA==", "rp_id": "localhost", "origin": "http://localhost",
        },
    })
}

#[actix_web::test]
async fn a_service_gets_tls_certificates_for_its_own_names_alone() {
    let authority = Authority::new().await;
    let key = public_key(&*authority.new_key("test/key"));
    for san in [
        serde_json::json!([{ "dns": "tax.gov.kh" }]),
        serde_json::json!([{ "dns": "localhost" }, { "dns": "tax.gov.kh" }]),
        serde_json::json!([{ "ip": "127.0.0.1" }]),
    ] {
        let mut body = tls_request(&key);
        body["san"] = san;
        let answer = authority
            .send(authority.post("idp", "/certificates", &body))
            .await;
        answer.assert_problem(403, "forbidden");
    }
    let mut body = tls_request(&key);
    body["subject"]["common_name"] = "tax.gov.kh".into();
    let answer = authority
        .send(authority.post("idp", "/certificates", &body))
        .await;
    answer.assert_problem(403, "forbidden");
}
