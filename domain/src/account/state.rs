//! The life of an account.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnknownWord;

/// Where an account stands; only [`AccountState::Active`] may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// Created; its holder has not chosen a way to sign in yet.
    Invited,
    /// In use.
    Active,
    /// Stopped for a time by the state; sessions are ended, data is kept.
    Suspended,
    /// Ended for good by its holder or by law.
    Closed,
}

/// What happens to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountAct {
    /// The holder finished choosing ways to sign in.
    Activate,
    /// The state stops it for a time.
    Suspend,
    /// A suspension is lifted.
    Reinstate,
    /// It ends.
    Close,
}

/// An act that the state of the account does not permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account that is {state} cannot {act:?}")]
pub struct ForbiddenAct {
    /// Where the account stands.
    pub state: AccountState,
    /// What was tried.
    pub act: AccountAct,
}

impl AccountState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Invited, Self::Active, Self::Suspended, Self::Closed];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// The state after the act; closed is final.
    pub const fn after(self, act: AccountAct) -> Result<Self, ForbiddenAct> {
        match (self, act) {
            (Self::Invited, AccountAct::Activate) | (Self::Suspended, AccountAct::Reinstate) => {
                Ok(Self::Active)
            }
            (Self::Active, AccountAct::Suspend) => Ok(Self::Suspended),
            (Self::Invited | Self::Active | Self::Suspended, AccountAct::Close) => Ok(Self::Closed),
            _ => Err(ForbiddenAct { state: self, act }),
        }
    }
}

impl FromStr for AccountState {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownWord {
                kind: "account state",
                word: word.to_owned(),
            })
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_is_final_and_only_active_comes_from_activation() {
        for act in [
            AccountAct::Activate,
            AccountAct::Suspend,
            AccountAct::Reinstate,
            AccountAct::Close,
        ] {
            assert!(AccountState::Closed.after(act).is_err());
        }
        assert_eq!(
            AccountState::Invited.after(AccountAct::Activate),
            Ok(AccountState::Active)
        );
        assert!(AccountState::Active.after(AccountAct::Activate).is_err());
        assert!(AccountState::Invited.after(AccountAct::Reinstate).is_err());
    }

    #[test]
    fn words_round_trip() {
        for state in AccountState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
