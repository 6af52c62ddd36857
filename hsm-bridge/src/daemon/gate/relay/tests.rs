use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslMode, SslStream};
use openssl::x509::X509;

use super::*;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

/// Both ends of a TLS connection, the first as a relay has it.
fn pair() -> (Tls, SslStream<TcpStream>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut own = X509::builder().unwrap();
    own.set_pubkey(&key).unwrap();
    own.set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    own.set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    own.sign(&key, MessageDigest::sha256()).unwrap();
    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    context.set_certificate(&own.build()).unwrap();
    context.set_private_key(&key).unwrap();
    context.set_num_tickets(0).unwrap();
    context.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE);
    let context = context.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (here, _) = listener.accept().unwrap();
    there.set_read_timeout(Some(PATIENCE)).unwrap();
    peer::prepare(&here).unwrap();
    std::thread::scope(|scope| {
        let accepted =
            scope.spawn(|| peer::accept(&context, here, Instant::now() + PATIENCE).unwrap());
        let plain = SslContext::builder(SslMethod::tls_client())
            .unwrap()
            .build();
        let client = Ssl::new(&plain).unwrap().connect(there).unwrap();
        (accepted.join().unwrap(), client)
    })
}

struct Scene {
    client: SslStream<TcpStream>,
    bridge: UnixStream,
    order: std::sync::Arc<Order>,
    running: JoinHandle<Result<(), Why>>,
}

fn begin(limits: Limits) -> Scene {
    let (tls, client) = pair();
    let (inner, bridge) = UnixStream::pair().unwrap();
    inner.set_nonblocking(true).unwrap();
    bridge.set_read_timeout(Some(PATIENCE)).unwrap();
    let order = std::sync::Arc::new(Order::new().unwrap());
    let given = std::sync::Arc::clone(&order);
    let running =
        std::thread::spawn(move || Relay::new(tls, inner, Pipe::new()).run(&given, limits));
    Scene {
        client,
        bridge,
        order,
        running,
    }
}

fn limits() -> Limits {
    Limits::new(PATIENCE, Instant::now() + PATIENCE)
}

#[test]
fn the_limits_in_service_are_those_that_are_written_down() {
    let limits = limits();
    assert_eq!(limits.answers, Duration::from_mins(1));
    // RFC 8446 §5.5: 2^24.5 records.
    assert!(limits.records <= 23_726_566 && limits.records > 1 << 20);
}

#[test]
fn a_connection_on_which_nothing_moves_is_ended_on_both_sides() {
    let began = Instant::now();
    let mut scene = begin(Limits {
        idle: SHORT,
        ..limits()
    });
    assert_eq!(scene.bridge.read(&mut [0]).unwrap(), 0);
    assert!(began.elapsed() >= SHORT);
    drop(scene.bridge);
    // A farewell, not only an end.
    assert_eq!(
        scene.client.ssl_read(&mut [0]).unwrap_err().code(),
        ErrorCode::ZERO_RETURN
    );
    drop(scene.client);
    assert_eq!(scene.running.join().unwrap(), Ok(()));
}

#[test]
fn what_moves_keeps_it_open_and_what_was_asked_before_it_fell_idle_is_answered() {
    let mut scene = begin(Limits {
        idle: SHORT,
        ..limits()
    });
    let began = Instant::now();
    let mut byte = [0];
    // For longer than may pass without anything.
    while began.elapsed() < SHORT * 3 {
        scene.client.write_all(b"?").unwrap();
        scene.bridge.read_exact(&mut byte).unwrap();
        scene.bridge.write_all(b"!").unwrap();
        scene.client.read_exact(&mut byte).unwrap();
    }
    scene.client.write_all(b"?").unwrap();
    scene.bridge.read_exact(&mut byte).unwrap();
    assert_eq!(scene.bridge.read(&mut byte).unwrap(), 0);
    scene.bridge.write_all(b"late").unwrap();
    drop(scene.bridge);
    let mut answer = String::new();
    scene.client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "late");
    drop(scene.client);
    assert_eq!(scene.running.join().unwrap(), Ok(()));
}

#[test]
fn a_bridge_that_never_answers_does_not_keep_a_connection_that_is_to_end() {
    let scene = begin(Limits {
        answers: SHORT,
        ..limits()
    });
    let began = Instant::now();
    scene.order.give();
    let said = scene.running.join().unwrap().unwrap_err();
    assert!(said.contains("not answered in time"), "{said}");
    assert!((SHORT..PATIENCE / 2).contains(&began.elapsed()));
}

#[test]
fn answers_without_an_end_do_not_keep_it_either() {
    let mut scene = begin(Limits {
        answers: SHORT,
        ..limits()
    });
    let mut bridge = scene.bridge.try_clone().unwrap();
    let pouring = std::thread::spawn(move || while bridge.write_all(&[7; 1024]).is_ok() {});
    scene.client.read_exact(&mut [0; 4096]).unwrap();
    let began = Instant::now();
    scene.order.give();
    while scene
        .client
        .read(&mut [0; 4096])
        .is_ok_and(|count| count > 0)
    {
        assert!(began.elapsed() < PATIENCE / 2);
    }
    let said = scene.running.join().unwrap().unwrap_err();
    assert!(said.contains("not answered in time"), "{said}");
    pouring.join().unwrap();
}

#[test]
fn a_connection_ends_before_its_keys_have_protected_too_many_records() {
    let mut scene = begin(Limits {
        records: 3,
        ..limits()
    });
    let mut byte = [0];
    for _ in 0..3 {
        scene.client.write_all(b"?").unwrap();
        scene.bridge.read_exact(&mut byte).unwrap();
    }
    assert_eq!(scene.bridge.read(&mut byte).unwrap(), 0);
    drop(scene.bridge);
    assert_eq!(scene.client.read(&mut byte).unwrap(), 0);
    drop(scene.client);
    assert_eq!(scene.running.join().unwrap(), Ok(()));
    // And in the other direction, where nothing is asked.
    let mut scene = begin(Limits {
        records: 3,
        ..limits()
    });
    for _ in 0..3 {
        scene.bridge.write_all(b"!").unwrap();
        scene.client.read_exact(&mut byte).unwrap();
    }
    assert_eq!(scene.bridge.read(&mut byte).unwrap(), 0);
}
