//! Group commit: of all threads that wait for the disk, one leads and asks it once for all of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::AuditError;

/// Up to which line the log is on the disk, and who is bringing it further.
#[derive(Debug, Default)]
pub(super) struct Commit {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    synced: u64,
    leading: bool,
    failed: bool,
}

impl Commit {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when line `sequence` is on the disk. `lead` syncs all that is written and says up to where; it runs in one thread at a
    /// time, so a thread waits for the sync that runs when it comes and for one more at most. After a failure nobody is answered well.
    pub(super) fn wait(
        &self,
        sequence: u64,
        lead: impl Fn() -> Result<u64, AuditError>,
    ) -> Result<(), AuditError> {
        let mut state = self.state();
        while state.synced < sequence {
            if state.failed {
                return Err(AuditError::Poisoned);
            }
            if state.leading {
                state = self
                    .moved
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.leading = true;
            drop(state);
            let outcome = lead();
            state = self.state();
            state.leading = false;
            match &outcome {
                Ok(through) => state.synced = state.synced.max(*through),
                Err(_) => state.failed = true,
            }
            self.moved.notify_all();
            outcome?;
        }
        Ok(())
    }
}
