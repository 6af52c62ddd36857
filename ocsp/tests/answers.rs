//! The service over its socket, judged by the codec of `pki` and by OpenSSL.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where it fails"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::crl::CrlReason;
use pki::ocsp::{CertId, CertIdHash, CertStatus, Nonce, RequestBuilder, Response, parse_response};
use service::Clock as _;
use support::{Hierarchy, Running, serial, start};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn client() -> reqwest::Client {
    service::http_client(&service::HttpClientConfig::default()).unwrap()
}

fn id(running: &Running, hash: CertIdHash, octet: u8) -> CertId {
    CertId::new(hash, &running.issuing.certificate, &serial(octet)).unwrap()
}

fn request(id: CertId) -> Vec<u8> {
    RequestBuilder::new().cert_id(id).to_der().unwrap()
}

async fn post(running: &Running, body: Vec<u8>) -> Vec<u8> {
    let answer = client()
        .post(running.url("/ocsp"))
        .header("content-type", "application/ocsp-request")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "application/ocsp-response"
    );
    answer.bytes().await.unwrap().to_vec()
}

fn checked(running: &Running, der: &[u8]) -> Response {
    let response = parse_response(der).unwrap();
    response
        .verify(
            &running.issuing.certificate,
            running.clock.now(),
            &OpenSslVerifier,
        )
        .unwrap();
    response
}

