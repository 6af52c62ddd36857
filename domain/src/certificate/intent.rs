//! The intent to sign: what was meant to be signed, written before the key is asked (rule 2 of the floor plan).

use std::str::FromStr;

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// Written; the signature may or may not have been made.
    Pending,
    /// Signed, verified and stored.
    Issued,
    /// Refused by the token or by a check after signing; nothing was handed out.
    Failed,
    /// Found without a result after a crash; its serial number is never used again.
    Abandoned,
}

/// How an intent can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentOutcome {
    /// The certificate was stored.
    Issued,
    /// Signing or a check after it failed.
    Failed,
    /// A restart found it unfinished.
    Abandoned,
}

impl IntentState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Issued, Self::Failed, Self::Abandoned];

    /// The state after `outcome`, or `None` when the intent has ended before.
    pub const fn end(self, outcome: IntentOutcome) -> Option<Self> {
        match (self, outcome) {
            (Self::Pending, IntentOutcome::Issued) => Some(Self::Issued),
            (Self::Pending, IntentOutcome::Failed) => Some(Self::Failed),
            (Self::Pending, IntentOutcome::Abandoned) => Some(Self::Abandoned),
            _ => None,
        }
    }

    /// The word stored for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Issued => "issued",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl From<IntentOutcome> for IntentState {
    fn from(outcome: IntentOutcome) -> Self {
        match outcome {
            IntentOutcome::Issued => Self::Issued,
            IntentOutcome::Failed => Self::Failed,
            IntentOutcome::Abandoned => Self::Abandoned,
        }
    }
}

/// The stored word names no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state of an issuance intent")]
pub struct UnknownIntentState;

impl FromStr for IntentState {
    type Err = UnknownIntentState;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(UnknownIntentState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_ends_once() {
        for outcome in [
            IntentOutcome::Issued,
            IntentOutcome::Failed,
            IntentOutcome::Abandoned,
        ] {
            let ended = IntentState::Pending.end(outcome).expect("pending can end");
            assert_eq!(ended, IntentState::from(outcome));
            for again in [
                IntentOutcome::Issued,
                IntentOutcome::Failed,
                IntentOutcome::Abandoned,
            ] {
                assert_eq!(ended.end(again), None);
            }
        }
    }

    #[test]
    fn words_lead_back_to_the_state() {
        for state in IntentState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("signed".parse::<IntentState>().is_err());
    }
}
