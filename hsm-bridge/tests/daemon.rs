//! The daemon as its callers meet it: processes, sockets, a real SoftHSM token.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    DataKey, Health, KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore,
    SignatureScheme, SignatureVerifier,
};
use support::{House, set_mode};

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

#[test]
fn services_use_the_keys_that_the_policy_grants_them_and_no_others() {
    let house = House::build();
    let daemon = house.serve();
    let (ca, idp) = (house.client("ca"), house.client("idp"));
    ca.health().unwrap();

    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    assert_eq!(ca.find(&label("sign/one")), Ok(Some(id)));
    assert_eq!(ca.find(&label("sign/two")), Ok(None));
    assert!(matches!(
        ca.generate(&label("sign/one"), KeyAlgorithm::P256),
        Err(KeyStoreError::KeyExists(_))
    ));
    let signer = ca.signer(id, None).unwrap();
    for length in [0, 1, 60_000, 300_000, 1_500_000] {
        let message = vec![7; length];
        let signature = signer.sign(&message).unwrap();
        OpenSslVerifier
            .verify(signer.public_key(), signer.scheme(), &message, &signature)
            .unwrap();
    }
    assert!(matches!(
        ca.signer(id, Some(SignatureScheme::Ed25519)),
        Err(KeyStoreError::BadRequest(_))
    ));

    let (kek, mac) = (label("idp/kek/g1"), label("idp/blind-index/g1"));
    idp.generate_secret(&kek, SecretPurpose::KeyEncryption)
        .unwrap();
    idp.generate_secret(&mac, SecretPurpose::Mac).unwrap();
    let wrapped = idp
        .wrap(&kek, b"subject", &DataKey::from_bytes([9; 32]))
        .unwrap();
    assert_eq!(
        idp.unwrap(&kek, b"subject", &wrapped).unwrap().as_bytes(),
        &[9; 32]
    );
    assert!(matches!(
        idp.unwrap(&kek, b"another", &wrapped),
        Err(KeyStoreError::BadRequest(_))
    ));
    assert_eq!(idp.hmac(&mac, b"x"), idp.hmac(&mac, b"x"));

    assert_eq!(
        idp.generate(&label("sign/two"), KeyAlgorithm::P256),
        Err(KeyStoreError::NotPermitted)
    );
    assert_eq!(
        idp.signer(id, None).err(),
        Some(KeyStoreError::NotPermitted)
    );
    assert_eq!(
        idp.find(&label("sign/one")),
        Err(KeyStoreError::NotPermitted)
    );
    assert_eq!(idp.destroy(id), Err(KeyStoreError::NotPermitted));
    assert_eq!(ca.hmac(&mac, b"x"), Err(KeyStoreError::NotPermitted));
    assert_eq!(
        ca.unwrap(&kek, b"subject", &wrapped).err(),
        Some(KeyStoreError::NotPermitted)
    );
    ca.destroy(id).unwrap();
    assert!(matches!(
        signer.sign(b"after"),
        Err(KeyStoreError::UnknownKey(_))
    ));

    assert_eq!(daemon.stop(), Some(0));
    assert!(!house.path("ca.sock").exists() && !house.path("idp.sock").exists());
    check_audit(&house);
}

