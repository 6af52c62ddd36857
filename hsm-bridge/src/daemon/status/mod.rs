//! How each token is, for whoever runs the daemon: told by the supervisor on a socket in its state folder.
//!
//! The socket is the daemon's user's own (0600), and who connects is given one JSON document and nothing else: it reads nothing, so
//! there is nothing to get wrong, and a token that hangs does not delay it.

mod door;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use door::Door;

use super::Config;
use crate::KeyStoreError;

/// How long the supervisor may take to answer, or whoever asked to take the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// How a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It serves.
    Sound,
    /// It is being opened for the first time.
    Opening,
    /// It was lost, or could not be opened, and is tried again.
    Lost,
    /// Its custodians must log it in.
    AwaitingQuorum,
    /// It refused its PIN, or nobody knows whether it did: an operator must act.
    PinRefused,
    /// Its PIN is locked: its security officer must act.
    PinLocked,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// Its name in the configuration.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// Since when it is sound, or is not (RFC 3339, UTC).
    pub since: String,
    /// Why it is not sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it became sound again after it was lost.
    pub restarts: u64,
    /// The routes that it serves now, as the configuration has them; `*` is every key that no route names.
    pub serves: Vec<String>,
}

/// All tokens of a running daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// In the order of the configuration.
    pub tokens: Vec<TokenStatus>,
    /// Routes that no token serves now.
    pub unserved: Vec<String>,
}

impl Status {
    /// Whether every token is sound and every key is served.
    pub fn is_sound(&self) -> bool {
        let sound = |token: &TokenStatus| token.condition == Condition::Sound;
        self.unserved.is_empty() && self.tokens.iter().all(sound)
    }
}

fn path(config: &Config) -> PathBuf {
    config.state_folder.join("status.sock")
}

/// Asks the daemon that runs with this configuration.
pub fn status(config: &Config) -> Result<Status, KeyStoreError> {
    let path = path(config);
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::TokenUnavailable(format!(
            "no daemon tells its status at {}: {e}; does it run with this configuration, and as this user?",
            path.display()
        ))
    };
    let stream = UnixStream::connect(&path).map_err(|e| wrong(&e))?;
    stream
        .set_read_timeout(Some(LIMIT))
        .map_err(|e| wrong(&e))?;
    let mut text = String::new();
    stream
        .take(MAX_ANSWER)
        .read_to_string(&mut text)
        .map_err(|e| wrong(&e))?;
    serde_json::from_str(&text).map_err(|e| wrong(&e))
}
