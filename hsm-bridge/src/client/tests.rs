//! Callers who share connections, before a daemon that answers when it is told to.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Client, ClientOptions, Transport, unexpected};
use crate::wire::{Inbound, Outbound, Reply, ReplyFrame, Request, RequestFrame, Target};
use crate::{KeyLabel, KeyStoreError};

/// More than any step takes, so that a test fails rather than waits for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// The other end of one connection.
struct Peer {
    stream: UnixStream,
    inbound: Inbound,
    outbound: Outbound,
}

impl Peer {
    fn next(&mut self) -> io::Result<RequestFrame> {
        let content = self.inbound.next(&mut self.stream)?;
        let content = content.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(RequestFrame::decode(content).unwrap())
    }

    /// Answers with what tells one message from another.
    fn answer(&mut self, frame: &RequestFrame) {
        let reply = match &frame.request {
            Request::Hmac { message, .. } => Reply::Mac([message[0]; 32]),
            Request::Attach { target } => Reply::Attached {
                route: u32::from(
                    matches!(target, Target::Label(label) if label.as_str().starts_with("far")),
                ),
                routes: 2,
            },
            other => panic!("{other:?}"),
        };
        let frame = ReplyFrame {
            id: frame.id,
            reply,
        };
        self.outbound.push(false, |to| frame.encode(to)).unwrap();
        self.outbound.flush(&mut self.stream).unwrap();
    }
}

/// A socket, and the connections that were made to it and greeted.
struct Scene {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    peers: Receiver<Peer>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bridge.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (sender, peers) = channel();
        // Ends when the scene does: with the first peer that nobody takes.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut peer = Peer {
                    stream,
                    inbound: Inbound::new(),
                    outbound: Outbound::new(),
                };
                let Ok(greeting) = peer.next() else { return };
                peer.answer(&greeting);
                if sender.send(peer).is_err() {
                    return;
                }
            }
        });
        Self {
            _folder: folder,
            socket,
            peers,
        }
    }

    fn client(&self, connections: usize) -> Client {
        let options = ClientOptions {
            deadline: PATIENCE,
            connections,
        };
        Client::open(Transport::Unix(self.socket.clone()), options).unwrap()
    }

    fn peer(&self) -> Peer {
        self.peers.recv_timeout(PATIENCE).unwrap()
    }
}

type Called = JoinHandle<Result<[u8; 32], KeyStoreError>>;

fn call(client: &Client, key: &str, number: u8, limit: Duration) -> Called {
    let (client, key) = (client.clone(), KeyLabel::parse(key).unwrap());
    std::thread::spawn(move || {
        let target = match key.as_str() {
            "far" => Target::Label(key.clone()),
            _ => Target::Route(0),
        };
        let message = vec![number; 100];
        let request = Request::Hmac { key, message };
        match client.call_within(limit, &target, &request, &[])? {
            Reply::Mac(mac) => Ok(mac),
            _ => Err(unexpected()),
        }
    })
}

/// Until so many callers wait for their turn.
fn until_waiting(client: &Client, callers: usize) {
    let began = Instant::now();
    while client.0.pool.waiting() != callers {
        assert!(began.elapsed() < PATIENCE, "{}", client.0.pool.waiting());
        std::thread::yield_now();
    }
}

/// One call under way on the only connection, and others that wait for it, in order.
fn queue_up(scene: &Scene, others: u8) -> (Client, Peer, RequestFrame, Vec<Called>) {
    let client = scene.client(1);
    let mut peer = scene.peer();
    let mut calls = vec![call(&client, "near", 0, PATIENCE)];
    let first = peer.next().unwrap();
    for number in 1..=others {
        calls.push(call(&client, "near", number, PATIENCE));
        until_waiting(&client, usize::from(number));
    }
    (client, peer, first, calls)
}

fn all_have_their_own(calls: Vec<Called>) {
    for (number, called) in calls.into_iter().enumerate() {
        let mac = called.join().unwrap().unwrap();
        assert_eq!(usize::from(mac[0]), number);
    }
}