/// Every use and every refused attempt above is in the record, in order.
fn check_audit(house: &House) {
    let rows = house.audit();
    let count = |operation: &str, result: &str| {
        rows.iter()
            .filter(|row| row["operation"] == operation && row["result"] == result)
            .count()
    };
    assert_eq!(
        (
            count("sign", "done"),
            count("sign", "unknown-key"),
            count("generate", "done")
        ),
        (5, 1, 3)
    );
    assert_eq!(
        (
            count("destroy", "done"),
            count("describe", "not-permitted"),
            count("generate", "not-permitted")
        ),
        (1, 2, 1)
    );
    assert_eq!(
        (
            count("hmac", "not-permitted"),
            count("unwrap", "not-permitted"),
            count("unwrap", "bad-request")
        ),
        (1, 1, 1)
    );
    let events: Vec<_> = rows
        .iter()
        .filter_map(|row| row["event"].as_str())
        .collect();
    assert!(events.contains(&"bridge.started") && events.contains(&"bridge.stopped"));
    assert_eq!(events.last(), Some(&"bridge.checkpoint"));
    let verified = house.run("audit", &["verify", "audit/house"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_batch_is_signed_in_order_also_when_the_daemon_is_killed_in_the_middle() {
    let house = House::build();
    let daemon = house.serve();
    let ca = house.client("ca");
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(id, None).unwrap();
    let messages: Vec<Vec<u8>> = (0..200_u8)
        .map(|number| vec![number; 1 + 400 * usize::from(number)])
        .collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let signatures = std::thread::scope(|scope| {
        let batch = scope.spawn(|| signer.sign_batch(&messages));
        daemon.kill();
        let again = house.serve();
        let signatures = batch.join().unwrap();
        drop(again);
        signatures
    });
    assert_eq!(signatures.len(), messages.len());
    for (message, signature) in messages.iter().zip(signatures) {
        OpenSslVerifier
            .verify(
                signer.public_key(),
                signer.scheme(),
                message,
                &signature.unwrap(),
            )
            .unwrap();
    }
}

#[test]
fn who_was_granted_nothing_learns_nothing() {
    let house = House::build();
    house.configure(
        "",
        "[[bridge.socket]]\nname = 'stranger'\npath = 'stranger.sock'",
    );
    let daemon = house.serve();
    let ca = house.client("ca");
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let absent = hsm_bridge::KeyId::from_bytes([7; 20]);
    let stranger = house.client("stranger");
    for id in [id, absent] {
        assert_eq!(
            stranger.describe(id).err(),
            Some(KeyStoreError::NotPermitted)
        );
    }
    assert_eq!(
        stranger.find(&label("sign/one")),
        Err(KeyStoreError::NotPermitted)
    );
    stranger.health().unwrap();
    let refused: Vec<_> = house
        .audit()
        .into_iter()
        .filter(|row| row["caller"] == "stranger")
        .map(|row| (row["operation"].clone(), row["result"].clone()))
        .collect();
    let row = |operation: &str| (operation.into(), "not-permitted".into());
    assert_eq!(refused, [row("describe"), row("describe"), row("find")]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_killed_daemon_fails_calls_by_their_deadline_and_serves_the_same_client_again() {
    let house = House::build();
    let daemon = house.serve();
    let patient = house.client("ca");
    let id = patient
        .generate(&label("sign/one"), KeyAlgorithm::P256)
        .unwrap();
    let ca = house.impatient_client("ca");
    let signer = (0..100).find_map(|_| ca.signer(id, None).ok()).unwrap();
    daemon.kill();
    for _ in 0..2 {
        assert!(matches!(
            signer.sign(b"meanwhile"),
            Err(KeyStoreError::TokenUnavailable(_))
        ));
        assert!(matches!(
            ca.health(),
            Err(KeyStoreError::TokenUnavailable(_))
        ));
    }
    let again = house.serve();
    drop(house.client("ca")); // it is up
    // Its deadline is short, and the first answers of a busy machine are late.
    let signature = (0..100)
        .find_map(|_| signer.sign(b"after").ok())
        .expect("the same client is served");
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"after", &signature)
        .unwrap();
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn many_threads_share_a_client_across_a_kill() {
    let house = House::build();
    let daemon = house.serve();
    let ca = house.client("ca");
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(id, None).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12_u8)
            .map(|number| {
                let signer = &signer;
                scope.spawn(move || {
                    for round in 0..40_u8 {
                        let message = [number, round];
                        let signature = signer.sign(&message).unwrap();
                        OpenSslVerifier
                            .verify(signer.public_key(), signer.scheme(), &message, &signature)
                            .unwrap();
                    }
                })
            })
            .collect();
        daemon.kill();
        let again = house.serve();
        for thread in threads {
            thread.join().unwrap();
        }
        drop(again);
    });
}

#[test]
fn a_wrong_pin_is_offered_once_and_said_in_one_line() {
    let house = House::build();
    let right = std::fs::read(house.path("user.pin")).unwrap();
    std::fs::write(house.path("user.pin"), "0000-wrong\n").unwrap();
    let refused = house.run("serve", &["--log", "off"]);
    assert_eq!(refused.status.code(), Some(77));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("refused the PIN") && !said.contains("0000-wrong"),
        "{said}"
    );
    let tokens = String::from_utf8(house.run("tokens", &[]).stdout).unwrap();
    assert!(tokens.contains("a wrong PIN was entered"), "{tokens}");
    assert!(!house.path("ca.sock").exists());
    for look in ["check", "keys", "rewrap"] {
        let looked = house.run(look, &["--log", "off"]);
        assert!(!looked.status.success(), "{look}: {looked:?}");
    }
    std::fs::write(house.path("user.pin"), right).unwrap();
    let checked = house.run("check", &[]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn what_is_missing_is_said_in_one_clear_line() {
    let house = House::build();
    let line = |words: &[&str]| {
        let refused = house.run("serve", &["--log", "off"]);
        assert!(!refused.status.success());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{said}");
        }
        let checked = house.run("check", &["--log", "off"]);
        assert!(!checked.status.success());
    };
    set_mode(&house.path("user.pin"), 0o640);
    line(&["user.pin", "0640", "0600"]);
    set_mode(&house.path("user.pin"), 0o600);
    house.configure("typo = 1", "");
    line(&["typo"]);
    let text = std::fs::read_to_string(house.path("romduol.toml"))
        .unwrap()
        .replace("typo = 1", "");
    std::fs::write(
        house.path("romduol.toml"),
        text.replace("'house'", "'palace'"),
    )
    .unwrap();
    line(&["no token 'palace'", "house"]);
    std::fs::write(
        house.path("romduol.toml"),
        text.replace("libsofthsm2.so", "libnothing.so"),
    )
    .unwrap();
    line(&["no PKCS#11 module", "libnothing.so"]);
}

#[test]
fn a_second_daemon_leaves_the_first_ones_sockets_alone() {
    let house = House::build();
    let first = house.serve();
    let ca = house.client("ca");
    let second = house.run("serve", &["--log", "off"]);
    assert_eq!(second.status.code(), Some(78));
    assert!(String::from_utf8(second.stderr).unwrap().contains("in use"));
    ca.health().unwrap();
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn a_peer_with_another_user_id_is_refused() {
    let house = House::build();
    let other = rustix::process::getuid().as_raw() + 1;
    house.configure("", &format!("uid = {other}"));
    let _daemon = house.serve();
    drop(house.client("idp")); // it is up
    let refused = Client::connect(&house.path("ca.sock")).err();
    assert_eq!(refused, Some(KeyStoreError::NotPermitted));
    house.client("idp").health().unwrap();
}

#[test]
fn garbage_on_a_socket_ends_that_connection_alone() {
    let house = House::build();
    let _daemon = house.serve();
    let ca = house.client("ca");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0, 0, 0, 2, 9, 9],
        &[0, 0, 0, 0],
        &[255; 64],
    ] {
        let mut stream = UnixStream::connect(house.path("ca.sock")).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // Closing with bytes unread resets the connection, which is as good an end.
        let _ended = stream.read_to_end(&mut answer);
        ca.health().unwrap();
    }
    let cut = UnixStream::connect(house.path("ca.sock")).unwrap();
    (&cut).write_all(&[0, 0, 1]).unwrap();
    drop(cut);
    ca.health().unwrap();
}

/// A health request as the README's section on the wire describes it.
fn health_request(id: u64, deadline_ms: u32) -> Vec<u8> {
    let content = [
        &[2][..],
        &id.to_be_bytes(),
        &deadline_ms.to_be_bytes(),
        &[1],
    ]
    .concat();
    [&14_u32.to_be_bytes()[..], &content].concat()
}

#[test]
fn requests_sent_ahead_are_answered_in_order_and_late_ones_are_shed() {
    let house = House::build();
    let _daemon = house.serve();
    drop(house.client("ca")); // it is up
    let mut stream = UnixStream::connect(house.path("ca.sock")).unwrap();
    let attach = [
        &19_u32.to_be_bytes()[..],
        &[2],
        &5_u64.to_be_bytes(),
        &1000_u32.to_be_bytes(),
        &[11, 1],
        &[0; 4],
    ]
    .concat();
    let requests = [
        attach,
        health_request(7, 1000),
        health_request(9, 1000),
        health_request(8, 0),
    ]
    .concat();
    stream.write_all(&requests).unwrap();
    let attached = [
        &18_u32.to_be_bytes()[..],
        &[2],
        &5_u64.to_be_bytes(),
        &[9],
        &[0; 4],
        &1_u32.to_be_bytes(),
    ]
    .concat();
    let done = |id: u64| [&10_u32.to_be_bytes()[..], &[2], &id.to_be_bytes(), &[1]].concat();
    let late = [
        &14_u32.to_be_bytes()[..],
        &[2],
        &8_u64.to_be_bytes(),
        &[134],
        &[0; 4],
    ]
    .concat();
    let expected = [attached, done(7), done(9), late].concat();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, expected);
}

