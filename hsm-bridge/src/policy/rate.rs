//! What a grant still has: a token bucket for the second, a ceiling for the UTC day.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts in millionths of an operation, so that slow rates fill evenly.
const UNIT: u64 = 1_000_000;

const DAY: Duration = Duration::from_hours(24);

/// Days since 1970 in UTC; an earlier clock counts as the first day.
pub(super) fn day_of(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / DAY.as_secs())
}

/// Why nothing could be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    /// Too many in this second.
    Rate,
    /// Too many on this day.
    Day,
}

/// What one grant may spend; both limits are taken from at once or not at all.
#[derive(Debug)]
pub(super) struct Budget {
    rate: Option<u64>,
    per_day: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    level: u64,
    filled: Option<Instant>,
    day: u64,
    used: u64,
}

impl Budget {
    /// Whether there is a ceiling by the day.
    pub(super) const fn has_ceiling(&self) -> bool {
        self.per_day.is_some()
    }

    /// A full budget: `rate` operations a second and as many at once, `per_day` a day.
    pub(super) fn new(rate: Option<u32>, per_day: Option<u64>) -> Self {
        let rate = rate.map(u64::from);
        Self {
            rate,
            per_day,
            state: Mutex::new(State {
                level: rate.unwrap_or(0) * UNIT,
                filled: None,
                day: 0,
                used: 0,
            }),
        }
    }

    /// Takes one operation out of both, if both have one left at this moment.
    pub(super) fn take(&self, instant: Instant, day: u64) -> Result<(), Spent> {
        if self.rate.is_none() && self.per_day.is_none() {
            return Ok(());
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.begin(day);
        if self.per_day.is_some_and(|most| state.used >= most) {
            return Err(Spent::Day);
        }
        if let Some(rate) = self.rate {
            state.fill(rate, instant);
            state.level = state.level.checked_sub(UNIT).ok_or(Spent::Rate)?;
        }
        state.used = state.used.saturating_add(1);
        Ok(())
    }

    /// Counts what was used on `day` before this process began.
    pub(super) fn count(&self, day: u64, used: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.begin(day);
        if state.day == day {
            state.used = state.used.saturating_add(used);
        }
    }
}

impl State {
    /// A clock that steps back opens no day again: what was used stays used.
    fn begin(&mut self, day: u64) {
        if day > self.day {
            self.day = day;
            self.used = 0;
        }
    }

    fn fill(&mut self, rate: u64, now: Instant) {
        let rested = self.filled.map_or(0, |filled| {
            now.saturating_duration_since(filled).as_micros()
        });
        let gained = u64::try_from(rested)
            .unwrap_or(u64::MAX)
            .saturating_mul(rate);
        self.level = self.level.saturating_add(gained).min(rate * UNIT);
        self.filled = Some(self.filled.map_or(now, |filled| filled.max(now)));
    }
}
