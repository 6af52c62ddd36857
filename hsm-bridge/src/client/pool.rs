//! The client's connections: idle ones, and a bound on how many there are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::KeyStoreError;

pub(super) struct Pool {
    socket: PathBuf,
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: usize,
}

impl Pool {
    pub(super) fn new(socket: &Path, limit: usize) -> Self {
        Self {
            socket: socket.to_owned(),
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection, or a new one, waiting for a place until the deadline.
    pub(super) fn take(&self, deadline: Instant) -> io::Result<Connection> {
        let mut state = self.state();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(connection);
            }
            if state.open < self.limit {
                state.open += 1;
                drop(state);
                return Connection::open(&self.socket).inspect_err(|_| self.give_back_place());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Keeps a connection for the next call.
    pub(super) fn put(&self, connection: Connection) {
        self.state().idle.push(connection);
        self.changed.notify_one();
    }

    /// Closes a connection that failed.
    pub(super) fn lost(&self, connection: Connection) {
        drop(connection);
        self.give_back_place();
    }

    /// Closes every idle connection.
    pub(super) fn forget_idle(&self) {
        let mut state = self.state();
        let idle = std::mem::take(&mut state.idle);
        state.open = state.open.saturating_sub(idle.len());
        drop(state);
        self.changed.notify_all();
    }

    fn give_back_place(&self) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits before the daemon is looked for again, or until another thread has a connection to spare.
    pub(super) fn pause(&self, pause: Duration) {
        let state = self.state();
        drop(
            self.changed
                .wait_timeout_while(state, pause, |state| state.idle.is_empty()),
        );
    }

    /// What a caller is told when no connection can be had.
    pub(super) fn unavailable(&self, error: &io::Error) -> KeyStoreError {
        KeyStoreError::TokenUnavailable(format!("hsm-bridge at {}: {error}", self.socket.display()))
    }
}

/// Whether a failed attempt to connect is worth another: a daemon that restarts, yes; a socket we may not open, no.
pub(super) fn may_come_back(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::PermissionDenied
}