#[test]
fn a_caller_over_its_rate_is_told_that_it_is_busy() {
    let house = House::build();
    let slow = "[[grant]]\ncaller = 'idp'\nkeys = 'idp/mac'\noperations = ['generate', 'hmac']\nrate = 3\n";
    std::fs::write(house.path("policy.toml"), slow).unwrap();
    let _daemon = house.serve();
    let idp = house.client("idp");
    idp.generate_secret(&label("idp/mac"), SecretPurpose::Mac)
        .unwrap();
    let results: Vec<_> = (0..40).map(|_| idp.hmac(&label("idp/mac"), b"x")).collect();
    assert!(results.iter().any(Result::is_ok));
    assert!(
        results
            .iter()
            .any(|result| matches!(result, Err(KeyStoreError::Busy(_))))
    );
}

/// The first request of a connection for any key.
fn attach() -> Vec<u8> {
    [
        &19_u32.to_be_bytes()[..],
        &[2],
        &5_u64.to_be_bytes(),
        &30_000_u32.to_be_bytes(),
        &[11, 1],
        &[0; 4],
    ]
    .concat()
}

#[test]
fn a_peer_that_never_reads_does_not_hold_up_the_end() {
    let house = House::build();
    let daemon = house.serve();
    drop(house.client("ca"));
    let mut stream = UnixStream::connect(house.path("ca.sock")).unwrap();
    stream.write_all(&attach()).unwrap();
    stream
        .set_write_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    // Until neither side takes any more.
    while stream
        .write_all(&health_request(7, 60_000).repeat(64))
        .is_ok()
    {}
    assert_eq!(daemon.stop(), Some(0));
    let ended = house
        .audit()
        .iter()
        .any(|row| row["event"] == "bridge.stopped");
    assert!(ended, "the worker was killed");
}

