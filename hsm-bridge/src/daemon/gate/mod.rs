//! The gate: services on other hosts reach their socket of the bridge over mutual TLS, with the same frames.
//!
//! A process of its own, so that the supervisor and the workers, which have PINs and tokens, stay off the network. It holds no PIN and no
//! key of a token, decides nothing that the policy decides, and reads no more of what it relays than the length of the first frame: a
//! certificate names a caller, a caller has a socket, and what the socket may do is the policy's.

mod config;
mod door;
mod identity;
mod look;
mod material;
mod open;
mod peer;
mod pipe;
mod relay;
mod strangers;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use config::{GateCaller, GateConfig};
pub use look::{Finding, Standing, look};

use super::harden;
use crate::KeyStoreError;
use door::Door;
use identity::Callers;
use material::Keeper;
use open::Open;
use strangers::Strangers;

/// How often the files of certificates are looked at.
const REVIEW: Duration = Duration::from_secs(2);
/// How long no connection is accepted when the system has no place for another.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Runs the gate until SIGTERM or SIGINT.
pub fn run(config: &GateConfig) -> Result<(), KeyStoreError> {
    harden::process()?;
    let failed = |what: &str, e: io::Error| KeyStoreError::Configuration(format!("{what}: {e}"));
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| failed("signal handlers", e))?;
    let door = Arc::new(Door {
        callers: Callers::compile(config)?,
        keeper: Keeper::open(config.clone())?,
        open: Open::new(config.max_connections, config.max_connections_each),
        handshake: Duration::from_millis(config.handshake_limit_ms.into()),
        idle: Duration::from_secs(config.idle_limit_s.into()),
    });
    let listener = TcpListener::bind(config.listen)
        .map_err(|e| failed(&format!("listening on {}", config.listen), e))?;
    let address = listener.local_addr().map_err(|e| failed("listening", e))?;
    let held = listener.try_clone().map_err(|e| failed("listening", e))?;
    harden::gate(config.files())?;

    let (stop, stopped) = mpsc::channel::<()>();
    let reviewed = Arc::clone(&door);
    let review = std::thread::Builder::new()
        .name("review".to_owned())
        .spawn(move || review(&reviewed, &stopped))
        .map_err(|e| failed("thread", e))?;
    let shared = Arc::clone(&door);
    let accepting = std::thread::Builder::new()
        .name("accept".to_owned())
        .spawn(move || accept(&listener, &shared))
        .map_err(|e| failed("thread", e))?;
    tracing::info!(%address, callers = config.caller.len(), "listening");

    if let Some(signal) = signals.forever().next() {
        tracing::info!(signal, "stopping");
    }
    if let Err(error) = shutdown(&held, Shutdown::Both) {
        tracing::warn!(%error, "shutting the listening socket down");
    }
    drop(stop);
    for thread in [accepting, review] {
        if thread.join().is_err() {
            tracing::error!("a thread ended with a panic");
        }
    }
    let left = door
        .open
        .finish(Duration::from_millis(config.stop_limit_ms.into()));
    if left > 0 {
        tracing::warn!(left, "connections were cut off");
    }
    Ok(())
}

/// Follows renewals, and ends the connections of those whom the new files do not admit.
fn review(door: &Door, stopped: &mpsc::Receiver<()>) {
    while stopped.recv_timeout(REVIEW) == Err(RecvTimeoutError::Timeout) {
        if door.keeper.review() {
            let material = door.keeper.current();
            door.open
                .sift(|it| material.still_admits(&it.certificate, &it.chain));
        }
    }
}

/// Accepts connections until the socket is shut down.
fn accept(listener: &TcpListener, door: &Arc<Door>) {
    let strangers = Arc::new(Strangers::default());
    loop {
        match listener.accept() {
            Ok((stream, from)) => admit(stream, from, door, &strangers),
            // What a listening socket says once it is shut down.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                ) => {}
            Err(error) => {
                tracing::error!(%error, "accepting a connection");
                std::thread::park_timeout(SHORTAGE_PAUSE);
            }
        }
    }
}

fn admit(stream: TcpStream, from: SocketAddr, door: &Arc<Door>, strangers: &Arc<Strangers>) {
    let Some(stranger) = strangers.one_more(from.ip()) else {
        // Without a handshake nothing can be said; the client looks for the gate again.
        tracing::warn!(%from, "too many connections at once that are not admitted yet");
        return;
    };
    let door = Arc::clone(door);
    let spawned = std::thread::Builder::new()
        .name("relay".to_owned())
        .spawn(move || door.serve(stream, from, move || drop(stranger)));
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a connection");
    }
}
