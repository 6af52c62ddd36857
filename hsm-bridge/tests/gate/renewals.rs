//! Certificates and trust change under a running gate and a running client.

use hsm_bridge::Health as _;

use crate::pki::{Wanted, replace};
use crate::stage::{Stage, context, greet, open, server, shake};

/// The serial number that the gate shows.
fn shown(address: std::net::SocketAddr) -> u32 {
    let stream = shake(address, context(None)).unwrap();
    let certificate = stream.ssl().peer_certificate().unwrap();
    let serial = certificate.serial_number().to_bn().unwrap();
    serial.to_dec_str().unwrap().parse().unwrap()
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_an_unusable_one_is_not() {
    let stage = Stage::build();
    let gate = stage.open();
    assert_eq!(shown(gate.address), 3);
    server(&stage.authority, 4).write(&stage.path("tls"), "gate", &[]);
    gate.says("read anew");
    assert_eq!(shown(gate.address), 4);
    // A certificate without its key.
    let other = server(&stage.authority, 5);
    replace(
        &stage.gate.certificate,
        &other.certificate.to_pem().unwrap(),
        0o644,
    );
    gate.says("is not the key of");
    assert_eq!(shown(gate.address), 4);
    replace(
        &stage.gate.key,
        &other.key.private_key_to_pem_pkcs8().unwrap(),
        0o600,
    );
    gate.says("read anew");
    assert_eq!(shown(gate.address), 5);
}

#[test]
fn a_client_shows_its_renewed_certificate_on_its_next_connection() {
    let stage = Stage::build();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let gate = stage.open();
    let files = stage.client_files(
        "client",
        &Wanted {
            expired: true,
            ..Wanted::default()
        },
    );
    let remote = stage.remote(gate.address, &files);
    assert!(open(remote.clone()).is_err());
    stage.client_files("client", &Wanted::default());
    let client = open(remote).unwrap();
    client.health().unwrap();
    // A broken renewal is not taken into use.
    replace(&files.certificate, b"nothing", 0o644);
    client.health().unwrap();
    // Nor when a new connection is needed.
    let (gate, address) = (gate.process, gate.address);
    gate.kill();
    let again = Stage {
        listen: address,
        ..stage
    };
    let gate = again.open();
    client.health().unwrap();
    drop((daemon, gate));
}

#[test]
fn a_connection_ends_when_its_certificate_is_revoked_and_others_stay() {
    let mut stage = Stage::build();
    let list = stage.path("tls/ca.crl");
    std::fs::write(&list, stage.authority.list(&[], true).to_pem().unwrap()).unwrap();
    stage.settings = "client_crl = ['tls/ca.crl']".to_owned();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let connect = |title: &str, serial| {
        let files = stage.client_files(
            title,
            &Wanted {
                serial,
                ..Wanted::default()
            },
        );
        let mut client = shake(gate.address, context(Some(&files))).unwrap();
        std::io::Write::write_all(&mut client, &crate::stage::attach(1)).unwrap();
        let served = greet(&bridge);
        crate::stage::read_frame(&mut client).unwrap();
        (client, served)
    };
    let (_client, mut stays) = connect("stays", 8);
    let (_revoked, mut ends) = connect("ends", 9);
    replace(
        &list,
        &stage.authority.list(&[9], true).to_pem().unwrap(),
        0o644,
    );
    gate.says("no longer admitted");
    assert_eq!(std::io::Read::read(&mut ends, &mut [0]).unwrap(), 0);
    stays.set_nonblocking(true).unwrap();
    let found = std::io::Read::read(&mut stays, &mut [0]).map_err(|e| e.kind());
    assert_eq!(found, Err(std::io::ErrorKind::WouldBlock));
}
