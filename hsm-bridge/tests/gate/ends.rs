//! How connections end: on either side, half, by order, and when the gate is killed.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use hsm_bridge::client::Client;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore as _, KeyStoreError};
use rustix::process::{Pid, Signal, kill_process};

use crate::pki::Wanted;
use crate::stage::{Stage, attach, context, greet, open, read_frame, shake};

/// A client and the bridge's end of its first connection.
fn connected(
    stage: &Stage,
    gate: &crate::stage::Gate,
    bridge: &UnixListener,
) -> (Client, UnixStream) {
    let files = stage.client_files("client", &Wanted::default());
    let remote = stage.remote(gate.address, &files);
    std::thread::scope(|scope| {
        let served = scope.spawn(|| greet(bridge));
        (open(remote).unwrap(), served.join().unwrap())
    })
}

#[test]
fn a_kill_in_the_middle_of_making_a_key_leaves_its_outcome_unknown() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let (client, first) = connected(&stage, &gate, &bridge);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let label = KeyLabel::parse("sign/one").unwrap();
            client.generate(&label, KeyAlgorithm::P256)
        });
        // A key whose route is not known yet gets a connection of its own.
        let mut served = greet(&bridge);
        let request = read_frame(&mut served).unwrap();
        assert_eq!(request[13], 4, "generate");
        gate.process.kill();
        assert_eq!(call.join().unwrap(), Err(KeyStoreError::OutcomeUnknown));
        // Nothing asks a second time, and the bridge sees the end.
        assert_eq!(served.read(&mut [0]).unwrap(), 0);
    });
    drop(first);
}

/// Reads a request and answers it with this result.
fn answer(served: &mut UnixStream, result: &[u8]) -> Vec<u8> {
    let request = read_frame(served).unwrap();
    let mut reply = vec![2];
    reply.extend(&request[1..9]);
    reply.extend(result);
    served.write_all(&crate::stage::frame(&reply)).unwrap();
    request
}

const MADE: [u8; 21] = [
    4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
];

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used_for_what_must_not_be_asked_twice() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let label = KeyLabel::parse("sign/one").unwrap();
    let (client, first) = connected(&stage, &gate, &bridge);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| client.find(&label));
        let mut second = greet(&bridge);
        answer(&mut second, &[2, 0]);
        assert_eq!(looking.join().unwrap(), Ok(None));
        // From now on the client knows which connections are for this key, and the bridge closes them.
        drop((first, second));
        for _ in 0..2 {
            gate.says("connection closed");
        }
        let making = scope.spawn(|| client.generate(&label, KeyAlgorithm::P256));
        let request = answer(&mut greet(&bridge), &MADE);
        assert_eq!(request[13], 4, "generate");
        assert_eq!(making.join().unwrap().unwrap().as_bytes(), &[9; 20]);
    });
}

#[test]
fn half_a_connection_ends_alone_and_what_was_asked_is_still_answered() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let mut client = shake(gate.address, context(Some(&files))).unwrap();
    client.write_all(&attach(1)).unwrap();
    client.shutdown().unwrap();
    let mut served = greet(&bridge);
    let mut rest = Vec::new();
    served.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    served.write_all(&vec![7; 100_000]).unwrap();
    drop(served);
    read_frame(&mut client).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, vec![7; 100_000]);
}

#[test]
fn a_side_that_disappears_ends_the_other() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let attached = || {
        let mut client = shake(gate.address, context(Some(&files))).unwrap();
        client.write_all(&attach(1)).unwrap();
        let served = greet(&bridge);
        read_frame(&mut client).unwrap();
        (client, served)
    };
    let (client, mut served) = attached();
    drop(client); // without a farewell
    assert_eq!(served.read(&mut [0]).unwrap(), 0);
    // Not by half, as after a farewell: nobody is there who would read an answer.
    let error = served.write_all(&[0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    let (mut client, served) = attached();
    drop(served);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_gate_that_is_stopped_lets_the_call_under_way_end() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let (client, first) = connected(&stage, &gate, &bridge);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let label = KeyLabel::parse("sign/one").unwrap();
            client.generate(&label, KeyAlgorithm::P256)
        });
        let mut served = greet(&bridge);
        let request = read_frame(&mut served).unwrap();
        kill_process(Pid::from_child(&gate.process.0), Signal::TERM).unwrap();
        // No more is taken from the client.
        assert_eq!(served.read(&mut [0]).unwrap(), 0);
        let mut reply = vec![2];
        reply.extend(&request[1..9]);
        reply.extend(MADE);
        served.write_all(&crate::stage::frame(&reply)).unwrap();
        drop(served);
        let made = call.join().unwrap();
        assert_eq!(made.unwrap().as_bytes(), &[9; 20]);
        drop(first);
    });
    assert_eq!(gate.process.stop(), Some(0));
}

#[test]
fn a_bridge_that_answers_never_is_left_behind_at_the_limit_of_a_stop() {
    let mut stage = Stage::build();
    stage.settings = "stop_limit_ms = 300".to_owned();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let (client, served) = connected(&stage, &gate, &bridge);
    kill_process(Pid::from_child(&gate.process.0), Signal::TERM).unwrap();
    gate.says("were cut off");
    assert_eq!(gate.process.stop(), Some(0));
    drop((client, served));
}

#[test]
fn the_kernel_confirms_what_the_gate_gave_up() {
    let stage = Stage::build();
    let gate = stage.open();
    let process = gate.process.0.id();
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches(':').trim().to_owned()
        };
        assert_eq!(value("NoNewPrivs"), "1");
        assert_eq!(value("Seccomp"), "2");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(value(set), "0000000000000000", "{set}");
        }
        assert_eq!(value("CoreDumping"), "0");
    }
}
