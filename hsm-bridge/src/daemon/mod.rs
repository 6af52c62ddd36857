//! The daemon: owns tokens and their PINs, and lets each service do what the policy grants it, over a Unix socket of its own.
//!
//! A supervisor holds the doors and no key; each token has a worker process of its own, since a PKCS#11 call cannot be cancelled and
//! a vendor's library shares the memory of its caller. A connection is handed to the worker of the key it is for, so that a use of a
//! key costs one hop. Every use is checked against the policy before and written to the audit log after.

mod access;
mod administration;
mod attempt;
mod board;
mod config;
mod control;
mod front;
mod gate;
mod harden;
mod look;
mod pin_file;
mod pin_guard;
mod rewrap;
mod routes;
mod socket;
mod status;
mod supervisor;
mod worker;

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use access::LoginMode;
pub use config::{
    AdminSocket, AdministratorSettings, Config, RouteSettings, SocketConfig, Switch, TokenSettings,
};
pub use gate::{Finding, GateCaller, GateConfig, Standing, look as check_gate, run as run_gate};
pub use look::{Checked, each_sealed_key};
pub(crate) use pin_file::open_own;
pub use pin_file::read_pin;
pub use rewrap::rewrap;
pub use status::{Condition, Status, TokenStatus, status};
pub use worker::run as run_worker;

use crate::KeyStoreError;
use crate::pkcs11::WhenLost;
use crate::policy::Policy;
use board::Board;
use control::Configuration;
use front::{Backend, Front};
use routes::{Routes, State};
use supervisor::Process;
use worker::Worker;

/// How often the choice of tokens is reviewed.
const REVIEW: Duration = Duration::from_millis(500);

/// A running daemon; dropping it without [`Daemon::stop`] leaves its threads serving.
pub struct Daemon {
    front: Arc<Front>,
    doors: Vec<(socket::Bound, JoinHandle<()>)>,
    workers: Workers,
    review: (mpsc::Sender<()>, JoinHandle<()>),
    status: Option<status::Door>,
    _lock: File,
}

/// Who opened the tokens.
#[derive(Clone)]
enum Workers {
    /// This process, for programs that are one process by choice.
    Here(Vec<Arc<Worker>>),
    /// A process each.
    Processes(Vec<Arc<Process>>),
}

impl Backend for Worker {
    fn administer(&self, stream: UnixStream) -> Result<(), UnixStream> {
        Worker::administer(self, stream);
        Ok(())
    }

    fn serve(&self, stream: UnixStream, caller: &str) -> Result<(), UnixStream> {
        Worker::serve(self, stream, caller.to_owned());
        Ok(())
    }

    fn drain(&self) {
        Worker::drain(self);
    }
}

impl Daemon {
    /// Opens the tokens in this process and serves them from threads of it: no supervision, for programs that hold all services.
    pub fn start(config: &Config) -> Result<Self, KeyStoreError> {
        let policy = prepare(config)?;
        let lock = lock(config)?;
        let board = board(config)?;
        let mut workers = Vec::new();
        for (index, settings) in config.token.iter().enumerate() {
            let (access, attempt) = config.access(settings)?;
            let configuration = configuration(config, settings, &policy)?;
            let worker = Worker::open(&configuration, access, WhenLost::Reopen);
            if let Some(attempt) = attempt {
                attempt.end(worker.as_ref().map(|_| ()))?;
            }
            let worker = worker?;
            board.set(index, State::Ready(Instant::now()));
            workers.push(Arc::new(worker));
        }
        Self::open_doors(config, board, Workers::Here(workers), lock)
    }

