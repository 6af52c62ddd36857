//! Whoever is not a caller is refused in the handshake or by a frame, is told why it is, and never reaches the bridge.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::Instant;

use hsm_bridge::{KeyStoreError, client::Client};
use openssl::ssl::SslVersion;

use crate::pki::{Authority, Files, Wanted};
use crate::stage::{PATIENCE, Stage, attach, context, open, read_frame, server, shake};

/// Nobody has come.
fn untouched(bridge: &UnixListener) {
    bridge.set_nonblocking(true).unwrap();
    let came = bridge.accept().map(drop).map_err(|e| e.kind());
    assert_eq!(came, Err(ErrorKind::WouldBlock));
}

fn refusal(opened: Result<Client, KeyStoreError>) -> String {
    opened.err().unwrap().to_string()
}

#[test]
fn whoever_is_no_caller_is_told_so_and_never_reaches_the_bridge() {
    let mut stage = Stage::build();
    stage.callers.push_str(
        "[[gate.caller]]\nname = 'other'\ndns_name = 'other.example'\nsocket = 'ca.sock'\n",
    );
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let tls = stage.path("tls");
    let stranger = Authority::new("another authority");
    // Of the same name as the gate's own, with another key.
    let namesake = Authority::new("test authority");
    let usual = Wanted::default();
    let own = |title: &str, wanted: Wanted| stage.client_files(title, &wanted);
    let cases: Vec<(Files, &str, &str)> = vec![
        (
            stranger.issue(&usual).write(&tls, "stranger", &[]),
            "unknown ca",
            "unable to get local issuer certificate",
        ),
        (
            namesake.issue(&usual).write(&tls, "namesake", &[]),
            "decrypt error",
            "certificate signature failure",
        ),
        (
            own(
                "expired",
                Wanted {
                    expired: true,
                    ..usual.clone()
                },
            ),
            "certificate expired",
            "certificate has expired",
        ),
        (
            own(
                "server",
                Wanted {
                    client: false,
                    server: true,
                    ..usual.clone()
                },
            ),
            "unsupported certificate",
            "certificate purpose",
        ),
        (
            own(
                "any",
                Wanted {
                    client: false,
                    ..usual.clone()
                },
            ),
            "not permitted",
            "not one for clients",
        ),
        (
            own(
                "unknown",
                Wanted {
                    dns: vec!["unknown.example"],
                    ..usual.clone()
                },
            ),
            "not permitted",
            "names no caller",
        ),
        (
            own(
                "wildcard",
                Wanted {
                    dns: vec!["*.example"],
                    ..usual.clone()
                },
            ),
            "not permitted",
            "names no caller",
        ),
        (
            own(
                "both",
                Wanted {
                    dns: vec!["remote.example", "other.example"],
                    ..usual.clone()
                },
            ),
            "not permitted",
            "names both",
        ),
    ];
    for (files, told, logged) in cases {
        let began = Instant::now();
        let said = refusal(open(stage.remote(gate.address, &files)));
        assert!(said.contains(told), "{told}: {said}");
        // Told at once, not tried again until the deadline.
        assert!(began.elapsed() < PATIENCE / 4, "{told}");
        gate.says(logged);
    }
    untouched(&bridge);
}

#[test]
fn no_certificate_older_tls_and_another_protocol_are_refused() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());

    let mut none = shake(gate.address, context(None)).unwrap();
    let error = none.read(&mut [0]).unwrap_err().to_string();
    assert!(error.contains("certificate required"), "{error}");
    gate.says("peer did not return a certificate");

    let mut older = context(Some(&files));
    older
        .set_max_proto_version(Some(SslVersion::TLS1_2))
        .unwrap();
    let error = shake(gate.address, older).unwrap_err();
    assert!(error.contains("protocol version"), "{error}");

    let mut other = context(Some(&files));
    other.set_alpn_protos(b"\x02h2").unwrap();
    let error = shake(gate.address, other).unwrap_err();
    assert!(error.contains("no application protocol"), "{error}");

    let mut silent = context(Some(&files));
    silent.set_alpn_protos(b"\x0dromduol-hsm/1").unwrap();
    assert!(shake(gate.address, silent).is_err());

    // Without any, the handshake is sound, and the refusal a frame.
    let mut without =
        openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls_client()).unwrap();
    without
        .set_certificate_chain_file(&files.certificate)
        .unwrap();
    without
        .set_private_key_file(&files.key, openssl::ssl::SslFiletype::PEM)
        .unwrap();
    let mut without = shake(gate.address, without).unwrap();
    without.write_all(&attach(1)).unwrap();
    let reply = read_frame(&mut without).unwrap();
    assert_eq!(reply[..9], [2, 0, 0, 0, 0, 0, 0, 0, 0]);
    gate.says("ALPN");
    untouched(&bridge);
}

