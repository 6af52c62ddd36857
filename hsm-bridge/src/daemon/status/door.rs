//! The supervisor's end: a thread that tells each caller how everything is.

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use der::DateTime;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::{Condition, LIMIT, Status, TokenStatus};
use crate::KeyStoreError;
use crate::daemon::board::{Board, Past};
use crate::daemon::routes::State;
use crate::daemon::{Config, socket};

/// How long no connection is accepted when the system has no place for another.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);
/// What stands for every key that no route names.
const OTHERS: &str = "*";

/// The socket and its thread.
pub(in crate::daemon) struct Door {
    bound: socket::Bound,
    telling: JoinHandle<()>,
}

struct Teller {
    board: Arc<Board>,
    tokens: Vec<String>,
    routes: Vec<String>,
}

impl Door {
    /// Opens the door; without it the daemon serves all the same, and says so in the log.
    pub(in crate::daemon) fn open(config: &Config, board: &Arc<Board>) -> Option<Self> {
        Self::try_open(config, board)
            .inspect_err(|error| tracing::error!(%error, "nobody can ask for the status"))
            .ok()
    }

    fn try_open(config: &Config, board: &Arc<Board>) -> Result<Self, KeyStoreError> {
        let (bound, listener) = socket::bind_own(&super::path(config))?;
        let routes = config.route.iter().map(|route| route.keys.clone());
        let teller = Teller {
            board: Arc::clone(board),
            tokens: config.token.iter().map(|t| t.name.clone()).collect(),
            routes: routes.chain([OTHERS.to_owned()]).collect(),
        };
        let telling = std::thread::Builder::new()
            .name("status".to_owned())
            .spawn(move || teller.run(&listener))
            .map_err(|e| KeyStoreError::Configuration(format!("thread: {e}")))?;
        Ok(Self { bound, telling })
    }

    /// Closes the door.
    pub(in crate::daemon) fn close(self) {
        self.bound.close();
        if self.telling.join().is_err() {
            tracing::error!("telling the status ended with a panic");
        }
    }
}

impl Teller {
    fn run(&self, listener: &UnixListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.tell(&stream) {
                        tracing::info!(%error, "telling the status");
                    }
                }
                // What a listening socket says after `Bound::close` shut it down.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                Err(error) => {
                    tracing::warn!(%error, "accepting who asks for the status");
                    std::thread::park_timeout(SHORTAGE_PAUSE);
                }
            }
        }
    }

    fn tell(&self, mut stream: &UnixStream) -> io::Result<()> {
        // The mode of the socket says the same; who may pass by it is root.
        let peer = socket_peercred(stream)?.uid;
        if peer != geteuid() && !peer.is_root() {
            return Err(io::Error::other(format!(
                "user id {} may not ask",
                peer.as_raw()
            )));
        }
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(&serde_json::to_vec(&self.status(Instant::now()))?)
    }

    fn status(&self, now: Instant) -> Status {
        let overview = self.board.overview(now);
        let served_by = |token: Option<usize>| {
            let pairs = self.routes.iter().zip(&overview.routes);
            let served = pairs.filter(move |(_, by)| **by == token);
            served.map(|(keys, _)| keys.clone()).collect()
        };
        let names = self.tokens.iter().enumerate();
        let tokens = names.zip(&overview.tokens).map(|((index, name), known)| {
            let (state, past) = known;
            told(name, state, *past, served_by(Some(index)))
        });
        Status {
            tokens: tokens.collect(),
            unserved: served_by(None),
        }
    }
}

fn told(name: &str, state: &State, past: Past, serves: Vec<String>) -> TokenStatus {
    let (condition, error) = match state {
        State::Ready(_) => (Condition::Sound, None),
        State::Starting => (Condition::Opening, None),
        State::Down(error) if error.is_awaiting_quorum() => {
            (Condition::AwaitingQuorum, Some(error))
        }
        State::Down(error) => (Condition::Lost, Some(error)),
        State::Stopped(error @ KeyStoreError::PinLocked) => (Condition::PinLocked, Some(error)),
        State::Stopped(error) => (Condition::PinRefused, Some(error)),
    };
    TokenStatus {
        name: name.to_owned(),
        condition,
        since: moment(past.since),
        reason: error.map(ToString::to_string),
        restarts: past.restarts,
        serves,
    }
}

/// RFC 3339 in UTC and whole seconds; a clock before 1970 or after 9999 is told as the bound that it crossed.
fn moment(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_duration(since)
        .unwrap_or(DateTime::INFINITY)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_word_and_no_reason_without_need() {
        let text = "[[bridge.token]]\n[[bridge.token]]\nname = \"b\"\n\
            [[bridge.route]]\nkeys = \"ca/*\"\ntokens = [\"b\", \"main\"]\n";
        let config = Config::parse(text, []).unwrap();
        let routes = crate::daemon::routes::Routes::compile(&config).unwrap();
        let board = Arc::new(Board::new(routes, 2, Duration::ZERO));
        let teller = Teller {
            board: Arc::clone(&board),
            tokens: vec!["main".to_owned(), "b".to_owned()],
            routes: vec!["ca/*".to_owned(), OTHERS.to_owned()],
        };
        let seen = || {
            let status = teller.status(Instant::now());
            let token = status.tokens[1].clone();
            (
                token.condition,
                token.restarts,
                token.serves,
                status.unserved,
            )
        };
        let none = Vec::<String>::new;
        let both = || vec!["ca/*".to_owned(), OTHERS.to_owned()];
        let ca = || vec!["ca/*".to_owned()];
        assert_eq!(seen(), (Condition::Opening, 0, none(), both()));
        board.set(1, State::Ready(Instant::now()));
        assert_eq!(seen(), (Condition::Sound, 0, ca(), vec![OTHERS.to_owned()]));
        let lost = || KeyStoreError::TokenUnavailable("gone".to_owned());
        for _ in 0..3 {
            board.set(1, State::Down(lost()));
        }
        assert_eq!(seen(), (Condition::Lost, 0, none(), both()));
        board.set(0, State::Ready(Instant::now()));
        board.set(1, State::Ready(Instant::now()));
        assert_eq!(seen(), (Condition::Sound, 1, ca(), none()));
        assert!(teller.status(Instant::now()).is_sound());
        for (error, word) in [
            (KeyStoreError::awaiting_quorum(), Condition::AwaitingQuorum),
            (KeyStoreError::OutcomeUnknown, Condition::Lost),
        ] {
            board.set(1, State::Down(error));
            assert_eq!(seen().0, word);
        }
        for (error, word) in [
            (KeyStoreError::PinRefused, Condition::PinRefused),
            (KeyStoreError::PinLocked, Condition::PinLocked),
        ] {
            board.set(1, State::Stopped(error));
            let status = teller.status(Instant::now());
            assert_eq!(status.tokens[1].condition, word);
            assert!(status.tokens[1].reason.is_some() && status.tokens[0].reason.is_none());
            // The other token takes its keys over, and not all is well all the same.
            assert_eq!(status.tokens[0].serves, both());
            assert!(status.unserved.is_empty() && !status.is_sound());
        }
    }
}
