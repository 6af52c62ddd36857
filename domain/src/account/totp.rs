//! One-time codes by time (RFC 6238): each time step is accepted once.

/// Digits of a code.
pub const DIGITS: usize = 6;
/// Seconds of a time step.
pub const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one that are accepted, for clocks that run wrong (RFC 6238 §5.2).
pub const SKEW_STEPS: u16 = 1;
/// Bytes of a shared secret (RFC 4226 §4, R6).
pub const SECRET_BYTES: usize = 20;

/// Why a code is not accepted; both are told to the person in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No step in the window has this code.
    #[error("wrong code")]
    Wrong,
    /// The step, or a later one, was used before.
    #[error("code used before")]
    Replayed,
}

/// The step to remember as used, when the code matched `matched` and `last` was the last step used.
///
/// A step older than the last one used is refused too, so that a code seen over a shoulder is worthless at once.
pub const fn accept(matched: Option<u64>, last: Option<u64>) -> Result<u64, Refused> {
    match (matched, last) {
        (None, _) => Err(Refused::Wrong),
        (Some(step), Some(last)) if step <= last => Err(Refused::Replayed),
        (Some(step), _) => Ok(step),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_step_is_used_once() {
        assert_eq!(accept(Some(10), None), Ok(10));
        assert_eq!(accept(Some(10), Some(10)), Err(Refused::Replayed));
        assert_eq!(accept(Some(9), Some(10)), Err(Refused::Replayed));
        assert_eq!(accept(Some(11), Some(10)), Ok(11));
        assert_eq!(accept(None, None), Err(Refused::Wrong));
    }

    proptest! {
        #[test]
        fn accepted_steps_grow(steps in prop::collection::vec(prop::option::of(0_u64..20), 0..40)) {
            let mut last = None;
            for step in steps {
                if let Ok(accepted) = accept(step, last) {
                    prop_assert!(last.is_none_or(|last| accepted > last));
                    last = Some(accepted);
                }
            }
        }
    }
}
