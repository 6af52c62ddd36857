//! Whatever is sent, the answer is a problem and never a panic.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::test::TestRequest;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::fixture::Authority;

const PATHS: [&str; 6] = [
    "/certificates",
    "/certificates/01/revocation",
    "/credentials",
    "/documents?credential=018f0000-0000-7000-8000-000000000000&level=b-b",
    "/documents/018f0000-0000-7000-8000-000000000000/signature",
    "/documents/not-an-id/signature",
];

fn bodies() -> Vec<Vec<u8>> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let random = proptest::collection::vec(proptest::num::u8::ANY, 0..300);
    let mut bodies: Vec<Vec<u8>> = (0..8)
        .map(|_| random.new_tree(&mut runner).expect("a value").current())
        .collect();
    bodies.extend(
        [
            "", "{}", "[]", "null", "{\"profile\":\"tls-server\"}", "{\"profile\":\"nonsense\"}",
            "{\"profile\":\"tls-server\",\"subject\":{},\"public_key\":\"%%%\"}",
            "{\"profile\":\"tls-server\",\"subject\":{},\"public_key\":\"MAA=\"}",
            "{\"profile\":\"tls-server\",\"subject\":{},\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----\"}",
            "{\"profile\":\"tls-server\",\"subject\":{},\"csr\":\"\",\"public_key\":\"\"}",
            "{\"reason\":7}", "{\"holder\":{},\"activation\":{}}",
            "{\"credential_id\":\"=\",\"client_data_json\":\"\",\"authenticator_data\":\"\",\"signature\":\"\"}",
            "{\"credential_id\":\"\",\"client_data_json\":\"\",\"authenticator_data\":\"\",\"signature\":\"\"}",
            "%PDF-1.7 and nothing more",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    bodies.push([b"{\"a\":".repeat(5_000), b"1".to_vec(), b"}".repeat(5_000)].concat());
    bodies.push(vec![b' '; 300 * 1024]);
    bodies
}

#[actix_web::test]
async fn every_body_gets_a_problem() {
    let authority = Authority::new().await;
    for path in PATHS {
        for (number, body) in bodies().into_iter().enumerate() {
            for kind in ["application/json", "application/pdf"] {
                let request = TestRequest::post()
                    .uri(&format!("/api/v1{path}"))
                    .insert_header((AUTHORIZATION, authority.bearer("idp")))
                    .insert_header((CONTENT_TYPE, kind))
                    .set_payload(body.clone());
                let answer = authority.send(request).await;
                assert!(
                    answer.status.is_client_error()
                        && answer.content_type == "application/problem+json",
                    "{path}, body {number} as {kind}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
        }
    }
}
