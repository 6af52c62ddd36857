//! The `openssl` program as an outside judge of the handshake.

use std::process::{Command, Output, Stdio};

use crate::pki::Wanted;
use crate::stage::{Gate, Stage};

/// A handshake of `openssl s_client` that says nothing after it.
fn s_client(stage: &Stage, gate: &Gate, more: &[&str]) -> Output {
    Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &gate.address.to_string(),
            "-CAfile",
            "tls/ca.pem",
        ])
        .args([
            "-verify_hostname",
            "gate.example",
            "-verify_return_error",
            "-ign_eof",
        ])
        .args(more)
        .current_dir(stage.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn openssl_sees_tls_13_a_sound_certificate_no_ticket_and_the_refusals() {
    let mut stage = Stage::build();
    stage.settings = "handshake_limit_ms = 500".to_owned();
    let gate = stage.open();
    stage.client_files("client", &Wanted::default());
    let own = [
        "-cert",
        "tls/client.pem",
        "-key",
        "tls/client.key",
        "-alpn",
        "romduol-hsm/2",
    ];
    let text = |output: &Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let said = text(&s_client(&stage, &gate, &own));
    for word in [
        "TLSv1.3",
        "ALPN protocol: romduol-hsm/2",
        "Verification: OK",
        "Verified peername: gate.example",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("New Session Ticket"), "{said}");
    assert!(!said.contains("alert"), "{said}");

    let said = text(&s_client(&stage, &gate, &["-alpn", "romduol-hsm/2"]));
    assert!(said.contains("alert certificate required"), "{said}");

    let mut older = own.to_vec();
    older.push("-tls1_2");
    let refused = s_client(&stage, &gate, &older);
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("alert protocol version"),
        "{}",
        text(&refused)
    );
}