async fn status(running: &Running, octet: u8) -> CertStatus {
    let der = post(running, request(id(running, CertIdHash::Sha256, octet))).await;
    checked(running, &der).singles[0].status
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_refused_with_those_there_are() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    for (path, allow) in [
        ("/ocsp", "GET, POST, HEAD, OPTIONS"),
        ("/crl/00/0.crl", "GET, HEAD, OPTIONS"),
        ("/issuer/00.cer", "GET, HEAD, OPTIONS"),
    ] {
        let refused = client().put(running.url(path)).send().await.unwrap();
        assert_eq!(refused.status(), 405, "{path}");
        assert_eq!(refused.headers()["allow"], allow, "{path}");
        assert_eq!(
            refused.headers()["content-type"],
            "application/problem+json"
        );
    }
    let absent = client().put(running.url("/nowhere")).send().await.unwrap();
    assert_eq!(absent.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn good_revoked_and_never_issued_under_both_hashes() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    running.know(1, 1, None);
    let at = now().as_second() - 100;
    running.know(2, 2, Some((at, Some(CrlReason::KeyCompromise))));
    for hash in [CertIdHash::Sha1, CertIdHash::Sha256] {
        for octet in [1, 2, 3] {
            let asked = id(&running, hash, octet);
            let der = post(&running, request(asked.clone())).await;
            let response = checked(&running, &der);
            let single = &response.singles[0];
            assert_eq!(single.cert_id, asked);
            match (octet, single.status) {
                (1, CertStatus::Good) | (3, CertStatus::Unknown) => {}
                (2, CertStatus::Revoked { at: when, reason }) => {
                    assert_eq!(when.as_second(), at);
                    assert_eq!(reason, Some(x509_cert::ext::pkix::CrlReason::KeyCompromise));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(single.this_update, now());
            let life = single.next_update.unwrap().duration_since(now());
            assert_eq!(life.as_hours(), 24);
        }
    }
    // The root has no responder here: not ours to answer.
    let foreign = CertId::new(CertIdHash::Sha1, &running.root.certificate, &serial(1)).unwrap();
    assert_eq!(
        post(&running, request(foreign)).await,
        [0x30, 3, 0x0a, 1, 6]
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_shows_in_the_next_answer_and_never_goes_away() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    running.know(1, 1, None);
    assert_eq!(status(&running, 1).await, CertStatus::Good);
    assert_eq!(status(&running, 1).await, CertStatus::Good);
    running.know(2, 1, Some((now().as_second(), Some(CrlReason::Superseded))));
    assert!(matches!(
        status(&running, 1).await,
        CertStatus::Revoked { .. }
    ));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_are_repeated_in_a_fresh_answer() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    running.know(1, 1, None);
    let asked = id(&running, CertIdHash::Sha256, 1);
    let ask = |nonce: Vec<u8>| {
        RequestBuilder::new()
            .cert_id(asked.clone())
            .nonce(Nonce::new(nonce).unwrap())
            .to_der()
            .unwrap()
    };
    for length in [1, 32, 128] {
        let nonce = vec![7; length];
        let der = post(&running, ask(nonce.clone())).await;
        let response = checked(&running, &der);
        assert_eq!(response.nonce.unwrap().as_bytes(), nonce);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_age_and_are_never_given_past_their_end() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    running.know(1, 1, None);
    let ask = request(id(&running, CertIdHash::Sha1, 1));
    let first = post(&running, ask.clone()).await;
    // The authority is silent: the old answer stays in force until its end.
    running.clock.advance(Duration::from_hours(2));
    assert_eq!(post(&running, ask.clone()).await, first);
    // The authority is back: older than the freshness, so made anew.
    running.app.answers.in_contact(running.clock.now());
    let second = post(&running, ask.clone()).await;
    assert_ne!(second, first);
    assert_eq!(
        checked(&running, &second).singles[0].this_update,
        running.clock.now()
    );
    // Silent for longer than the validity: no answer at all.
    running.clock.advance(Duration::from_hours(24));
    assert_eq!(post(&running, ask).await, [0x30, 3, 0x0a, 1, 3]);
    assert!(running.app.answers.is_ready().is_err());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_takes_every_spelling_and_is_made_for_caches() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    // Look for a request whose base64 has the difficult characters.
    let (octet, text) = (1..=255_u8)
        .map(|octet| {
            (
                octet,
                Base64::encode_string(&request(id(&running, CertIdHash::Sha1, octet))),
            )
        })
        .find(|(_, text)| text.contains('+') || text.contains('/'))
        .unwrap();
    running.know(1, octet, None);
    let escaped = text
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let safe = text.replace('+', "-").replace('/', "_");
    let mut bodies = Vec::new();
    for path in [
        format!("/ocsp/{text}"),
        format!("/ocsp/{escaped}"),
        format!("/ocsp//{text}"),
        format!("/ocsp/{}", text.trim_end_matches('=')),
        format!("/ocsp/{safe}"),
    ] {
        let answer = client().get(running.url(&path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let headers = answer.headers().clone();
        assert_eq!(
            headers["cache-control"],
            "max-age=300, public, no-transform, must-revalidate"
        );
        assert!(headers.contains_key("last-modified") && headers.contains_key("expires"));
        bodies.push((headers["etag"].clone(), answer.bytes().await.unwrap()));
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "one answer for all spellings"
    );
    assert_eq!(
        checked(&running, &bodies[0].1).singles[0].status,
        CertStatus::Good
    );
    let again = client()
        .get(running.url(&format!("/ocsp/{text}")))
        .header("if-none-match", bodies[0].0.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 304);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_is_malformed_with_status_200() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |_| {});
    let malformed = [0x30, 3, 0x0a, 1, 1];
    for body in [
        vec![],
        vec![0x30],
        vec![0xff; 100],
        vec![0; 17 * 1024],
        vec![0; 200 * 1024],
    ] {
        assert_eq!(post(&running, body).await, malformed);
    }
    for path in [
        "/ocsp/",
        "/ocsp",
        "/ocsp/!!!",
        "/ocsp/AAAA",
        "/ocsp/%zz",
        "/ocsp/../issuer",
    ] {
        let answer = client().get(running.url(path)).send().await.unwrap();
        if path.contains("..") {
            continue;
        }
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(
            answer.bytes().await.unwrap(),
            malformed.as_slice(),
            "{path}"
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_rationed_per_client() {
    let hierarchy = Hierarchy::new(now());
    let running = start(&hierarchy, now(), |config| {
        config.answers.signing_limit = service::rate_limit::RateLimitConfig::new(1, 2);
    });
    running.know(1, 1, None);
    let known = request(id(&running, CertIdHash::Sha1, 1));
    let first = post(&running, known.clone()).await;
    assert!(parse_response(&first).is_ok());
    assert!(
        parse_response(&post(&running, request(id(&running, CertIdHash::Sha1, 2))).await).is_ok()
    );
    assert_eq!(
        post(&running, request(id(&running, CertIdHash::Sha1, 3))).await,
        [0x30, 3, 0x0a, 1, 3]
    );
    assert_eq!(
        post(&running, known).await,
        first,
        "from memory, so not rationed"
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_agrees() {
    // OpenSSL compares with the real clock.
    let now = service::Sources::system().now();
    let hierarchy = Hierarchy::new(now);
    let running = start(&hierarchy, now, |_| {});
    running.know(1, 1, None);
    running.know(
        2,
        2,
        Some((now.as_second() - 60, Some(CrlReason::CessationOfOperation))),
    );
    let folder = running.folder.path();
    let write = |name: &str, pem: String| {
        std::fs::write(folder.join(name), pem).unwrap();
        folder.join(name)
    };
    let root = write("root.pem", running.root.certificate.pem().unwrap());
    let issuer = write("issuer.pem", running.issuing.certificate.pem().unwrap());
    for (octet, digest, nonce, expected) in [
        (1, "-sha1", "-nonce", "good"),
        (1, "-sha256", "-no_nonce", "good"),
        (2, "-sha256", "-nonce", "Reason: cessationOfOperation"),
        (3, "-sha1", "-no_nonce", "unknown"),
    ] {
        let url = running.url("/ocsp");
        let serial = format!("0x{}", serial(octet));
        let (root, issuer) = (root.clone(), issuer.clone());
        let out = tokio::task::spawn_blocking(move || {
            Command::new("openssl")
                .arg("ocsp")
                .arg("-issuer")
                .arg(&issuer)
                .arg("-CAfile")
                .arg(&root)
                .args([
                    digest,
                    "-serial",
                    &serial,
                    "-url",
                    &url,
                    nonce,
                    "-verify_other",
                ])
                .arg(&issuer)
                .output()
                .unwrap()
        })
        .await
        .unwrap();
        let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert!(
            text.contains("Response verify OK") && text.contains(expected),
            "{text}"
        );
        assert!(nonce == "-no_nonce" || !text.contains("no nonce"), "{text}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_issuers_are_published_and_lists_never_go_back() {
    let mut hierarchy = Hierarchy::new(now());
    hierarchy.issuing.first_crls = vec![hierarchy.crl(1, &[])];
    let newer = hierarchy.crl(7, &[serial(2)]);
    let issuing = hierarchy.issuing.id;
    let running = start(&hierarchy, now(), |config| {
        let folder = config.crl_folder.join(issuing.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0.crl"), &newer).unwrap();
    });
    let get = |path: String| {
        let url = running.url(&path);
        async move { client().get(url).send().await.unwrap() }
    };
    let answer = get(format!("/crl/{issuing}/0.crl")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/pkix-crl");
    assert_eq!(
        answer.bytes().await.unwrap(),
        newer,
        "the one kept, which is newer than the ceremony's"
    );
    let answer = get(format!("/issuer/{issuing}.cer")).await;
    assert_eq!(answer.headers()["content-type"], "application/pkix-cert");
    assert_eq!(
        answer.bytes().await.unwrap(),
        hierarchy.issuing.certificate.der()
    );
    for absent in [
        format!("/crl/{issuing}/00.crl"),
        format!("/crl/{issuing}/1.crl"),
        format!("/crl/{issuing}/0.der"),
        format!("/crl/{issuing}/-1.crl"),
        "/crl/xx/0.crl".to_owned(),
        "/issuer/00112233445566778899aabbccddeeff.cer".to_owned(),
        format!("/issuer/{issuing}"),
    ] {
        assert_eq!(get(absent.clone()).await.status(), 404, "{absent}");
    }
    running.end().await;
}

#[test]
fn a_renewed_responder_certificate_is_taken_into_use_and_found_again() {
    let hierarchy = Hierarchy::new(now());
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        ocsp::Responder::open(
            &hierarchy.issuing,
            &hierarchy.token,
            folder.path(),
            &OpenSslVerifier,
        )
        .unwrap()
        .unwrap()
    };
    let responder = open();
    let days = |n: i64| now() + Duration::from_secs(n.unsigned_abs() * 86_400);
    assert!(!responder.is_due(days(10)));
    assert!(responder.is_due(days(21)));
    assert!(!responder.is_valid_at(days(31)));
    let renewed = hierarchy.renewed_responder(days(21));
    responder.renew(renewed.clone(), &OpenSslVerifier).unwrap();
    assert!(responder.is_valid_at(days(31)));
    assert_eq!(open().certificate().der(), renewed.der());
    let foreign = hierarchy.root.certificate.clone();
    assert!(responder.renew(foreign, &OpenSslVerifier).is_err());
}
