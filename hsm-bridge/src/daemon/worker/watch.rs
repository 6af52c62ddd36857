//! Calls that are inside the token, and when each must be back: a PKCS#11 call cannot be cancelled, only its process can.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a caller's deadline may be over before its worker is given up; the caller itself has left by then.
const GRACE: Duration = Duration::from_millis(100);
/// Making a key may take so many times longer than other calls: a large RSA key takes seconds.
const MAKING_FACTOR: u32 = 10;

/// Every call under way.
#[derive(Debug)]
pub(super) struct Watch {
    call_limit: Duration,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// No more calls are let in.
    closed: bool,
    next: u64,
    calls: HashMap<u64, (Instant, &'static str)>,
}

impl Watch {
    /// Watches calls that may take `call_limit` each.
    pub(super) fn new(call_limit: Duration) -> Self {
        Self {
            call_limit,
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call begins; it must be back by its caller's deadline and within the limit of a call. `None` when none may begin.
    pub(super) fn begin(
        &self,
        operation: &'static str,
        makes_a_key: bool,
        deadline: Instant,
        now: Instant,
    ) -> Option<Watched<'_>> {
        let limit = if makes_a_key {
            self.call_limit * MAKING_FACTOR
        } else {
            self.call_limit
        };
        let due = deadline.min(now + limit) + GRACE;
        let mut state = self.state();
        if state.closed {
            return None;
        }
        state.next += 1;
        let number = state.next;
        state.calls.insert(number, (due, operation));
        drop(state);
        Some(Watched {
            watch: self,
            number,
        })
    }

    /// Lets no more calls begin, and waits so long for those under way.
    pub(super) fn close(&self, limit: Duration) {
        let mut state = self.state();
        state.closed = true;
        drop(
            self.ended
                .wait_timeout_while(state, limit, |state| !state.calls.is_empty()),
        );
    }

    /// What is under way, by name.
    pub(super) fn under_way(&self) -> Vec<&'static str> {
        let state = self.state();
        state.calls.values().map(|(_, name)| *name).collect()
    }

    /// A call that should have been back by now.
    pub(super) fn overdue(&self, now: Instant) -> Option<&'static str> {
        let state = self.state();
        let mut late = state.calls.values().filter(|(due, _)| *due <= now);
        late.next().map(|(_, operation)| *operation)
    }
}

/// A call under way; dropping it notes its end.
pub(super) struct Watched<'a> {
    watch: &'a Watch,
    number: u64,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        state.calls.remove(&self.number);
        if state.closed {
            self.watch.ended.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_overdue_by_its_deadline_or_by_the_limit_and_not_after_its_end() {
        let watch = Watch::new(Duration::from_secs(5));
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let begin =
            |name, makes_a_key, deadline| watch.begin(name, makes_a_key, deadline, now).unwrap();
        let short = begin("sign", false, at(1_000));
        assert_eq!(watch.overdue(at(1_099)), None);
        assert_eq!(watch.overdue(at(1_100)), Some("sign"));
        drop(short);
        assert_eq!(watch.overdue(at(1_100)), None);
        let long = begin("hmac", false, at(90_000));
        let _making = begin("generate", true, at(90_000));
        assert_eq!(watch.overdue(at(5_100)), Some("hmac"));
        drop(long);
        assert_eq!(watch.overdue(at(50_099)), None);
        assert_eq!(watch.overdue(at(50_100)), Some("generate"));
        assert_eq!(watch.under_way(), ["generate"]);
    }

    #[test]
    fn closing_waits_for_what_is_under_way_and_lets_nothing_begin() {
        let watch = Watch::new(Duration::from_secs(5));
        let now = Instant::now();
        let begin = || watch.begin("sign", false, now + Duration::from_secs(5), now);
        let call = begin().unwrap();
        watch.close(Duration::ZERO);
        assert!(begin().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| watch.close(Duration::from_mins(1)));
            assert_eq!(watch.under_way(), ["sign"]);
            drop(call);
            waiting.join().unwrap();
        });
        assert!(watch.under_way().is_empty());
    }
}
