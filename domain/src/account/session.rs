//! How long a sign-in lasts.

use jiff::{SignedDuration, Timestamp};

/// The two limits of a session (NIST SP 800-63B §2): since signing in, and since the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Time after which one must sign in again whatever happened.
    pub absolute: SignedDuration,
    /// Time without a request after which one must sign in again.
    pub idle: SignedDuration,
}

impl SessionLimits {
    /// Citizens with two factors.
    pub const CITIZEN: Self = Self {
        absolute: SignedDuration::from_hours(24),
        idle: SignedDuration::from_hours(1),
    };
    /// Citizens with one factor; kept short because little may be done with it.
    pub const ONE_FACTOR: Self = Self {
        absolute: SignedDuration::from_hours(1),
        idle: SignedDuration::from_mins(15),
    };
    /// Members of staff, whose reach is wider.
    pub const STAFF: Self = Self {
        absolute: SignedDuration::from_hours(12),
        idle: SignedDuration::from_mins(30),
    };

    /// The limits for an assurance level and holder.
    pub const fn of(aal: u8, staff: bool) -> Self {
        match (aal, staff) {
            (_, true) => Self::STAFF,
            (0 | 1, false) => Self::ONE_FACTOR,
            (_, false) => Self::CITIZEN,
        }
    }

    /// The moment the session ends if nothing more happens.
    pub fn ends_at(self, signed_in: Timestamp, last_seen: Timestamp) -> Timestamp {
        let absolute = signed_in.saturating_add(self.absolute).unwrap_or(signed_in);
        let idle = last_seen.saturating_add(self.idle).unwrap_or(last_seen);
        absolute.min(idle)
    }

    /// Whether the session still counts; a clock that went back before the sign-in ends it.
    pub fn is_live(self, signed_in: Timestamp, last_seen: Timestamp, now: Timestamp) -> bool {
        now >= signed_in && now < self.ends_at(signed_in, last_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn both_limits_end_a_session_to_the_second() {
        let limits = SessionLimits::of(2, false);
        assert!(limits.is_live(at(0), at(0), at(3599)));
        assert!(!limits.is_live(at(0), at(0), at(3600)));
        assert!(limits.is_live(at(0), at(86_000), at(86_399)));
        assert!(!limits.is_live(at(0), at(86_399), at(86_400)));
        assert!(!limits.is_live(at(0), at(0), at(-1)));
    }

    #[test]
    fn staff_sessions_are_shorter() {
        assert!(SessionLimits::of(2, true).absolute < SessionLimits::of(2, false).absolute);
        assert!(SessionLimits::of(2, true).idle < SessionLimits::of(2, false).idle);
    }
}
