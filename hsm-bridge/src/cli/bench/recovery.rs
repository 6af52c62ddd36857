//! How long callers wait when a worker is killed: for the next token, and for the same token again.

use std::fs;
use std::time::{Duration, Instant};

use hsm_bridge::client::Client;
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError};
use rustix::process::{Pid, Signal, kill_process};

use super::figures::Figures;
use super::place::{Place, Serving};
use super::{ROUNDS, Row, failed, time_row};

/// A key that both tokens have, each its own, and one of the first token alone.
const SHARED: &str = "both/p256";
const OWN: &str = "bench/own";
/// How long a token is left in peace between two kills: one that falls again sooner is kept waiting longer.
pub(super) const REST: Duration = Duration::from_millis(2_500);
/// How often it is looked for a worker that is being started.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn measure(place: &Place) -> Result<Vec<Row>, KeyStoreError> {
    let daemon = place.serve(false)?;
    let client = daemon.client()?;
    let (shared, own) = (label(SHARED)?, label(OWN)?);
    let of_first = client.generate(&shared, KeyAlgorithm::P256)?;
    client.generate(&own, KeyAlgorithm::P256)?;
    make_on_standby(&daemon, &client, &shared, of_first)?;
    let standby = times(&daemon, &client, &shared)?;
    let respawn = times(&daemon, &client, &own)?;
    Ok(vec![
        time_row(
            "hsm.recover.standby",
            "ms",
            &standby,
            None,
            "from kill -9 of a token's worker to the first signature for a caller whose keys a second token serves as well".to_owned(),
        ),
        time_row(
            "hsm.recover.respawn",
            "ms",
            &respawn,
            None,
            "the same for a caller whose keys the killed token alone has".to_owned(),
        ),
    ])
}

/// Makes the standby's key of a label that the first token has: while the first is away, however soon that is back; what is found then has
/// another id.
pub(super) fn make_on_standby(
    daemon: &Serving,
    client: &Client,
    shared: &KeyLabel,
    of_first: KeyId,
) -> Result<(), KeyStoreError> {
    while client.find(shared)?.is_none_or(|found| found == of_first) {
        if let Some(number) = worker(daemon, "first")? {
            match kill_process(number, Signal::KILL) {
                // It was just replaced.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(failed("worker", error)),
            }
        }
        match client.generate(shared, KeyAlgorithm::P256) {
            Ok(_) | Err(KeyStoreError::KeyExists(_) | KeyStoreError::OutcomeUnknown) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn label(text: &str) -> Result<KeyLabel, KeyStoreError> {
    KeyLabel::parse(text).map_err(|e| failed("label", e))
}

/// Milliseconds from a kill to the next signature.
fn times(daemon: &Serving, client: &Client, key: &KeyLabel) -> Result<Figures, KeyStoreError> {
    let mut times = Figures::default();
    for _ in 0..ROUNDS {
        std::thread::park_timeout(REST);
        sign(client, key)?;
        while worker(daemon, "first")?.is_none() {
            std::thread::park_timeout(LOOK);
        }
        kill(daemon, "first")?;
        let killed = Instant::now();
        sign(client, key)?;
        times.push(killed.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

pub(super) fn sign(client: &Client, key: &KeyLabel) -> Result<(), KeyStoreError> {
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
