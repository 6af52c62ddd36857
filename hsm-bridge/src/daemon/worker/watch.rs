//! Calls that are inside the token, and when each must be back: a PKCS#11 call cannot be cancelled, only its process can.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::KeyId;
use crate::wire::Request;

/// How long a caller's deadline may be over before its worker is given up; the caller itself has left by then.
const GRACE: Duration = Duration::from_millis(100);
/// What a call may take however short its caller's patience is: that caller is answered by its own clock, and the others keep their worker.
const LEAST_LIMIT: Duration = Duration::from_secs(1);
/// Making a key may take so many times longer than other calls: a large RSA key takes seconds.
const MAKING_FACTOR: u32 = 10;

/// What is called, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) caller: String,
    pub(super) operation: &'static str,
    pub(super) makes_a_key: bool,
    /// The key that is named by its id.
    pub(super) key: Option<KeyId>,
}

impl Call {
    /// A call that names no key by its id and makes none.
    pub(super) fn new(caller: &str, operation: &'static str) -> Self {
        Self {
            caller: caller.to_owned(),
            operation,
            makes_a_key: false,
            key: None,
        }
    }

    /// The call that a request asks for.
    pub(super) fn of(caller: &str, request: &Request) -> Self {
        let (operation, makes_a_key) = request.describe();
        Self {
            caller: caller.to_owned(),
            operation,
            makes_a_key,
            key: request.key_id(),
        }
    }
}

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
    calls: HashMap<u64, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    due: Instant,
    call: Call,
    /// Whether it was given up already.
    given_up: bool,
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

    /// Notes that a call begins; it must be back by its caller's deadline, or within [`LEAST_LIMIT`] where that is later, and within the
    /// limit of a call. `None` when none may begin.
    pub(super) fn begin(&self, call: Call, deadline: Instant, now: Instant) -> Option<Watched<'_>> {
        let limit = if call.makes_a_key {
            self.call_limit * MAKING_FACTOR
        } else {
            self.call_limit
        };
        let due = deadline.max(now + LEAST_LIMIT).min(now + limit) + GRACE;
        let mut state = self.state();
        if state.closed {
            return None;
        }
        state.next += 1;
        let number = state.next;
        let under_way = UnderWay {
            due,
            call,
            given_up: false,
        };
        state.calls.insert(number, under_way);
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

    /// What is under way and was not given up before.
    pub(super) fn give_up(&self) -> Vec<Call> {
        let mut state = self.state();
        let still = state
            .calls
            .values_mut()
            .filter(|under_way| !under_way.given_up);
        still
            .map(|under_way| {
                under_way.given_up = true;
                under_way.call.clone()
            })
            .collect()
    }

    /// A call that should have been back by now.
    pub(super) fn overdue(&self, now: Instant) -> Option<&'static str> {
        let state = self.state();
        let mut late = state
            .calls
            .values()
            .filter(|under_way| under_way.due <= now);
        late.next().map(|under_way| under_way.call.operation)
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

    fn call(operation: &'static str, makes_a_key: bool) -> Call {
        Call {
            makes_a_key,
            ..Call::new("ca", operation)
        }
    }

    #[test]
    fn a_call_is_overdue_by_its_deadline_or_by_the_limit_and_not_after_its_end() {
        let watch = Watch::new(Duration::from_secs(5));
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let begin = |name, makes_a_key, deadline| {
            watch.begin(call(name, makes_a_key), deadline, now).unwrap()
        };
        let short = begin("sign", false, at(2_000));
        assert_eq!(watch.overdue(at(2_099)), None);
        assert_eq!(watch.overdue(at(2_100)), Some("sign"));
        drop(short);
        assert_eq!(watch.overdue(at(2_100)), None);
        let long = begin("hmac", false, at(90_000));
        let _making = begin("generate", true, at(90_000));
        assert_eq!(watch.overdue(at(5_100)), Some("hmac"));
        drop(long);
        assert_eq!(watch.overdue(at(50_099)), None);
        assert_eq!(watch.overdue(at(50_100)), Some("generate"));
        assert_eq!(watch.give_up(), [call("generate", true)]);
        assert_eq!(watch.give_up(), [], "what was given up is noted once");
    }

    #[test]
    fn an_impatient_caller_costs_the_others_no_worker() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let watch = Watch::new(Duration::from_secs(5));
        let _call = watch.begin(call("sign", false), at(1), now).unwrap();
        assert_eq!(watch.overdue(at(1_099)), None);
        assert_eq!(watch.overdue(at(1_100)), Some("sign"));
        // An operator who set a shorter limit meant it.
        let strict = Watch::new(Duration::from_millis(200));
        let _call = strict.begin(call("sign", false), at(90_000), now).unwrap();
        assert_eq!(strict.overdue(at(300)), Some("sign"));
    }

    #[test]
    fn closing_waits_for_what_is_under_way_and_lets_nothing_begin() {
        let watch = Watch::new(Duration::from_secs(5));
        let now = Instant::now();
        let begin = || watch.begin(call("sign", false), now + Duration::from_secs(5), now);
        let under_way = begin().unwrap();
        watch.close(Duration::ZERO);
        assert!(begin().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| watch.close(Duration::from_mins(1)));
            assert_eq!(watch.give_up(), [call("sign", false)]);
            drop(under_way);
            waiting.join().unwrap();
        });
        assert!(watch.give_up().is_empty());
    }
}
