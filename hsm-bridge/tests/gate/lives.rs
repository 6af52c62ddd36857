//! How long a connection that was admitted lives, and how many there may be.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use hsm_bridge::KeyStoreError;
use openssl::ssl::SslStream;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::pki::{Authority, Files, Wanted, replace, weak_key};
use crate::stage::{Gate, PATIENCE, Stage, attach, context, greet, open, read_frame, shake, tcp};

/// A certificate that ends in so many seconds; its time is in whole ones.
const LASTS_S: i64 = 3;
/// How much later than its certificate a connection may end: a second that was begun, and what a busy machine takes.
const GRACE: Duration = Duration::from_secs(3);

/// A connection of a client, and the bridge's end of it.
fn attached(
    gate: &Gate,
    bridge: &UnixListener,
    files: &Files,
) -> (SslStream<TcpStream>, UnixStream) {
    let mut client = shake(gate.address, context(Some(files))).unwrap();
    client.write_all(&attach(1)).unwrap();
    let served = greet(bridge);
    read_frame(&mut client).unwrap();
    (client, served)
}

/// Nothing has ended it.
fn goes_on(served: &mut UnixStream) {
    served.set_nonblocking(true).unwrap();
    let found = served.read(&mut [0]).map_err(|e| e.kind());
    assert_eq!(found, Err(ErrorKind::WouldBlock));
}

#[test]
fn a_connection_ends_with_its_certificate_and_what_was_asked_is_answered() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let short = Wanted {
        lasts: Some(LASTS_S),
        ..Wanted::default()
    };
    let (_stays, mut others) = attached(
        &gate,
        &bridge,
        &stage.client_files("stays", &Wanted::default()),
    );
    let began = Instant::now();
    let (mut client, mut served) = attached(&gate, &bridge, &stage.client_files("short", &short));
    client.write_all(b"question").unwrap();
    let mut question = [0; 8];
    served.read_exact(&mut question).unwrap();
    assert_eq!(served.read(&mut [0]).unwrap(), 0);
    let lived = began.elapsed();
    let whole = Duration::from_secs(LASTS_S.unsigned_abs());
    assert!(
        lived + Duration::from_secs(1) >= whole && lived <= whole + GRACE,
        "{lived:?}"
    );
    served.write_all(b"answer").unwrap();
    drop(served);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
    goes_on(&mut others);
}

#[test]
fn a_connection_ends_with_the_authority_above_its_certificate() {
    let stage = Stage::build();
    let issuing = stage.authority.below_for("issuing", LASTS_S);
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = issuing.issue(&Wanted::default()).write(
        &stage.path("tls"),
        "below",
        &[&issuing.certificate],
    );
    let began = Instant::now();
    let (_client, mut served) = attached(&gate, &bridge, &files);
    assert_eq!(served.read(&mut [0]).unwrap(), 0);
    assert!(began.elapsed() <= Duration::from_secs(LASTS_S.unsigned_abs()) + GRACE);
}

#[test]
fn each_list_of_a_file_ends_the_connections_of_those_it_names() {
    let mut stage = Stage::build();
    let other = Authority::new("other authority");
    let both = [&stage.authority, &other].map(|it| it.certificate.to_pem().unwrap());
    std::fs::write(stage.path("tls/ca.pem"), both.concat()).unwrap();
    let lists = |revoked: &[u32]| {
        let each = [stage.authority.list(&[], true), other.list(revoked, true)];
        each.map(|it| it.to_pem().unwrap()).concat()
    };
    std::fs::write(stage.path("tls/all.crl"), lists(&[])).unwrap();
    let of_other = other
        .issue(&Wanted::default())
        .write(&stage.path("tls"), "other", &[]);
    let revoked = lists(&[Wanted::default().serial]);
    stage.settings = "client_crl = ['tls/all.crl']".to_owned();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    // Of the same number, from the authority that has revoked nothing.
    let (_stays, mut stays) = attached(
        &gate,
        &bridge,
        &stage.client_files("stays", &Wanted::default()),
    );
    let (_ends, mut ends) = attached(&gate, &bridge, &of_other);
    replace(&stage.path("tls/all.crl"), &revoked, 0o644);
    let began = Instant::now();
    assert_eq!(ends.read(&mut [0]).unwrap(), 0);
    // Files are looked at every two seconds.
    assert!(began.elapsed() <= Duration::from_secs(2) + GRACE);
    goes_on(&mut stays);
    assert!(
        shake(gate.address, context(Some(&of_other)))
            .is_ok_and(|mut it| it.read(&mut [0]).is_err())
    );
}

