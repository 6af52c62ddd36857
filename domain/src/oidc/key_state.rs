//! The life of a signing key of the provider: announced before use, published until its last token has died.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, not yet used: clients refresh their copy of the key set.
    Pending,
    /// Signs.
    Active,
    /// Published so that older tokens still verify; signs no more.
    Retiring,
    /// No longer published.
    Retired,
}

impl KeyState {
    /// The state's name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }

    /// The state of a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Retiring, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether the key stands in the published set.
    pub fn is_published(self) -> bool {
        self != Self::Retired
    }

    /// The state that may follow; `None` at the end.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::Active),
            Self::Active => Some(Self::Retiring),
            Self::Retiring => Some(Self::Retired),
            Self::Retired => None,
        }
    }
}

/// How long each state lasts at least, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// Announcement before use: at least the time for which clients cache the key set.
    pub announce: i64,
    /// Time in use.
    pub active: i64,
    /// Publication after use: at least the life of the longest-lived token.
    pub retire: i64,
}

impl RotationPolicy {
    /// Whether a key that entered `state` at `since` is due to leave it.
    pub fn is_due(&self, state: KeyState, since: Timestamp, now: Timestamp) -> bool {
        let age = now.as_second().saturating_sub(since.as_second());
        match state {
            KeyState::Pending => age >= self.announce,
            KeyState::Active => age >= self.active,
            KeyState::Retiring => age >= self.retire,
            KeyState::Retired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_one_way() {
        let mut state = KeyState::Pending;
        let mut seen = vec![state];
        while let Some(next) = state.next() {
            assert_eq!(KeyState::parse(next.as_str()), Some(next));
            state = next;
            seen.push(state);
        }
        assert_eq!(seen.len(), 4);
        assert!(!state.is_published());
    }

    #[test]
    fn a_key_leaves_its_state_when_its_time_is_up() {
        let policy = RotationPolicy { announce: 10, active: 100, retire: 50 };
        let at = |s| Timestamp::from_second(s).unwrap();
        assert!(!policy.is_due(KeyState::Pending, at(0), at(9)));
        assert!(policy.is_due(KeyState::Pending, at(0), at(10)));
        assert!(policy.is_due(KeyState::Active, at(0), at(100)));
        assert!(!policy.is_due(KeyState::Retired, at(0), at(1_000_000)));
    }
}