#[test]
fn those_who_wait_travel_together_and_each_has_its_own_answer() {
    let scene = Scene::new();
    let (client, mut peer, first, calls) = queue_up(&scene, 6);
    peer.answer(&first);
    // All of them are here before one is answered.
    let frames: Vec<_> = (0..6).map(|_| peer.next().unwrap()).collect();
    for frame in &frames {
        peer.answer(frame);
    }
    all_have_their_own(calls);
    assert_eq!(client.0.pool.waiting(), 0);
}

#[test]
fn a_connection_that_breaks_loses_nobody_that_was_sent_along() {
    let scene = Scene::new();
    let (_client, mut peer, first, calls) = queue_up(&scene, 4);
    peer.answer(&first);
    let frames: Vec<_> = (0..4).map(|_| peer.next().unwrap()).collect();
    peer.answer(&frames[0]);
    drop(peer);
    let mut peer = scene.peer();
    for _ in 0..3 {
        let frame = peer.next().unwrap();
        peer.answer(&frame);
    }
    all_have_their_own(calls);
}

#[test]
fn a_deadline_ends_the_wait_of_one_and_not_of_the_others() {
    let scene = Scene::new();
    let (client, mut peer, first, mut calls) = queue_up(&scene, 1);
    let hasty = Duration::from_millis(80);
    // In the queue it was never sent.
    let queued = call(&client, "near", 9, hasty).join().unwrap();
    assert!(matches!(queued, Err(KeyStoreError::Deadline)), "{queued:?}");
    // Sent along by another it may have been done.
    let sent = call(&client, "near", 8, Duration::from_secs(1));
    until_waiting(&client, 2);
    peer.answer(&first);
    let frames: Vec<_> = (0..2).map(|_| peer.next().unwrap()).collect();
    assert!(frames[1].deadline_ms <= 1000);
    let sent = sent.join().unwrap();
    assert!(
        matches!(sent, Err(KeyStoreError::OutcomeUnknown)),
        "{sent:?}"
    );
    for frame in &frames {
        peer.answer(frame);
    }
    // The connection serves on: the answer that nobody waits for is read all the same.
    calls.push(call(&client, "near", 2, PATIENCE));
    let frame = peer.next().unwrap();
    peer.answer(&frame);
    all_have_their_own(calls);
}

#[test]
fn who_needs_another_token_gets_the_place_of_a_connection() {
    let scene = Scene::new();
    let (client, mut peer, first, mut calls) = queue_up(&scene, 0);
    calls.push(call(&client, "far", 1, PATIENCE));
    until_waiting(&client, 1);
    peer.answer(&first);
    let mut far = scene.peer();
    let frame = far.next().unwrap();
    far.answer(&frame);
    assert!(peer.next().is_err(), "the first connection is closed");
    all_have_their_own(calls);
}

#[test]
fn the_connections_of_a_client_share_those_who_wait() {
    let scene = Scene::new();
    let client = scene.client(2);
    let mut peers = vec![scene.peer()];
    let mut calls = Vec::new();
    let mut held = Vec::new();
    for number in 0..2 {
        calls.push(call(&client, "near", number, PATIENCE));
        if number == 1 {
            peers.push(scene.peer());
        }
        held.push(peers.last_mut().unwrap().next().unwrap());
    }
    for number in 2..6 {
        calls.push(call(&client, "near", number, PATIENCE));
        until_waiting(&client, usize::from(number) - 1);
    }
    // Four wait for two connections: the first to come free takes its half of them, and not those that the other could do as soon.
    let [near, other] = &mut peers[..] else {
        panic!("two connections")
    };
    near.answer(&held[0]);
    let frames: Vec<_> = (0..2).map(|_| near.next().unwrap()).collect();
    until_waiting(&client, 2);
    for frame in &frames {
        near.answer(frame);
    }
    for left in [1, 0] {
        let frame = near.next().unwrap();
        until_waiting(&client, left);
        near.answer(&frame);
    }
    other.answer(&held[1]);
    all_have_their_own(calls);
}