    /// Starts a worker process per token, waits until one is ready, and serves them; this program must have the verb `worker`.
    fn supervise(config: &Config) -> Result<Self, KeyStoreError> {
        let policy = prepare(config)?;
        let lock = lock(config)?;
        let board = board(config)?;
        let status = status::Door::open(config, &board);
        let mut processes = Vec::new();
        for (index, settings) in config.token.iter().enumerate() {
            harden::hand_over(&config.audit_folder, settings)?;
            let sealed = sealed_folder(config, settings);
            harden::hand_over_private(&config.state_folder, &sealed, settings)?;
            let orders = orders_folder(config, settings);
            harden::hand_over_private(&config.state_folder, &orders, settings)?;
            let board = Arc::clone(&board);
            let process = Process::start(config, &policy, index, settings, board)?;
            processes.push(Arc::new(process));
        }
        if let Err(error) = board.first_outcome() {
            for process in &processes {
                process.stop();
            }
            if let Some(status) = status {
                status.close();
            }
            return Err(error);
        }
        let mut daemon = Self::open_doors(config, board, Workers::Processes(processes), lock)?;
        daemon.status = status;
        Ok(daemon)
    }

    fn open_doors(
        config: &Config,
        board: Arc<Board>,
        workers: Workers,
        lock: File,
    ) -> Result<Self, KeyStoreError> {
        let thread = |e: std::io::Error| KeyStoreError::Configuration(format!("thread: {e}"));
        let mut tokens: Vec<Arc<dyn Backend>> = Vec::new();
        match workers.clone() {
            Workers::Here(workers) => {
                for worker in workers {
                    tokens.push(worker);
                }
            }
            Workers::Processes(processes) => {
                for process in processes {
                    tokens.push(process);
                }
            }
        }
        let names = config.token.iter().map(|token| token.name.clone());
        let front = Arc::new(Front::new(board, tokens, names.collect()));
        let mut bound = Vec::new();
        for door in administration::doors(config) {
            bound.push((socket::bind(&door.path)?, door));
        }
        let mut doors = Vec::new();
        for ((bound, listener), door) in bound {
            tracing::info!(caller = door.caller(), path = %door.path.display(), "listening");
            let front = Arc::clone(&front);
            let accepting = std::thread::Builder::new()
                .name(format!("accept-{}", door.caller()))
                .spawn(move || front.accept(&listener, &door))
                .map_err(thread)?;
            doors.push((bound, accepting));
        }
        let (stop, stopped) = mpsc::channel();
        let reviewed = Arc::clone(&front);
        let review = std::thread::Builder::new()
            .name("review".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(REVIEW) == Err(RecvTimeoutError::Timeout) {
                    reviewed.review();
                }
            })
            .map_err(thread)?;
        Ok(Self {
            front,
            doors,
            workers,
            review: (stop, review),
            status: None,
            _lock: lock,
        })
    }

    /// How each token is, by name: `None` when it is sound, the reason otherwise.
    pub fn tokens(&self, config: &Config) -> Vec<(String, Option<KeyStoreError>)> {
        let states = self.front.board.states();
        let names = config.token.iter().map(|token| token.name.clone());
        let reason = |state| match state {
            State::Ready(_) => None,
            State::Starting => Some(KeyStoreError::TokenUnavailable("opening".to_owned())),
            State::Down(error) | State::Stopped(error) => Some(error),
        };
        names.zip(states.into_iter().map(reason)).collect()
    }

    /// Accepts no more, lets every request that has arrived finish, and waits for the last reply.
    pub fn stop(self) {
        for (bound, accepting) in self.doors {
            bound.close();
            if accepting.join().is_err() {
                tracing::error!("a listener ended with a panic");
            }
        }
        let (stop, review) = self.review;
        drop(stop);
        if review.join().is_err() {
            tracing::error!("the review of tokens ended with a panic");
        }
        if let Some(status) = self.status {
            status.close();
        }
        match self.workers {
            Workers::Here(workers) => {
                for worker in workers {
                    worker.finish();
                }
            }
            Workers::Processes(processes) => {
                for process in processes {
                    process.stop();
                }
            }
        }
    }
}

