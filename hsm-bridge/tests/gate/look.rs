//! `hsm-bridge gate --check`: what it says of a gate that would work, and of each that would not.

use crate::pki::{Authority, Wanted};
use crate::stage::{Stage, server};
use crate::support::set_mode;

/// Exit status and words.
fn look(stage: &Stage) -> (i32, String) {
    stage.configure();
    let ended = stage.house.run(
        "gate",
        &["--check", "--log", "off", "--config", "gate.toml"],
    );
    let said = String::from_utf8(ended.stdout).unwrap();
    (ended.status.code().unwrap(), said)
}

/// One line of those, without what its standing is.
fn line<'a>(said: &'a str, standing: &str, words: &str) -> &'a str {
    let found = said.lines().find(|line| line.contains(words));
    let found = found.unwrap_or_else(|| panic!("'{words}' in {said}"));
    assert!(
        found.starts_with(&format!("hsm-bridge: {standing}")),
        "{found}"
    );
    found
}

#[test]
fn a_gate_that_would_work_is_described() {
    let mut stage = Stage::build();
    let list = stage.authority.list(&[5, 6], true);
    std::fs::write(stage.path("tls/ca.crl"), list.to_pem().unwrap()).unwrap();
    stage.settings = "client_crl = ['tls/ca.crl']".to_owned();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let (status, said) = look(&stage);
    assert_eq!(status, 0, "{said}");
    let own = line(&said, "ok", "is for gate.example");
    assert!(own.contains("127.0.0.1"), "{own}");
    line(&said, "ok", "tls/gate.pem ends at");
    line(&said, "ok", "tls/gate.key is its key");
    line(
        &said,
        "ok",
        "the authority of clients 'CN=test authority' ends at",
    );
    line(&said, "ok", "with 2 entries");
    let caller = line(
        &said,
        "ok",
        "'ca', whose certificate has the DNS name Remote.Example",
    );
    assert!(caller.contains("ca.sock, which answers"), "{caller}");
    assert!(said.ends_with("everything is in place\n"), "{said}");
    // It may be asked of a gate that runs, and disturbs none.
    let gate = stage.open();
    stage.listen = gate.address;
    let (status, said) = look(&stage);
    assert_eq!(status, 0, "{said}");
    line(&said, "ok", "somebody listens");
    drop(stage.client(&gate));
    drop(daemon);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    // No names, and for clients.
    stage
        .authority
        .issue(&Wanted {
            dns: vec![],
            expired: true,
            ..Wanted::default()
        })
        .write(&stage.path("tls"), "gate", &[]);
    set_mode(&stage.gate.key, 0o640);
    stage.settings = "client_crl = ['tls/other.crl']".to_owned();
    let other = Authority::new("other authority");
    let list = other.list(&[], false);
    std::fs::write(stage.path("tls/other.crl"), list.to_der().unwrap()).unwrap();
    stage
        .callers
        .push_str("[[gate.caller]]\nname = 'idp'\nuri = 'urn:idp'\nsocket = 'nowhere/idp.sock'\n");
    let (status, said) = look(&stage);
    assert_eq!(status, 1, "{said}");
    for words in [
        "no DNS name or IP address",
        "is not one for servers",
        "tls/gate.pem ended at",
        "has mode 0640",
        "of none in client_ca",
        "no revocation list of 'CN=test authority'",
        "'idp', whose certificate has the URI urn:idp",
    ] {
        let standing = if words.starts_with("of none") {
            "ok"
        } else {
            "WRONG"
        };
        line(&said, standing, words);
    }
    line(
        &said,
        "WRONG",
        "'CN=other authority', with 0 entries, ended at",
    );
    line(&said, "ok", "ca.sock, which answers");
    assert!(said.ends_with("7 things are wrong\n"), "{said}");
    drop(daemon);
}

#[test]
fn what_ends_soon_and_what_is_not_looked_at_is_said_and_is_not_wrong() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    stage
        .authority
        .issue(&Wanted {
            dns: vec!["gate.example"],
            client: false,
            server: true,
            lasts: Some(3_600),
            ..Wanted::default()
        })
        .write(&stage.path("tls"), "gate", &[]);
    let (status, said) = look(&stage);
    assert_eq!(status, 0, "{said}");
    line(&said, "SOON", "in 0 days: renew it");
    line(&said, "SOON", "client_crl names no list");
    drop(daemon);
}

#[test]
fn a_list_and_a_key_of_another_are_noticed_and_a_socket_of_another_user() {
    let mut stage = Stage::build();
    stage.house.configure("", "uid = 4711");
    let daemon = stage.house.serve();
    drop(stage.house.client("idp"));
    let namesake = Authority::new("test authority");
    std::fs::write(
        stage.path("tls/ca.crl"),
        namesake.list(&[], true).to_pem().unwrap(),
    )
    .unwrap();
    stage.settings = "client_crl = ['tls/ca.crl']".to_owned();
    let other = server(&stage.authority, 9).write(&stage.path("tls"), "other", &[]);
    std::fs::rename(other.key, &stage.gate.key).unwrap();
    let (status, said) = look(&stage);
    assert_eq!(status, 1, "{said}");
    line(&said, "WRONG", "is not signed by it");
    line(&said, "WRONG", "is not the key of tls/gate.pem");
    line(&said, "WRONG", "the setting `uid` of the socket");
    drop(daemon);
}
