//! The life of one token's worker, again and again: PIN allowed, process started, ready, ended, and what its end means.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;

use super::backoff::Backoff;
use super::{ORDER_LIMIT, Shared};
use crate::KeyStoreError;
use crate::daemon::access::LoginMode;
use crate::daemon::board::Board;
use crate::daemon::control::{Configuration, Control, Order, Report};
use crate::daemon::pin_guard::{PinGuard, Version};
use crate::daemon::routes::State;

/// How often a stopped token's PIN file is looked at, in case an operator wrote it anew.
const OPERATOR_PAUSE: Duration = Duration::from_secs(1);
/// How often a token that awaits its custodians is looked at, by a new process each time: some modules see a login only then.
const QUORUM_PAUSE: Duration = Duration::from_secs(1);
/// How long a worker may take to begin; it has not touched the token before its first report.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a worker may take to finish when the daemon stops.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often a worker that is finishing is looked at.
const STOP_PAUSE: Duration = Duration::from_millis(10);

/// Keeps one token's worker alive.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) board: Arc<Board>,
    pub(super) index: usize,
    pub(super) configuration: Configuration,
    pub(super) guard: PinGuard,
    pub(super) silence_limit: Duration,
    pub(super) open_limit: Duration,
}

/// A PIN that is offered.
struct Offer {
    file: File,
    version: Version,
}

/// Whether the token said no to its PIN.
fn is_refusal(error: &KeyStoreError) -> bool {
    matches!(error, KeyStoreError::PinRefused | KeyStoreError::PinLocked)
}

/// How far a worker came.
#[derive(Default)]
struct Progress {
    /// Whether it had leave to offer the PIN.
    offered: bool,
    /// Since when its token is open.
    ready: Option<Instant>,
}

/// A worker's end.
struct Ended {
    error: KeyStoreError,
    /// How long it was ready; nothing when it never was.
    served: Option<Duration>,
}

impl From<KeyStoreError> for Ended {
    fn from(error: KeyStoreError) -> Self {
        Self {
            error,
            served: None,
        }
    }
}

impl Keeper {
    /// Runs until the daemon stops.
    pub(super) fn run(self) {
        let mut backoff = Backoff::default();
        let mut awaiting = false;
        while !self.shared.stopping() {
            let ended = self.one_life().unwrap_or_else(|ended| ended);
            self.shared.state().control = None;
            if self.shared.stopping() {
                return;
            }
            let token = self.name();
            let awaited = std::mem::replace(&mut awaiting, ended.error.is_awaiting_quorum());
            let pause = match &ended.error {
                KeyStoreError::PinRefused | KeyStoreError::PinLocked => {
                    let login = self.configuration.token.login;
                    let offers_pin = login.offers_pin();
                    let act = match login {
                        LoginMode::PinFile => "write the PIN file anew",
                        LoginMode::Credential => {
                            "set the credential and remove what the state folder says of this PIN"
                        }
                        LoginMode::ProtectedPath | LoginMode::Preloaded => "start the daemon anew",
                    };
                    tracing::error!(token, error = %ended.error, "stopped until an operator acts: {act}");
                    self.board.set(self.index, State::Stopped(ended.error));
                    // Whoever enters the PIN at the token is not asked again and again until it locks.
                    while !offers_pin && !self.shared.pause(OPERATOR_PAUSE) {}
                    OPERATOR_PAUSE
                }
                error if awaiting => {
                    if !awaited {
                        tracing::warn!(token, %error, "its custodians must log it in; it will be used as soon as they have");
                    }
                    self.board.set(self.index, State::Down(ended.error));
                    QUORUM_PAUSE
                }
                error => {
                    let pause =
                        backoff.next(ended.served, RandomState::new().build_hasher().finish());
                    tracing::error!(token, %error, pause_ms = pause.as_millis(), "the worker ended; another will be started");
                    self.board.set(self.index, State::Down(ended.error));
                    pause
                }
            };
            if self.shared.pause(pause) {
                return;
            }
        }
    }