#[test]
fn one_caller_does_not_take_the_places_of_the_others() {
    let mut stage = Stage::build();
    stage.settings = "max_connections = 3\nmax_connections_each = 2".to_owned();
    stage
        .callers
        .push_str("[[gate.caller]]\nname = 'idp'\ndns_name = 'idp.example'\nsocket = 'ca.sock'\n");
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let ca = stage.client_files("ca-client", &Wanted::default());
    let idp = stage.client_files(
        "idp-client",
        &Wanted {
            dns: vec!["idp.example"],
            ..Wanted::default()
        },
    );
    let (first, first_served) = attached(&gate, &bridge, &ca);
    let _second = attached(&gate, &bridge, &ca);
    let third = open(stage.remote(gate.address, &ca));
    assert!(matches!(third, Err(KeyStoreError::Busy(_))));
    let _of_other = attached(&gate, &bridge, &idp);
    let beyond = open(stage.remote(gate.address, &idp));
    assert!(matches!(beyond, Err(KeyStoreError::Busy(_))));
    // A place that is left is free for its caller.
    drop((first, first_served));
    gate.says("connection ended");
    let _again = attached(&gate, &bridge, &ca);
}

/// A connection from an address of this host, on which nothing is said.
fn silent(from: u8, to: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn silence_from_one_address_leaves_room_for_others_and_from_everywhere_for_those_who_came_before() {
    let mut stage = Stage::build();
    stage.settings = "handshake_limit_ms = 8000".to_owned();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let (mut before, mut served) = attached(&gate, &bridge, &files);
    let began = Instant::now();
    let mut kept: Vec<_> = (0..32).map(|_| silent(7, gate.address)).collect();
    // One more is closed at once, before any handshake.
    assert!(matches!(
        silent(7, gate.address).read(&mut [0]),
        Ok(0) | Err(_)
    ));
    let _other = attached(&gate, &bridge, &files);
    for from in [8, 9, 10] {
        kept.extend((0..32).map(|_| silent(from, gate.address)));
    }
    assert!(matches!(
        silent(11, gate.address).read(&mut [0]),
        Ok(0) | Err(_)
    ));
    assert!(
        tcp(gate.address)
            .read(&mut [0])
            .is_ok_and(|count| count == 0)
    );
    before.write_all(b"still here").unwrap();
    let mut heard = [0; 10];
    served.read_exact(&mut heard).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the silent are still there"
    );
    // Their time is over, and new ones come in.
    for stream in &mut kept {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert!(began.elapsed() >= Duration::from_secs(7));
    let _again = attached(&gate, &bridge, &files);
}

#[test]
fn a_key_that_is_too_short_is_refused_whatever_the_system_allows() {
    let stage = Stage::build();
    let lax = stage.path("openssl.cnf");
    std::fs::write(
        &lax,
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = lax\n[lax]\nCipherString = DEFAULT@SECLEVEL=0\n",
    )
    .unwrap();
    let bridge = stage.play_bridge();
    let gate = stage.open_with(&[("OPENSSL_CONF", lax.as_os_str())]);
    let weak = stage
        .authority
        .certify(&Wanted::default(), weak_key())
        .write(&stage.path("tls"), "weak", &[]);
    let mut own = context(None);
    own.set_security_level(0);
    own.set_certificate_chain_file(&weak.certificate).unwrap();
    own.set_private_key_file(&weak.key, openssl::ssl::SslFiletype::PEM)
        .unwrap();
    let mut client = shake(gate.address, own).unwrap();
    assert!(client.read(&mut [0]).is_err());
    gate.says("key too weak");
    bridge.set_nonblocking(true).unwrap();
    assert!(bridge.accept().is_err());
}
