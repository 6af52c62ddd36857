//! The daemon: owns a token and its PIN, and lets each service do what the policy grants it, over a Unix socket of its own.
//!
//! One blocking thread per connection, no queue in between: callers are few and known. Every use of a key is checked against the
//! policy before and written to the audit log after.

mod audit;
mod config;
mod connection;
mod harden;
mod pin_file;
pub mod policy;
mod rate;
mod service;
mod socket;

use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use config::{Config, SocketConfig};
pub use pin_file::read_pin;

use crate::pkcs11::{Token, TokenConfig, TokenOptions};
use crate::{Health, KeyStoreError};
use audit::Audit;
use connection::Connections;
use policy::Policy;
use service::Service;

/// A running daemon; dropping it without [`Daemon::stop`] leaves its threads serving.
pub struct Daemon {
    listeners: Vec<(socket::Bound, JoinHandle<()>)>,
    connections: Arc<Connections>,
}

impl Daemon {
    /// Opens the token, binds the sockets and serves them from threads of their own.
    pub fn start(config: &Config) -> Result<Self, KeyStoreError> {
        let policy = Policy::load(&config.policy)?;
        warn_about_grants(config, &policy);
        let pin = read_pin(&config.pin_file)?;
        let token = Token::open_with(
            &TokenConfig {
                module: config.module.clone(),
                label: config.token_label.clone(),
                pin,
            },
            TokenOptions {
                session_copy: config.session_copy,
                max_sessions: config.max_sessions,
            },
        )?;
        token.health()?;
        let audit = Audit::open(config.audit_file.as_deref())?;
        let connections = Arc::new(Connections::new(config.max_connections));
        let service = Arc::new(Service::new(token, policy, audit));
        let mut bound = Vec::new();
        for socket in &config.socket {
            bound.push((socket::bind(&socket.path)?, socket.clone()));
        }
        let mut listeners = Vec::new();
        for ((bound, listener), socket) in bound {
            let (service, connections) = (Arc::clone(&service), Arc::clone(&connections));
            tracing::info!(caller = %socket.name, path = %socket.path.display(), "listening");
            let accepting = std::thread::Builder::new()
                .name(format!("accept-{}", socket.name))
                .spawn(move || accept(&listener, &socket, &service, &connections))
                .map_err(|e| KeyStoreError::Configuration(format!("thread: {e}")))?;
            listeners.push((bound, accepting));
        }
        Ok(Self {
            listeners,
            connections,
        })
    }

    /// Accepts no more, lets every request that has arrived finish, and waits for the last reply.
    pub fn stop(self) {
        for (bound, accepting) in self.listeners {
            bound.close();
            if accepting.join().is_err() {
                tracing::error!("a listener ended with a panic");
            }
        }
        self.connections.finish();
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(config: &Config) -> Result<(), KeyStoreError> {
    harden::process()?;
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|e| KeyStoreError::Configuration(format!("signal handlers: {e}")))?;
    let daemon = Daemon::start(config)?;
    tracing::info!(token = %config.token_label, "ready");
    if let Some(signal) = signals.forever().next() {
        tracing::info!(signal, "stopping");
    }
    daemon.stop();
    Ok(())
}

fn accept(
    listener: &UnixListener,
    socket: &SocketConfig,
    service: &Arc<Service>,
    connections: &Arc<Connections>,
) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => match socket::check_peer(&stream, socket) {
                Ok(()) => connections.serve(stream, socket.name.clone(), Arc::clone(service)),
                Err(error) => {
                    tracing::warn!(caller = %socket.name, %error, "connection refused");
                    connection::refuse(stream, KeyStoreError::NotPermitted);
                }
            },
            // What a listening socket says after `Bound::close` shut it down.
            Err(error) if error.kind() == ErrorKind::InvalidInput => return,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                ) => {}
            Err(error) => {
                tracing::error!(caller = %socket.name, %error, "accepting a connection");
                connections.wait_for_a_place();
            }
        }
    }
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

/// What is wrong with a configuration, in words; an empty answer means that the daemon would start.
pub fn check(config: &Config) -> Vec<String> {
    let mut findings = Vec::new();
    if let Err(error) = Policy::load(&config.policy) {
        findings.push(error.to_string());
    }
    for socket in &config.socket {
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
    match read_pin(&config.pin_file) {
        Err(error) => findings.push(error.to_string()),
        Ok(pin) => {
            let opened = Token::open(&TokenConfig {
                module: config.module.clone(),
                label: config.token_label.clone(),
                pin,
            });
            match opened.and_then(|token| token.list_keys()) {
                Err(error) => findings.push(error.to_string()),
                Ok(keys) => findings.extend(
                    keys.into_iter()
                        .filter_map(Result::err)
                        .map(|e| e.to_string()),
                ),
            }
        }
    }
    findings
}
