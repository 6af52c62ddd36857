//! What is wrong with an order, in words for the persons who sign it.

use thiserror::Error;

/// Why bytes are not an order, a set of signatures or a blob of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The file is longer than any of its kind.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The file does not read as what it should be; the text says where.
    #[error("{0}")]
    Unreadable(String),
    /// The file reads well but is written otherwise than the bridge writes it, so that a person may see something else than it says.
    #[error("written otherwise than hsm-bridge writes it (spaces, order of members, or an escape)")]
    NotCanonical,
    /// A member's value cannot be; the text says which and why.
    #[error("{0}")]
    Value(String),
    /// The cryptographic library refused a key or a value.
    #[error("{0}")]
    Library(String),
}

impl OrderError {
    /// Why bytes do not read. What a reader repeats of them cannot move the cursor of whoever is told, nor look like a line of ours.
    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        let mut text = String::new();
        for c in error.to_string().chars() {
            match c {
                '\'' | '"' | '\\' => text.push(c),
                other => text.extend(other.escape_debug()),
            }
        }
        Self::Unreadable(text)
    }
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The order is for another token.
    #[error("it is for the token '{0}'")]
    OtherToken(String),
    /// Its time has not come.
    #[error("it is not valid before {0}")]
    TooEarly(String),
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(String),
    /// Somebody signed who is no administrator of this bridge.
    #[error("{0} is no administrator")]
    Unknown(String),
    /// A signature does not verify over these bytes under this person's key.
    #[error("the signature of {0} does not verify; was the order changed after it was signed?")]
    BadSignature(String),
    /// One person signed twice.
    #[error("{0} signed more than once")]
    Twice(String),
    /// The author is no administrator, or did not sign.
    #[error("its author {0} did not sign it")]
    NoAuthor(String),
    /// Too few others signed.
    #[error("{needed} persons other than its author must sign it; {signed} did")]
    TooFew {
        /// How many others signed.
        signed: usize,
        /// How many must.
        needed: usize,
    },
    /// More signatures than there can be persons.
    #[error("more signatures than administrators")]
    TooMany,
    /// The order was carried out, or at least begun, before.
    #[error("it was used already; an order is used once")]
    Used,
}
