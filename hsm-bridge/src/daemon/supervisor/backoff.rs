//! How long to wait before a worker is started again: not at all the first time, then longer and longer, never in step.

use std::time::Duration;

/// The pause after the second failure in a row; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause, before jitter.
const LONGEST: Duration = Duration::from_secs(30);
/// A worker that served this long had no failure in a row with the next.
pub(super) const SOUND_AFTER: Duration = Duration::from_secs(2);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a worker that served for `served` has ended; `noise` shortens it by up to a quarter.
    pub(super) fn next(&mut self, served: Option<Duration>, noise: u64) -> Duration {
        if served.is_some_and(|served| served >= SOUND_AFTER) {
            self.failures = 0;
        }
        let pause = match self.failures.checked_sub(1) {
            // A worker that served and fell is replaced at once.
            None if served.is_some() => Duration::ZERO,
            None => FIRST,
            Some(doublings) => FIRST
                .saturating_mul(2_u32.saturating_pow(doublings.min(16)))
                .min(LONGEST),
        };
        self.failures = self.failures.saturating_add(1);
        let quarter = pause / 4;
        let cut = quarter.as_micros().min(u128::from(u64::MAX));
        let cut = u64::try_from(cut).unwrap_or(0);
        pause.saturating_sub(Duration::from_micros(noise.checked_rem(cut).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_replacement_comes_at_once_and_a_sound_stretch_forgives() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Some(SOUND_AFTER), 0), Duration::ZERO);
        assert_eq!(backoff.next(Some(Duration::from_secs(1)), 0), FIRST);
        assert_eq!(backoff.next(None, 0), FIRST * 2);
        assert_eq!(backoff.next(Some(SOUND_AFTER), 0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_stay_below_the_longest(noise in proptest::collection::vec(any::<u64>(), 1..40)) {
            let mut backoff = Backoff::default();
            let mut full = Duration::ZERO;
            for noise in noise {
                let pause = backoff.next(None, noise);
                full = if full.is_zero() { FIRST } else { full };
                prop_assert!(pause <= LONGEST && pause * 4 >= FIRST * 3);
            }
        }
    }
}
