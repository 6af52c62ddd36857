//! Slowing down guesses.
//!
//! Every try is counted before it is judged, so that a burst of parallel tries gains nothing; a success clears the
//! counter. Counters exist per client and account, per client, and per account; passkeys are never held back by the
//! counters of the password path, so nobody can lock a passkey holder out.

use jiff::{SignedDuration, Timestamp};

/// How many tries are free and how the wait grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// Tries before any wait.
    pub free: u32,
    /// The first wait; it doubles with each further try.
    pub first_wait: SignedDuration,
    /// The longest wait.
    pub longest_wait: SignedDuration,
    /// Tries after which the way is closed until the counter is cleared (NIST SP 800-63B §3.2.2: at most 100).
    pub ceiling: Option<u32>,
    /// Quiet time after which the counter starts anew; ignored once the ceiling is reached.
    pub forget_after: SignedDuration,
}

impl ThrottlePolicy {
    /// One account tried from one client.
    pub const ACCOUNT_AND_CLIENT: Self = Self {
        free: 5,
        first_wait: SignedDuration::from_secs(30),
        longest_wait: SignedDuration::from_hours(1),
        ceiling: None,
        forget_after: SignedDuration::from_hours(24),
    };
    /// One account tried from anywhere: wide, so that a stranger hardly slows its holder, but closed at last.
    pub const ACCOUNT: Self = Self {
        free: 30,
        first_wait: SignedDuration::from_secs(5),
        longest_wait: SignedDuration::from_mins(15),
        ceiling: Some(100),
        forget_after: SignedDuration::from_hours(24 * 30),
    };
    /// One client trying any accounts: wide enough for an office behind one address.
    pub const CLIENT: Self = Self {
        free: 60,
        first_wait: SignedDuration::from_secs(10),
        longest_wait: SignedDuration::from_hours(1),
        ceiling: None,
        forget_after: SignedDuration::from_hours(1),
    };
}

/// What is remembered of tries under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Tries since the counter was last cleared.
    pub tries: u32,
    /// The last counted try.
    pub last_try: Timestamp,
    /// Before this moment no try is accepted.
    pub blocked_until: Timestamp,
}

/// A try came too early or the way is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// Try again after this time.
    #[error("too many tries")]
    Wait(SignedDuration),
    /// The way stays closed until the holder recovers the account.
    #[error("closed after too many tries")]
    Closed,
}

impl Throttle {
    /// A counter that has seen nothing.
    pub const fn fresh(now: Timestamp) -> Self {
        Self {
            tries: 0,
            last_try: now,
            blocked_until: now,
        }
    }

    /// Counts a try at `now`, or says that it may not take place; a held try is not counted.
    pub fn count(self, policy: &ThrottlePolicy, now: Timestamp) -> Result<Self, Held> {
        let closed = policy.ceiling.is_some_and(|ceiling| self.tries >= ceiling);
        if closed {
            return Err(Held::Closed);
        }
        if now < self.blocked_until {
            return Err(Held::Wait(now.duration_until(self.blocked_until)));
        }
        let quiet = self.last_try.duration_until(now) >= policy.forget_after;
        let tries = if quiet {
            1
        } else {
            self.tries.saturating_add(1)
        };
        let wait = policy.wait_after(tries);
        Ok(Self {
            tries,
            last_try: now,
            blocked_until: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
        })
    }
}

impl ThrottlePolicy {
    /// The wait that follows the n-th try.
    pub fn wait_after(&self, tries: u32) -> SignedDuration {
        let Some(beyond) = tries.checked_sub(self.free).filter(|beyond| *beyond > 0) else {
            return SignedDuration::ZERO;
        };
        let factor = 1_i32.checked_shl((beyond - 1).min(30)).unwrap_or(i32::MAX);
        self.first_wait
            .checked_mul(factor)
            .unwrap_or(self.longest_wait)
            .min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = ThrottlePolicy::ACCOUNT_AND_CLIENT;
        assert_eq!(policy.wait_after(5), SignedDuration::ZERO);
        assert_eq!(policy.wait_after(6), SignedDuration::from_secs(30));
        assert_eq!(policy.wait_after(7), SignedDuration::from_secs(60));
        assert_eq!(policy.wait_after(500), policy.longest_wait);
    }

    #[test]
    fn the_hundred_and_first_try_is_refused_even_later() {
        let policy = ThrottlePolicy::ACCOUNT;
        let mut throttle = Throttle::fresh(at(0));
        for _ in 0..100 {
            throttle = throttle.count(&policy, throttle.blocked_until).unwrap();
        }
        assert_eq!(
            throttle.count(&policy, throttle.blocked_until),
            Err(Held::Closed)
        );
        assert_eq!(throttle.count(&policy, at(400 * 86_400)), Err(Held::Closed));
    }

    proptest! {
        #[test]
        fn a_counted_try_is_never_inside_a_wait(gaps in prop::collection::vec(0_i64..4000, 1..60)) {
            let policy = ThrottlePolicy::ACCOUNT_AND_CLIENT;
            let mut now = 0;
            let mut throttle = Throttle::fresh(at(0));
            for gap in gaps {
                now += gap;
                let before = throttle;
                match throttle.count(&policy, at(now)) {
                    Ok(after) => {
                        prop_assert!(at(now) >= before.blocked_until);
                        prop_assert!(after.blocked_until >= at(now));
                        throttle = after;
                    }
                    Err(Held::Wait(wait)) => {
                        prop_assert!(wait <= policy.longest_wait && wait > SignedDuration::ZERO);
                        prop_assert!(at(now) < before.blocked_until);
                    }
                    Err(Held::Closed) => prop_assert!(false, "this policy never closes"),
                }
            }
        }
    }
}