/// Runs the daemon, with a worker process per token, until SIGTERM or SIGINT.
pub fn run(config: &Config) -> Result<(), KeyStoreError> {
    harden::process()?;
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|e| KeyStoreError::Configuration(format!("signal handlers: {e}")))?;
    let daemon = Daemon::supervise(config)?;
    tracing::info!(tokens = config.token.len(), "ready");
    if let Some(signal) = signals.forever().next() {
        tracing::info!(signal, "stopping");
    }
    daemon.stop();
    Ok(())
}

fn board(config: &Config) -> Result<Arc<Board>, KeyStoreError> {
    let fail_back_after = Duration::from_secs(config.fail_back_after_s.into());
    let routes = Routes::compile(config)?;
    Ok(Arc::new(Board::new(
        routes,
        config.token.len(),
        fail_back_after,
    )))
}

/// Keeps a second daemon from the same state and the same tokens; released when it is dropped.
fn lock(config: &Config) -> Result<File, KeyStoreError> {
    let path = config.state_folder.join("lock");
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!("{}: {e}", path.display()))
    };
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| wrong(&e))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| wrong(&"in use; another hsm-bridge is running"))?;
    Ok(file)
}

/// Reads and checks the policy, and makes the folders that the daemon writes to.
fn prepare(config: &Config) -> Result<String, KeyStoreError> {
    let policy = Policy::load(&config.policy)?;
    warn_about_grants(config, &policy);
    for folder in [&config.audit_folder, &config.state_folder] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| KeyStoreError::Configuration(format!("{}: {e}", folder.display())))?;
    }
    fs::read_to_string(&config.policy)
        .map_err(|e| KeyStoreError::Configuration(format!("{}: {e}", config.policy.display())))
}

fn configuration(
    config: &Config,
    settings: &TokenSettings,
    policy: &str,
) -> Result<Configuration, KeyStoreError> {
    Ok(Configuration {
        token: settings.clone(),
        policy: policy.to_owned(),
        max_connections: config.max_connections,
        call_limit_ms: config.call_limit_ms,
        audit_folder: config.audit_folder.join(&settings.name),
        sealed_folder: sealed_folder(config, settings),
        orders_folder: orders_folder(config, settings),
        administrators: config.administrators()?,
        canary_ms: config.canary_ms,
        require_locked_memory: config.require_locked_memory,
    })
}

fn orders_folder(config: &Config, settings: &TokenSettings) -> PathBuf {
    config.state_folder.join("orders").join(&settings.name)
}

fn sealed_folder(config: &Config, settings: &TokenSettings) -> PathBuf {
    config.state_folder.join("sealed").join(&settings.name)
}

fn warn_about_grants(config: &Config, policy: &Policy) {
    for caller in policy.callers() {
        if !config.socket.iter().any(|socket| socket.name == caller) {
            tracing::warn!(
                caller,
                "the policy grants something to a caller that has no socket"
            );
        }
    }
}

/// What is wrong with a configuration, and what is worth knowing, in words; without findings the daemon would start.
pub fn check(config: &Config) -> Checked {
    let mut checked = Checked::default();
    let findings = &mut checked.findings;
    if let Err(error) = Policy::load(&config.policy) {
        findings.push(error.to_string());
    }
    if let Err(error) = config.administrators() {
        findings.push(error.to_string());
    }
    for socket in administration::doors(config) {
        let folder = match socket.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            findings.push(format!(
                "the folder of socket {} does not exist",
                socket.path.display()
            ));
        }
    }
    for settings in &config.token {
        let of_token = |words: String| {
            if config.token.len() == 1 {
                words
            } else {
                format!("token '{}': {words}", settings.name)
            }
        };
        let looked = look::at(config, settings);
        let findings = looked.findings.into_iter().map(of_token);
        checked.findings.extend(findings);
        let remarks = looked.remarks.into_iter().map(of_token);
        checked.remarks.extend(remarks);
    }
    checked
}