    fn name(&self) -> &str {
        &self.configuration.token.name
    }

    /// From the PIN to the end of the process.
    fn one_life(&self) -> Result<Ended, Ended> {
        let offer = match self.configuration.token.pin_source()? {
            Some(file) => {
                let version = self.version(&file)?;
                self.guard.check(version)?;
                Some(Offer { file, version })
            }
            None => None,
        };
        let (control, mut child) = self
            .spawn()
            .map_err(|e| self.wrong("starting a worker", &e))?;
        let ended = self.attend(&control, offer.as_ref());
        drop(control);
        self.reap(&mut child, self.shared.stopping());
        Ok(ended)
    }

    fn version(&self, file: &File) -> Result<Version, KeyStoreError> {
        Version::of(file, self.configuration.token.login).map_err(|e| self.wrong("PIN file", &e))
    }

    /// Notes what became of the PIN, where one was offered.
    fn settle(
        &self,
        offer: Option<&Offer>,
        result: Result<(), &KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        offer.map_or(Ok(()), |offer| self.guard.settle(offer.version, result))
    }

    fn wrong(&self, what: &str, error: &io::Error) -> KeyStoreError {
        KeyStoreError::TokenUnavailable(format!("token '{}': {what}: {error}", self.name()))
    }

    /// Starts this program again as a worker; it is executed anew, never forked, since no PKCS#11 module survives a fork.
    fn spawn(&self) -> io::Result<(Control, Child)> {
        let (control, theirs) = Control::pair()?;
        control.limit_sending(ORDER_LIMIT)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("worker")
            .arg0(format!("hsm-bridge worker {}", self.name()))
            // The worker logs what this process logs.
            .env("ROMDUOL_LOG", LevelFilter::current().to_string())
            .stdin(Stdio::from(theirs));
        if let Some(gid) = self.configuration.token.gid {
            command.gid(gid);
        }
        if let Some(uid) = self.configuration.token.uid {
            command.uid(uid);
        }
        Ok((control, command.spawn()?))
    }

    /// Configures a worker and listens to it until it ends, hangs or falls silent.
    fn attend(&self, control: &Control, offer: Option<&Offer>) -> Ended {
        let mut progress = Progress::default();
        let error = match self.listen(control, offer, &mut progress) {
            Ok(error) => error,
            Err(error) => self.wrong("control socket", &error),
        };
        let mut ended = Ended {
            error,
            served: progress.ready.map(|since| since.elapsed()),
        };
        let says_something = match &ended.error {
            // A login may be refused at any time: the PIN was changed while the worker had its token open.
            error if is_refusal(error) => true,
            // Where it is unknown what became of the PIN, the attempt stays noted.
            KeyStoreError::OutcomeUnknown => false,
            // A worker that was ready has settled its PIN, and one that never came so far has nothing to settle.
            _ => progress.offered && progress.ready.is_none(),
        };
        if says_something && let Err(error) = self.settle(offer, Err(&ended.error)) {
            return error.into();
        }
        // Whoever waits for the token has asked nothing of it yet.
        if ended.error == KeyStoreError::OutcomeUnknown {
            ended.error = self.unavailable("nobody knows how its login ended");
        }
        ended
    }

