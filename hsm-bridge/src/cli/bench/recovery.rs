//! How long callers wait when a worker is killed: for the next token, and for the same token again.

use std::fs;
use std::time::{Duration, Instant};

use hsm_bridge::client::Client;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError};
use rustix::process::{Pid, Signal, kill_process};

use super::place::{Place, Serving};
use super::{Row, failed, row};

/// How often each is tried; their median counts.
const RUNS: usize = 3;
/// A key that both tokens have, each its own, and one of the first token alone.
const SHARED: &str = "both/p256";
const OWN: &str = "bench/own";
/// How long a token is left in peace between two kills: one that falls again sooner is kept waiting longer.
const REST: Duration = Duration::from_millis(2_500);
/// How often it is looked for a worker that is being started.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn measure(place: &Place) -> Result<Vec<Row>, KeyStoreError> {
    let daemon = place.serve(false)?;
    let client = daemon.client()?;
    let (shared, own) = (label(SHARED)?, label(OWN)?);
    let of_first = client.generate(&shared, KeyAlgorithm::P256)?;
    client.generate(&own, KeyAlgorithm::P256)?;
    // The second token's key of the shared label is made while the first is away, however soon that is back: what is found then has
    // another id.
    while client.find(&shared)?.is_none_or(|found| found == of_first) {
        if let Some(number) = worker(&daemon, "first")? {
            match kill_process(number, Signal::KILL) {
                // It was just replaced.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(failed("worker", error)),
            }
        }
        match client.generate(&shared, KeyAlgorithm::P256) {
            Ok(_) | Err(KeyStoreError::KeyExists(_) | KeyStoreError::OutcomeUnknown) => {}
            Err(error) => return Err(error),
        }
    }
    let standby = median(&daemon, &client, &shared)?;
    let respawn = median(&daemon, &client, &own)?;
    Ok(vec![
        Row {
            unit: "ms",
            ..row(
                "hsm.recover.standby",
                standby,
                None,
                "from kill -9 of a token's worker to the first signature for a caller whose keys a second token serves as well; median".to_owned(),
            )
        },
        Row {
            unit: "ms",
            ..row(
                "hsm.recover.respawn",
                respawn,
                None,
                "the same for a caller whose keys the killed token alone has".to_owned(),
            )
        },
    ])
}

fn label(text: &str) -> Result<KeyLabel, KeyStoreError> {
    KeyLabel::parse(text).map_err(|e| failed("label", e))
}

fn median(daemon: &Serving, client: &Client, key: &KeyLabel) -> Result<f64, KeyStoreError> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        std::thread::park_timeout(REST);
        sign(client, key)?;
        while worker(daemon, "first")?.is_none() {
            std::thread::park_timeout(LOOK);
        }
        kill(daemon, "first")?;
        let killed = Instant::now();
        sign(client, key)?;
        times.push(killed.elapsed());
    }
    times.sort_unstable();
    Ok(times
        .get(RUNS / 2)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3))
}

fn sign(client: &Client, key: &KeyLabel) -> Result<(), KeyStoreError> {
    let unknown = || KeyStoreError::UnknownKey(key.to_string());
    let id = client.find(key)?.ok_or_else(unknown)?;
    match client.signer(id, None)?.sign(b"after") {
        // The token changed between the two calls.
        Err(KeyStoreError::UnknownKey(_)) => sign(client, key),
        settled => settled.map(|_| ()),
    }
}

/// kill -9 of a token's worker.
fn kill(daemon: &Serving, token: &str) -> Result<(), KeyStoreError> {
    match worker(daemon, token)? {
        Some(number) => kill_process(number, Signal::KILL).map_err(|e| failed("worker", e)),
        None => Err(failed("worker", "there is none")),
    }
}

/// The process of a token's worker.
pub(super) fn worker(daemon: &Serving, token: &str) -> Result<Option<Pid>, KeyStoreError> {
    let wrong = |e: std::io::Error| failed("worker", e);
    let name = format!("hsm-bridge worker {token}");
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.child.id())).map_err(wrong)?;
    for task in tasks {
        let children = task.map_err(wrong)?.path().join("children");
        let children = fs::read_to_string(children).unwrap_or_default();
        for child in children.split_whitespace() {
            let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if line.starts_with(&name) {
                return Ok(child.parse().ok().and_then(Pid::from_raw));
            }
        }
    }
    Ok(None)
}