#[test]
fn what_a_list_revokes_is_refused_and_a_list_must_be_current() {
    let mut stage = Stage::build();
    let issuing = stage.authority.below("issuing");
    let tls = stage.path("tls");
    std::fs::write(
        tls.join("issuing.crl"),
        issuing.list(&[9], true).to_der().unwrap(),
    )
    .unwrap();
    std::fs::write(
        tls.join("root.crl"),
        stage.authority.list(&[], true).to_pem().unwrap(),
    )
    .unwrap();
    stage.settings = "client_crl = ['tls/issuing.crl', 'tls/root.crl']".to_owned();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let write = |title: &str, serial| {
        let wanted = Wanted {
            serial,
            ..Wanted::default()
        };
        issuing
            .issue(&wanted)
            .write(&tls, title, &[&issuing.certificate])
    };
    let (good, revoked) = (write("good", 8), write("revoked", 9));
    let said = refusal(open(stage.remote(gate.address, &revoked)));
    assert!(said.contains("certificate revoked"), "{said}");
    untouched(&bridge);
    bridge.set_nonblocking(false).unwrap();
    std::thread::scope(|scope| {
        let greeted = scope.spawn(|| crate::stage::greet(&bridge));
        open(stage.remote(gate.address, &good)).unwrap();
        greeted.join().unwrap();
    });

    // The issuing authority itself is revoked by the root.
    crate::pki::replace(
        &tls.join("root.crl"),
        &stage.authority.list(&[2], true).to_pem().unwrap(),
        0o644,
    );
    gate.says("read anew");
    let said = refusal(open(stage.remote(gate.address, &good)));
    assert!(said.contains("certificate revoked"), "{said}");

    crate::pki::replace(
        &tls.join("root.crl"),
        &stage.authority.list(&[], true).to_pem().unwrap(),
        0o644,
    );
    crate::pki::replace(
        &tls.join("issuing.crl"),
        &issuing.list(&[], false).to_der().unwrap(),
        0o644,
    );
    gate.says("read anew");
    let said = refusal(open(stage.remote(gate.address, &good)));
    assert!(said.contains("refused the handshake"), "{said}");
    gate.says("CRL has expired");
    untouched(&bridge);
}

#[test]
fn a_client_trusts_only_the_gate_that_it_names() {
    let stage = Stage::build();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let remote = stage.remote(gate.address, &files);
    let mut elsewhere = remote.clone();
    elsewhere.server_name = "other.example".to_owned();
    let said = refusal(open(elsewhere));
    assert!(said.to_lowercase().contains("hostname mismatch"), "{said}");

    let mut by_address = remote.clone();
    by_address.server_name = "127.0.0.2".to_owned();
    let said = refusal(open(by_address));
    assert!(said.contains("IP address mismatch"), "{said}");

    let stranger = Authority::new("another");
    std::fs::write(
        stage.path("tls/other.pem"),
        stranger.certificate.to_pem().unwrap(),
    )
    .unwrap();
    let mut untrusting = remote.clone();
    untrusting.server_ca = stage.path("tls/other.pem");
    let said = refusal(open(untrusting));
    assert!(said.contains("is not accepted"), "{said}");

    crate::support::set_mode(&files.key, 0o640);
    let said = refusal(open(remote.clone()));
    assert!(said.contains("has mode 0640"), "{said}");

    let other = server(&stage.authority, 5).write(&stage.path("tls"), "pair", &[]);
    let mut mixed = remote;
    mixed.key = other.key;
    let said = refusal(open(mixed));
    assert!(said.contains("is not the key of"), "{said}");
}

#[test]
fn a_gate_with_unclear_settings_does_not_start_and_says_why() {
    let mut stage = Stage::build();
    let first = stage.callers.clone();
    let run = |stage: &Stage| {
        stage.configure();
        let ended = stage
            .house
            .run("gate", &["--log", "off", "--config", "gate.toml"]);
        assert_eq!(ended.status.code(), Some(78), "{ended:?}");
        String::from_utf8(ended.stderr).unwrap()
    };
    stage.callers = format!(
        "{first}{}",
        first.replace("'ca'", "'twin'").replace("Remote", "REMOTE")
    );
    let said = run(&stage);
    assert!(
        said.contains("both 'ca' and 'twin'") && said.lines().count() == 1,
        "{said}"
    );
    stage.callers = first;
    crate::support::set_mode(&stage.gate.key, 0o644);
    let said = run(&stage);
    assert!(said.contains("key file") && said.contains("0644"), "{said}");
    crate::support::set_mode(&stage.gate.key, 0o600);
    std::fs::write(stage.path("tls/ca.pem"), "nothing").unwrap();
    assert!(run(&stage).contains("holds no certificate"));
}
