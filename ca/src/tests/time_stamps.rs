//! Time-stamps, judged by `openssl ts`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::TestRequest;
use domain::audit::action;

use super::fixture::{Authority, written};
use super::judges;

fn query(body: Vec<u8>) -> TestRequest {
    TestRequest::post()
        .uri("/tsa")
        .insert_header((CONTENT_TYPE, "application/timestamp-query"))
        .set_payload(body)
}

#[actix_web::test]
async fn openssl_accepts_the_token_and_refuses_it_for_other_data() {
    let authority = Authority::new().await;
    let Some(openssl) = judges::find("openssl") else {
        return;
    };
    let directory = authority.held.directory.path();
    let data = written(directory, "data", b"ministry of interior, letter 7");
    let other = written(directory, "other", b"ministry of interior, letter 8");
    let request = directory.join("request.tsq").to_string_lossy().into_owned();
    let arguments = [
        "ts", "-query", "-data", &data, "-sha256", "-cert", "-out", &request,
    ];
    let (content, said) = judges::run(&openssl, &arguments);
    assert!(content, "{said}");
    let answer = authority
        .send_tsa(query(std::fs::read(&request).expect("a query")))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.content_type, "application/timestamp-reply");
    let reply = written(directory, "reply.tsr", &answer.body);
    let root = authority.held.file("certificates/ca-root-g1.pem");
    let issuer = authority.held.file("certificates/ca-servers-g1.pem");
    for (file, expected) in [(&data, true), (&other, false)] {
        let arguments = [
            "ts",
            "-verify",
            "-data",
            file,
            "-in",
            &reply,
            "-CAfile",
            &root,
            "-untrusted",
            &issuer,
        ];
        let (content, said) = judges::run(&openssl, &arguments);
        assert_eq!(content, expected, "{said}");
    }
    let (_, said) = judges::run(&openssl, &["ts", "-reply", "-in", &reply, "-text"]);
    assert!(
        said.contains("1.3.6.1.4.1.32473.2.1") && said.contains("Serial number: 0x01"),
        "{said}"
    );
    assert_eq!(authority.audited(action::CA_TIMESTAMP_ISSUED).await, 1);
}

#[actix_web::test]
async fn what_cannot_be_stamped_is_refused_in_the_protocol_form() {
    let authority = Authority::new().await;
    let garbage = authority.send_tsa(query(b"garbage".to_vec())).await;
    assert_eq!(garbage.status, StatusCode::OK);
    assert_eq!(&garbage.body[..1], &[0x30], "a TimeStampResp");
    let mistyped = TestRequest::post().uri("/tsa").set_payload("x");
    authority
        .send_tsa(mistyped)
        .await
        .assert_problem(415, "unsupported-media-type");
    let long = authority
        .send_tsa(query(vec![0; pki::tsp::MAX_REQUEST_BYTES + 1]))
        .await;
    long.assert_problem(413, "too-large");
    assert_eq!(authority.audited(action::CA_TIMESTAMP_ISSUED).await, 0);
}

#[actix_web::test]
async fn a_clock_that_goes_back_gives_no_time() {
    let authority = Authority::new().await;
    let imprint = pki::tsp::MessageImprint::new(pki::cms::DigestAlgorithm::Sha256, &[7; 32]);
    let request = pki::tsp::TimeStampRequest::new(imprint.expect("an imprint"), [1; 16]);
    let start = authority.app.sources.now();
    authority.clock.advance(Duration::from_mins(1));
    assert!(
        crate::tsa::token(&authority.app, request.clone())
            .await
            .is_ok()
    );
    authority.clock.set(start);
    let refused = crate::tsa::token(&authority.app, request)
        .await
        .expect_err("refused");
    assert_eq!(refused.failure, pki::tsp::PkiFailureInfo::TimeNotAvailable);
}
