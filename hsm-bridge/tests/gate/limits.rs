//! A peer that dawdles, floods or comes too often costs the others nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use hsm_bridge::Health as _;
use hsm_bridge::KeyStoreError;
use hsm_bridge::client::{Client, ClientOptions, Transport};

use crate::pki::Wanted;
use crate::stage::{PATIENCE, Stage, attach, context, greet, open, read_frame, shake, tcp};

/// Whether the other side has closed it, however it did.
fn is_closed(found: &std::io::Result<usize>) -> bool {
    match found {
        Ok(count) => *count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn more_connections_than_are_allowed_are_told_so_and_a_place_that_is_left_is_free() {
    let mut stage = Stage::build();
    stage.settings = "max_connections = 2".to_owned();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let remote = stage.remote(gate.address, &files);
    let kept: Vec<Client> = (0..2).map(|_| open(remote.clone()).unwrap()).collect();
    for _ in 0..40 {
        assert!(matches!(open(remote.clone()), Err(KeyStoreError::Busy(_))));
    }
    for client in &kept {
        client.health().unwrap();
    }
    drop(kept);
    let deadline = Instant::now() + PATIENCE;
    // The gate notes the end of a connection in its own time.
    while open(remote.clone()).is_err() {
        assert!(Instant::now() < deadline);
    }
    drop(daemon);
}

#[test]
fn those_who_dawdle_are_cut_off_and_hold_nobody_up() {
    let mut stage = Stage::build();
    stage.settings = "handshake_limit_ms = 1500".to_owned();
    let daemon = stage.house.serve();
    drop(stage.house.client("ca"));
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let mut silent: Vec<_> = (0..20).map(|_| tcp(gate.address)).collect();
    let mut dripping = tcp(gate.address);
    let mut mute = shake(gate.address, context(Some(&files))).unwrap();
    let mut slow = shake(gate.address, context(Some(&files))).unwrap();
    slow.write_all(&attach(1)[..3]).unwrap();
    let began = Instant::now();
    open(stage.remote(gate.address, &files))
        .unwrap()
        .health()
        .unwrap();
    assert!(began.elapsed() < Duration::from_millis(1_400));
    // A byte now and then buys no time: a record of a handshake that never is whole.
    dripping
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    for byte in [22, 3, 1, 1, 0].into_iter().chain(std::iter::repeat(1)) {
        if dripping.write_all(&[byte]).is_err() || is_closed(&dripping.read(&mut [0])) {
            break;
        }
        assert!(began.elapsed() < PATIENCE);
    }
    for stream in &mut silent {
        assert!(is_closed(&stream.read(&mut [0])));
    }
    // Those who shook hands are told.
    for stream in [&mut mute, &mut slow] {
        let reply = read_frame(stream).unwrap();
        assert_eq!(reply[1..9], [0; 8]);
    }
    gate.says("did not say what it is for");
    drop(daemon);
}

#[test]
fn a_first_request_that_is_too_long_never_reaches_the_bridge() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let mut client = shake(gate.address, context(Some(&files))).unwrap();
    client.write_all(&2_000_u32.to_be_bytes()).unwrap();
    let reply = read_frame(&mut client).unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("too long"));
    bridge.set_nonblocking(true).unwrap();
    assert_eq!(
        bridge.accept().map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::WouldBlock)
    );
}

/// Writes until the other side takes no more for a while.
fn pour(stream: &mut std::os::unix::net::UnixStream) -> usize {
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let bytes = vec![0; 64 * 1024];
    let mut poured = 0;
    while poured < 256 << 20 {
        match stream.write(&bytes) {
            Ok(count) => poured += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    poured
}

#[test]
fn a_client_that_does_not_read_slows_the_bridge_down_and_fills_no_memory() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let mut client = shake(gate.address, context(Some(&files))).unwrap();
    client.write_all(&attach(1)).unwrap();
    let mut served = greet(&bridge);
    let poured = pour(&mut served);
    // What sockets hold, and 32 KiB of the gate's own.
    assert!(poured < 16 << 20, "{poured}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.process.0.id())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resident: usize = resident.split_whitespace().next().unwrap().parse().unwrap();
    assert!(resident < 64 * 1024, "{resident} KiB");
    drop(served);
    // All of it still arrives when it is asked for.
    read_frame(&mut client).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), poured);
}

#[test]
fn a_bridge_that_is_away_is_waited_for_until_the_deadline() {
    let stage = Stage::build();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let remote = stage.remote(gate.address, &files);
    let options = ClientOptions {
        deadline: Duration::from_millis(400),
        ..ClientOptions::default()
    };
    let said = Client::open(Transport::Tls(remote.clone()), options)
        .err()
        .unwrap();
    assert!(matches!(said, KeyStoreError::TokenUnavailable(_)), "{said}");
    gate.says("the bridge cannot be reached");
    let opening = std::thread::spawn(move || open(remote).map(drop));
    gate.says("the bridge cannot be reached");
    let bridge: UnixListener = stage.play_bridge();
    let _served = greet(&bridge);
    assert_eq!(opening.join().unwrap(), Ok(()));
}
