//! Accounts: who may act, with which proof, for how long.
//!
//! Everything here is a value or a transition between values. Secrets appear only as text handed in to be normalised or
//! judged; comparing them with what is stored is the service's work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod code;
pub mod contact;
pub mod identifier;
pub mod method;
pub mod password;
pub mod return_to;
pub mod role;
pub mod session;
pub mod state;
pub mod throttle;
pub mod totp;

pub use identifier::{Identifier, IdentifierKind};
pub use method::SignInMethod;
pub use return_to::ReturnTo;
pub use role::Role;
pub use state::AccountState;

/// A stored word that names nothing known; the record was written by a newer or a broken program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind}: {word}")]
pub struct UnknownWord {
    /// What was being read, as in `role`.
    pub kind: &'static str,
    /// The word found.
    pub word: String,
}

/// Something people use to be reached and to say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Electronic mail.
    Email,
    /// A text message.
    Sms,
}

impl Channel {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

impl FromStr for Channel {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "email" => Ok(Self::Email),
            "sms" => Ok(Self::Sms),
            _ => Err(UnknownWord {
                kind: "channel",
                word: word.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
