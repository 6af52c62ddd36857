//! A token bucket: so many operations a second, and as many at once after a rest.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Counts in millionths of an operation, so that slow rates fill evenly.
const UNIT: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    level: u64,
    filled: Option<Instant>,
}

impl Bucket {
    /// A full bucket that fills with `rate` operations a second.
    pub(super) fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self {
            rate,
            state: Mutex::new(State {
                level: rate * UNIT,
                filled: None,
            }),
        }
    }

    /// Takes one operation out, if one is left at this moment.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = state.filled.map_or(0, |filled| {
            now.saturating_duration_since(filled).as_micros()
        });
        let gained = u64::try_from(rested)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.rate);
        state.level = state.level.saturating_add(gained).min(self.rate * UNIT);
        state.filled = Some(state.filled.map_or(now, |filled| filled.max(now)));
        match state.level.checked_sub(UNIT) {
            Some(left) => {
                state.level = left;
                true
            }
            None => false,
        }
    }
}
