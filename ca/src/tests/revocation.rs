//! From a revocation to the status log, the revocation list, and what OpenSSL makes of it.

use std::time::Duration;

use actix_web::http::StatusCode;
use domain::audit::action;

use super::fixture::{Authority, public_key, written};
use super::judges;
use crate::{crl, import, statuses};

#[actix_web::test]
async fn a_revocation_reaches_log_and_list() {
    let authority = Authority::new().await;
    let made = authority
        .tls_certificate(&public_key(&*authority.new_key("test/tls")))
        .await;
    let serial = made["serial"].as_str().expect("a serial number").to_owned();
    let path = format!("/certificates/{serial}/revocation");
    let reason = serde_json::json!({ "reason": "superseded" });
    let revoked = authority.send(authority.post("idp", &path, &reason)).await;
    assert_eq!(revoked.json()["status"], "revoked");
    let twice = authority.send(authority.post("idp", &path, &reason)).await;
    twice.assert_problem(409, "conflict");

    let log = authority
        .send(authority.get("ocsp", "/status-log?after=0&limit=1000"))
        .await
        .json();
    let entries = log["items"].as_array().expect("entries");
    let states: Vec<&str> = entries
        .iter()
        .filter(|entry| entry["serial"] == serial.as_str())
        .map(|entry| entry["status"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(states, ["good", "revoked"]);
    assert_eq!(entries.last().expect("an entry")["reason"], "superseded");
    assert_eq!(log["next"], entries.last().expect("an entry")["sequence"]);

    assert_eq!(
        crl::publish_due(&authority.app).await.expect("published"),
        1,
        "one shard only"
    );
    assert_eq!(
        crl::publish_due(&authority.app).await.expect("published"),
        0
    );
    let (list, leaf) = judge_list(&authority, &made).await;
    let Some(openssl) = judges::find("openssl") else {
        return;
    };
    let directory = authority.held.directory.path();
    let chain = written(
        directory,
        "chain.pem",
        made["chain"][0].as_str().unwrap().as_bytes(),
    );
    let root = authority.held.file("certificates/ca-root-g1.pem");
    let arguments = [
        "verify",
        "-crl_check",
        "-extended_crl",
        "-CRLfile",
        &list,
        "-CAfile",
        &root,
        "-untrusted",
        &chain,
        &leaf,
    ];
    let (content, said) = judges::run(&openssl, &arguments);
    assert!(!content && said.contains("certificate revoked"), "{said}");
}

/// Checks the list of the certificate's shard and gives it and the certificate as files.
async fn judge_list(authority: &Authority, made: &serde_json::Value) -> (String, String) {
    let serial: pki::serial::SerialNumber = made["serial"].as_str().unwrap().parse().unwrap();
    let issuer = authority
        .app
        .hierarchy
        .find(made["issuer"].as_str().unwrap())
        .unwrap();
    let shard = issuer.issuer.publish.shard(&serial);
    let path = format!("/issuers/{}/crls/{shard}", issuer.id);
    let answer = authority.send(authority.get("ocsp", &path)).await;
    assert_eq!(answer.content_type, "application/pkix-crl");
    let list = pki::crl::parse(&answer.body).expect("a list");
    assert_eq!(list.len(), 1);
    let entry = list
        .find(list.issuer(), serial.as_bytes())
        .expect("an entry");
    assert_eq!(entry.reason, pki::crl::CrlReason::Superseded);
    assert_eq!(
        list.number().unwrap().unwrap().as_bytes(),
        [2],
        "the first list was number 1"
    );
    let directory = authority.held.directory.path();
    let leaf = written(
        directory,
        "leaf.pem",
        made["certificate"].as_str().unwrap().as_bytes(),
    );
    (
        written(directory, "list.pem", list.pem().expect("PEM").as_bytes()),
        leaf,
    )
}

#[actix_web::test]
async fn lists_are_renewed_in_time_and_their_numbers_grow() {
    let authority = Authority::new().await;
    let issuer = authority.app.hierarchy.issuing[0].id.to_string();
    let wanted = issuer.clone();
    let first = authority
        .app
        .store
        .read(move |r| r.find_crl(&wanted, 0))
        .await
        .unwrap()
        .unwrap();
    authority.clock.advance(Duration::from_hours(13));
    assert_eq!(
        crl::publish_due(&authority.app).await.expect("published"),
        4
    );
    let second = authority
        .app
        .store
        .read(move |r| r.find_crl(&issuer, 0))
        .await
        .unwrap()
        .unwrap();
    assert!(second.number > first.number && second.next_update > first.next_update);
    assert_eq!(authority.audited(action::CA_CRL_PUBLISHED).await, 4);
    assert_eq!(
        import::ceremony_results(&authority.app)
            .await
            .expect("import"),
        0
    );
}

#[actix_web::test]
async fn unsound_reasons_and_unknown_numbers_are_refused() {
    let authority = Authority::new().await;
    let made = authority
        .tls_certificate(&public_key(&*authority.new_key("test/tls")))
        .await;
    let path = format!(
        "/certificates/{}/revocation",
        made["serial"].as_str().unwrap()
    );
    for reason in ["certificateHold", "removeFromCRL", "because", ""] {
        let body = serde_json::json!({ "reason": reason });
        let answer = authority.send(authority.post("idp", &path, &body)).await;
        answer.assert_problem(400, "bad-request");
    }
    let body = serde_json::json!({ "reason": "superseded" });
    let answer = authority
        .send(authority.post("idp", "/certificates/01ff/revocation", &body))
        .await;
    answer.assert_problem(404, "not-found");
    let issuing = &authority.app.hierarchy.issuing[0].issuer.certificate;
    let path = format!("/certificates/{}/revocation", issuing.serial().unwrap());
    let answer = authority.send(authority.post("idp", &path, &body)).await;
    answer.assert_problem(409, "conflict");
}

#[actix_web::test]
async fn a_follower_is_woken_by_the_next_entry() {
    let authority = Authority::new().await;
    let head = authority
        .app
        .store
        .read(|r| r.status_log_head())
        .await
        .expect("a head");
    let app = std::sync::Arc::clone(&authority.app);
    let follower = actix_web::rt::spawn(async move {
        statuses::follow(&app, head, 10, Duration::from_secs(50)).await
    });
    authority
        .tls_certificate(&public_key(&*authority.new_key("test/tls")))
        .await;
    let entries = follower.await.expect("a task").expect("entries");
    assert_eq!(entries.len(), 1);
    let none = statuses::follow(&authority.app, head + 1, 10, Duration::ZERO).await;
    assert!(none.expect("entries").is_empty());
    let bad = authority
        .send(authority.get("ocsp", "/status-log?limit=0"))
        .await;
    bad.assert_problem(400, "bad-request");
    assert_eq!(
        authority
            .send(authority.get("ocsp", "/status-log"))
            .await
            .status,
        StatusCode::OK
    );
}