#[test]
fn a_caller_that_takes_every_place_at_its_door_keeps_nobody_else_out() {
    let house = House::build();
    let _daemon = house.serve();
    drop(house.client("ca"));
    // Some of the last wait to be accepted.
    let crowd: Vec<UnixStream> = (0..400)
        .map(|_| {
            let mut stream = UnixStream::connect(house.path("idp.sock")).unwrap();
            // Some are refused already.
            let _half_a_length = stream.write_all(&[0, 0]);
            stream
        })
        .collect();
    let mut stream = UnixStream::connect(house.path("ca.sock")).unwrap();
    stream.write_all(&attach()).unwrap();
    let mut answer = [0; 22];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..5], [0, 0, 0, 18, 2], "{answer:?}");
    drop(crowd);
}

#[test]
fn a_log_that_cannot_be_written_costs_its_worker_and_is_opened_again() {
    let house = House::build();
    let _daemon = house.serve();
    let ca = house.client("ca");
    let id = ca.generate(&label("sign/one"), KeyAlgorithm::P256).unwrap();
    let signer = ca.signer(id, None).unwrap();
    signer.sign(b"before").unwrap();
    // Where the next checkpoint is to be written, which comes after ten thousand lines.
    let in_the_way = house.path("audit/house/checkpoint.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let impatient = house.impatient_client("ca");
    let began = std::time::Instant::now();
    let limit = std::time::Duration::from_mins(1);
    while impatient.find(&label("idp/none")) == Err(KeyStoreError::NotPermitted) {
        assert!(began.elapsed() < limit, "the log goes on");
    }
    assert!(
        impatient
            .signer(id, None)
            .and_then(|s| s.sign(b"meanwhile"))
            .is_err()
    );
    std::fs::remove_dir(&in_the_way).unwrap();
    while impatient
        .signer(id, None)
        .and_then(|s| s.sign(b"after"))
        .is_err()
    {
        assert!(began.elapsed() < limit, "the log is not opened again");
    }
}