    fn listen(
        &self,
        control: &Control,
        offer: Option<&Offer>,
        progress: &mut Progress,
    ) -> io::Result<KeyStoreError> {
        control.send(
            &Order::Configure(Box::new(self.configuration.clone())),
            offer.map(|offer| offer.file.as_fd()),
        )?;
        control.limit(Some(START_LIMIT))?;
        let (mut heard, mut told) = (None, None);
        loop {
            let received = control.receive::<Report>();
            if self.shared.stopping() {
                let since = *told.get_or_insert_with(Instant::now);
                // One that still reports may be kept by a caller who never leaves.
                if progress.ready.is_none() || since.elapsed() >= STOP_LIMIT {
                    return Ok(self.unavailable("stopping"));
                }
            }
            match received {
                Ok(Some((Report::Alive, _))) => {
                    if heard.is_none() {
                        control.limit(Some(self.silence_limit))?;
                    }
                    let since = *heard.get_or_insert_with(Instant::now);
                    // It reports from another thread than the one that may hang in the module.
                    if progress.ready.is_none() && since.elapsed() >= self.open_limit {
                        tracing::error!(token = self.name(), "the token does not open");
                        return Ok(self.vanished(progress, "it did not open in time"));
                    }
                }
                Ok(Some((Report::Offering, _))) => {
                    let Some(offer) = offer else {
                        return Ok(
                            self.unavailable("its worker offers a PIN that it does not have")
                        );
                    };
                    // The worker has read the file since it was looked at.
                    match self.version(&offer.file) {
                        Ok(version) if version == offer.version => {}
                        Ok(_) => return Ok(self.unavailable("its PIN file was being written")),
                        Err(error) => return Ok(error),
                    }
                    if let Err(error) = self.guard.offer(offer.version) {
                        return Ok(error);
                    }
                    progress.offered = true;
                    control.send(&Order::Offer, None)?;
                }
                Ok(Some((Report::Ready, _))) => {
                    let now = Instant::now();
                    if let Err(error) = self.settle(offer, Ok(())) {
                        return Ok(error);
                    }
                    progress.ready = Some(now);
                    let mut state = self.shared.state();
                    if state.stopping {
                        return Ok(self.unavailable("stopping"));
                    }
                    state.control = Some(control.try_clone()?);
                    drop(state);
                    self.board.set(self.index, State::Ready(now));
                    tracing::info!(token = self.name(), "ready");
                }
                Ok(Some((Report::Overdue { operation }, _))) => {
                    tracing::error!(
                        token = self.name(),
                        operation,
                        "a call into the token hangs"
                    );
                    return Ok(self.unavailable("hung"));
                }
                Ok(Some((Report::Ending(failure), _))) => {
                    let error = KeyStoreError::from(failure);
                    // Remembered at once, should this process be killed before the other has ended.
                    if is_refusal(&error)
                        && let Err(error) = self.settle(offer, Err(&error))
                    {
                        return Ok(error);
                    }
                    // Whoever comes now waits for the next worker, or goes to the next token.
                    self.shared.state().control = None;
                    self.board.set(self.index, State::Down(error));
                }
                Ok(Some((Report::Failed(failure), _))) => return Ok(failure.into()),
                Ok(None) => return Ok(self.vanished(progress, "its worker ended")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tracing::error!(token = self.name(), "the worker is silent");
                    return Ok(self.vanished(progress, "its worker fell silent"));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn unavailable(&self, how: &str) -> KeyStoreError {
        KeyStoreError::TokenUnavailable(format!("token '{}': {how}", self.name()))
    }

    /// Of a worker that had leave to offer the PIN and never said more, nobody knows what became of it.
    fn vanished(&self, progress: &Progress, how: &str) -> KeyStoreError {
        if progress.offered && progress.ready.is_none() {
            KeyStoreError::OutcomeUnknown
        } else {
            self.unavailable(how)
        }
    }

    /// Waits for the end of a process that is finishing, and ends any other.
    fn reap(&self, child: &mut Child, finishing: bool) {
        let limit = Instant::now()
            + if finishing {
                STOP_LIMIT
            } else {
                Duration::ZERO
            };
        while Instant::now() < limit {
            match child.try_wait() {
                Ok(Some(_)) => return,
                Ok(None) => std::thread::park_timeout(STOP_PAUSE),
                Err(_) => break,
            }
        }
        if let Err(error) = child.kill().and_then(|()| child.wait()) {
            tracing::error!(token = self.name(), %error, "ending a worker");
        }
    }
}
