//! The client's connections: idle ones, and a bound on how many there are.

use std::collections::HashMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Failure};
use super::transport::{Dialer, Transport};
use crate::wire::Target;
use crate::{KeyLabel, KeyStoreError};

pub(super) struct Pool {
    dialer: Dialer,
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Idle connections by the route they serve.
    idle: HashMap<u32, Vec<Connection>>,
    open: usize,
    /// The route of each key that was asked for.
    routes: HashMap<KeyLabel, u32>,
    /// How many routes the daemon has; at least one.
    count: u32,
}

impl State {
    fn take_idle(&mut self, target: &Target) -> Option<Connection> {
        let route = match target {
            Target::Route(route) => route,
            Target::Label(label) => self.routes.get(label)?,
            // Orders have connections of their own.
            Target::Token(_) => return None,
        };
        self.idle.get_mut(route)?.pop()
    }

    /// Closes an idle connection of any route, to make room for one of another.
    fn drop_idle(&mut self) -> bool {
        let dropped = self.idle.values_mut().find_map(Vec::pop).is_some();
        self.open -= usize::from(dropped);
        dropped
    }
}

impl Pool {
    pub(super) fn new(transport: Transport, limit: usize) -> Self {
        Self {
            dialer: Dialer::new(transport),
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many routes the daemon has.
    pub(super) fn routes(&self) -> u32 {
        self.state().count.max(1)
    }

    /// An idle connection to the token of a key, or a new one, waiting for a place until the deadline.
    pub(super) fn take(&self, target: &Target, deadline: Instant) -> Result<Connection, Failure> {
        let mut state = self.state();
        loop {
            if let Some(connection) = state.take_idle(target) {
                if !connection.is_closed() {
                    return Ok(connection);
                }
                state.open -= 1;
                continue;
            }
            if state.open < self.limit || state.drop_idle() {
                state.open += 1;
                drop(state);
                return self
                    .open(target, deadline)
                    .inspect_err(|_| self.give_back_place());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Deadline);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn open(&self, target: &Target, deadline: Instant) -> Result<Connection, Failure> {
        let (connection, routes) = Connection::open(&self.dialer, target, deadline)?;
        let mut state = self.state();
        state.count = routes;
        if let Target::Label(label) = target {
            state.routes.insert(label.clone(), connection.route());
        }
        Ok(connection)
    }

    /// Keeps a connection for the next call.
    pub(super) fn put(&self, connection: Connection) {
        self.state()
            .idle
            .entry(connection.route())
            .or_default()
            .push(connection);
        // Whoever waits may wait for another route, and can make room for it now.
        self.changed.notify_all();
    }

    /// Closes a connection that failed.
    pub(super) fn lost(&self, connection: Connection) {
        drop(connection);
        self.give_back_place();
    }

    /// Closes every idle connection of a route.
    pub(super) fn forget_idle(&self, route: u32) {
        let mut state = self.state();
        let idle = state.idle.remove(&route).unwrap_or_default();
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
                .wait_timeout_while(state, pause, |state| state.idle.values().all(Vec::is_empty)),
        );
    }

    /// What a caller is told when no connection can be had.
    pub(super) fn unavailable(&self, error: &io::Error) -> KeyStoreError {
        KeyStoreError::TokenUnavailable(format!(
            "hsm-bridge at {}: {error}",
            self.dialer.transport()
        ))
    }
}

/// Whether a failed attempt to connect is worth another: a daemon that restarts, yes; a socket we may not open, no.
pub(super) fn may_come_back(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::PermissionDenied
}
