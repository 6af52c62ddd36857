//! The client's connections: idle ones, a bound on how many there are, and those who wait for one.
//!
//! Whoever waits is in the queue, and then no connection is idle and no place is free: both are handed on before they are given back.

use std::collections::HashMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Failure};
use super::queue::{Errand, Queue, Ticket, Turn, shared};
use super::transport::{Dialer, Transport};
use crate::wire::{Reply, Request, Target};
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
    queue: Queue,
    /// The route of each key that was asked for.
    routes: HashMap<KeyLabel, u32>,
    /// How many routes the daemon has; at least one.
    count: u32,
}

/// What a caller has to go on with.
pub(super) enum Given {
    /// A connection for itself, and what others want sent on it as well.
    Connection(Connection, Vec<Errand>),
    /// The end of its own request, which another caller sent.
    Answer(Result<Reply, Failure>),
}

impl State {
    fn route(&self, target: &Target) -> Option<u32> {
        match target {
            Target::Route(route) => Some(*route),
            Target::Label(label) => self.routes.get(label).copied(),
            // Orders have connections of their own.
            Target::Token(_) => None,
        }
    }

    fn take_idle(&mut self, target: &Target) -> Option<Connection> {
        let route = self.route(target)?;
        self.idle.get_mut(&route)?.pop()
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

    /// An idle connection to the token of a key, or a new one, waiting for its turn until the deadline. A `request` that others may go
    /// with may also be sent by another caller meanwhile.
    pub(super) fn take(
        &self,
        target: &Target,
        request: Option<&Request>,
        deadline: Instant,
    ) -> Result<Given, Failure> {
        let mut state = self.state();
        while let Some(connection) = state.take_idle(target) {
            if !connection.is_closed() {
                return Ok(Given::Connection(connection, Vec::new()));
            }
            state.open -= 1;
        }
        if state.open < self.limit || state.drop_idle() {
            state.open += 1;
            drop(state);
            return self.open_for(target, request, deadline);
        }
        let ticket = Ticket::new(state.route(target), request, deadline);
        let slot = ticket.slot();
        state.queue.push(ticket);
        drop(state);
        let turn = slot.wait(deadline).or_else(|| {
            let waited_in_vain = self.state().queue.leave(&slot);
            // Its turn may have come in the last moment.
            let turn = slot.take();
            match turn {
                None if waited_in_vain => Some(Turn::Answer(Err(Failure::Deadline))),
                turn => turn,
            }
        });
        match turn {
            Some(Turn::Connection(connection, errands)) => {
                Ok(Given::Connection(connection, errands))
            }
            Some(Turn::Place) => self.open_for(target, request, deadline),
            Some(Turn::Answer(answer)) => Ok(Given::Answer(answer)),
            // Another caller has sent it, and has no answer yet.
            None => Ok(Given::Answer(Err(Failure::Overdue))),
        }
    }

    /// Opens a connection in a place that is the caller's.
    fn open_for(
        &self,
        target: &Target,
        request: Option<&Request>,
        deadline: Instant,
    ) -> Result<Given, Failure> {
        let opened = Connection::open(&self.dialer, target, deadline);
        let (connection, routes) = opened.inspect_err(|_| self.give_back_place())?;
        let mut state = self.state();
        state.count = routes;
        if let Target::Label(label) = target {
            state.routes.insert(label.clone(), connection.route());
        }
        let errands = request.and_then(shared).map_or_else(Vec::new, |(_, own)| {
            state.queue.share(connection.route(), self.limit, own)
        });
        Ok(Given::Connection(connection, errands))
    }

    /// Hands a connection on, or keeps it for the next call.
    pub(super) fn put(&self, connection: Connection) {
        let mut state = self.state();
        let route = connection.route();
        let Some(first) = state.queue.pop() else {
            state.idle.entry(route).or_default().push(connection);
            drop(state);
            self.changed.notify_all();
            return;
        };
        if first.route == Some(route) {
            let own = first.bytes();
            let errands =
                own.map_or_else(Vec::new, |own| state.queue.share(route, self.limit, own));
            first.call(Turn::Connection(connection, errands));
        } else {
            // It needs a connection to another token, and this one makes room for it.
            first.call(Turn::Place);
            drop(state);
            drop(connection);
        }
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
    }

    fn give_back_place(&self) {
        let mut state = self.state();
        match state.queue.pop() {
            Some(first) => first.call(Turn::Place),
            None => state.open = state.open.saturating_sub(1),
        }
    }

    /// Waits before the daemon is looked for again, or until another thread has a connection to spare.
    pub(super) fn pause(&self, pause: Duration) {
        let state = self.state();
        drop(
            self.changed
                .wait_timeout_while(state, pause, |state| state.idle.values().all(Vec::is_empty)),
        );
    }

    /// How many callers wait for their turn.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state().queue.len()
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
