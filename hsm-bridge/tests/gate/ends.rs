//! How connections end: on either side, half, by order, and when the gate is killed.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

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
) -> (Client, std::os::unix::net::UnixStream) {
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

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used_for_what_must_not_be_asked_twice() {
    let stage = Stage::build();
    let bridge = stage.play_bridge();
    let gate = stage.open();
    let files = stage.client_files("client", &Wanted::default());
    let remote = stage.remote(gate.address, &files);
    let label = KeyLabel::parse("sign/one").unwrap();
    // Two connections that serve the route of the key, the second of which is then closed by the bridge.
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let mut first = greet(&bridge);
            drop(greet(&bridge));
            // The key is made on a third connection; or on the first, which is open.
            bridge.set_nonblocking(true).unwrap();
            first
                .set_read_timeout(Some(std::time::Duration::from_millis(1)))
                .unwrap();
            loop {
                if let Ok((mut third, _)) = bridge.accept() {
                    third.set_nonblocking(false).unwrap();
                    let greeting = read_frame(&mut third).unwrap();
                    third
                        .write_all(&crate::stage::attached(&greeting[1..9]))
                        .unwrap();
                    return read_frame(&mut third).unwrap()[13];
                }
                if let Ok(request) = read_frame(&mut first) {
                    return request[13];
                }
            }
        });
        let client = open(remote).unwrap();
        // The answer does not come, and the key's connection is lost with it: this may be asked again, and is.
        let _first = client.find(&label);
        assert_eq!(ended.join().unwrap(), 2, "find");
    });
    drop(gate);
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
    served.write_all(&[7; 100_000]).unwrap();
    drop(served);
    read_frame(&mut client).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [7; 100_000]);
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
        reply.push(4);
        reply.extend([9; 20]);
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
