//! The token's capacity: how many calls it works on at once, and how long each takes at least.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A counting gate; without a limit it is always open.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: Option<u32>,
    inside: Mutex<u32>,
    freed: Condvar,
}

impl Gate {
    pub(crate) const fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            inside: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Enters, waiting for a place when `wait`; `None` when the token is full and the caller will not wait.
    pub(crate) fn enter(&self, wait: bool) -> Option<Pass<'_>> {
        let mut inside = self.lock();
        if let Some(limit) = self.limit {
            while *inside >= limit {
                if !wait {
                    return None;
                }
                inside = self
                    .freed
                    .wait(inside)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        *inside += 1;
        Some(Pass(self))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the token, given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        *inside = inside.saturating_sub(1);
        drop(inside);
        self.0.freed.notify_one();
    }
}

/// Passes time: a slow device and a hanging one are what this crate is for.
#[expect(
    clippy::disallowed_methods,
    reason = "plays a device that takes its time"
)]
pub(crate) fn pass_time(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn never_more_inside_than_the_limit() {
        let gate = Gate::new(Some(2));
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _pass = gate.enter(true).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        let _held = (gate.enter(false).unwrap(), gate.enter(false).unwrap());
        assert!(gate.enter(false).is_none());
    }
}
