//! What is known about every token, for those who wait for one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::routes::{Choice, Routes, State, choose};
use super::worker::wall_clock;
use crate::KeyStoreError;

/// The states of all tokens, and which token each route uses.
#[derive(Debug)]
pub(super) struct Board {
    routes: Routes,
    fail_back_after: Duration,
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug)]
struct Known {
    states: Vec<State>,
    in_use: Vec<Option<usize>>,
    past: Vec<Past>,
}

/// What became of a token so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    /// Since when it is as it is: sound, or not.
    pub(super) since: SystemTime,
    /// How often it became sound again after it was not.
    pub(super) restarts: u64,
    /// Nothing while it is opened for the first time.
    sound: Option<bool>,
}

/// All that is known at a moment: every token's state and past, and the token that serves each route.
pub(super) struct Overview {
    pub(super) tokens: Vec<(State, Past)>,
    pub(super) routes: Vec<Option<usize>>,
}

impl Board {
    pub(super) fn new(routes: Routes, tokens: usize, fail_back_after: Duration) -> Self {
        let in_use = vec![None; routes.count()];
        Self {
            routes,
            fail_back_after,
            known: Mutex::new(Known {
                states: vec![State::Starting; tokens],
                in_use,
                past: vec![Past::begin(); tokens],
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a token's state and wakes those who wait.
    pub(super) fn set(&self, token: usize, state: State) {
        let mut known = self.known();
        if let Some(past) = known.past.get_mut(token) {
            past.note(&state);
        }
        if let Some(place) = known.states.get_mut(token) {
            *place = state;
        }
        drop(known);
        self.changed.notify_all();
    }

    /// The token to use for a route, waited for until the deadline.
    pub(super) fn pick(&self, route: usize, deadline: Instant) -> Result<usize, KeyStoreError> {
        let mut known = self.known();
        loop {
            let now = Instant::now();
            match self.choose(&mut known, route, now) {
                Choice::Token(token) => return Ok(token),
                Choice::Refuse(error) => return Err(error),
                Choice::Wait(error) if now >= deadline => return Err(error),
                Choice::Wait(_) => {}
            }
            known = self
                .changed
                .wait_timeout(known, deadline.saturating_duration_since(now))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for one token until the deadline, whatever the routes say.
    pub(super) fn await_token(&self, token: usize, deadline: Instant) -> Result<(), KeyStoreError> {
        let mut known = self.known();
        loop {
            let error = match known.states.get(token) {
                Some(State::Ready(_)) => return Ok(()),
                Some(State::Stopped(error)) => return Err(error.clone()),
                Some(State::Down(error)) => error.clone(),
                Some(State::Starting) | None => {
                    KeyStoreError::TokenUnavailable("the token is being opened".to_owned())
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            known = self
                .changed
                .wait_timeout(known, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn choose(&self, known: &mut Known, route: usize, now: Instant) -> Choice {
        let used = known.in_use.get(route).copied().flatten();
        let order = self.routes.tokens(route);
        let choice = choose(order, &known.states, used, now, self.fail_back_after);
        if let (Choice::Token(token), Some(place)) = (&choice, known.in_use.get_mut(route)) {
            *place = Some(*token);
        }
        choice
    }

    /// Chooses anew for every route and names the tokens that are no longer used by one of them.
    pub(super) fn review(&self, now: Instant) -> Vec<usize> {
        let mut known = self.known();
        let mut left = Vec::new();
        for route in 0..self.routes.count() {
            let before = known.in_use.get(route).copied().flatten();
            if let (Some(before), Choice::Token(after)) =
                (before, self.choose(&mut known, route, now))
                && before != after
                && matches!(known.states.get(before), Some(State::Ready(_)))
            {
                left.push(before);
            }
        }
        left.sort_unstable();
        left.dedup();
        left
    }

    /// Waits until every token was opened or could not be; an error means that none was, and is the first one's. A token that awaits its
    /// custodians is worth waiting for.
    pub(super) fn first_outcome(&self) -> Result<(), KeyStoreError> {
        let mut known = self.known();
        while known.states.contains(&State::Starting) {
            known = self
                .changed
                .wait(known)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut first = None;
        for state in &known.states {
            match state {
                State::Ready(_) | State::Starting => return Ok(()),
                State::Down(error) if error.is_awaiting_quorum() => return Ok(()),
                State::Down(error) | State::Stopped(error) => {
                    first.get_or_insert_with(|| error.clone());
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Looks at everything, and changes nothing.
    pub(super) fn overview(&self, now: Instant) -> Overview {
        let known = self.known();
        let serves = |route: usize| {
            let used = known.in_use.get(route).copied().flatten();
            let order = self.routes.tokens(route);
            match choose(order, &known.states, used, now, self.fail_back_after) {
                Choice::Token(token) => Some(token),
                Choice::Wait(_) | Choice::Refuse(_) => None,
            }
        };
        Overview {
            tokens: known
                .states
                .iter()
                .cloned()
                .zip(known.past.iter().copied())
                .collect(),
            routes: (0..self.routes.count()).map(serves).collect(),
        }
    }

    /// The state of every token, in their order.
    pub(super) fn states(&self) -> Vec<State> {
        self.known().states.clone()
    }
}

impl Past {
    fn begin() -> Self {
        Self {
            since: wall_clock(),
            restarts: 0,
            sound: None,
        }
    }

    fn note(&mut self, state: &State) {
        let sound = matches!(state, State::Ready(_));
        if self.sound != Some(sound) {
            self.since = wall_clock();
            self.restarts += u64::from(sound && self.sound.is_some());
            self.sound = Some(sound);
        }
    }
}
