//! What can go wrong between a caller and its key, in the caller's words.

use thiserror::Error;

/// Why a key operation did not happen; the text never holds key material, PINs or payloads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The policy does not grant this operation on this key to this caller.
    #[error("not permitted")]
    NotPermitted,
    /// The caller spent its rate, or every session of the token is busy; the same call may succeed later.
    #[error("busy: {0}")]
    Busy(String),
    /// No key answers to this label or id.
    #[error("unknown key: {0}")]
    UnknownKey(String),
    /// A key of this label exists already, or several do.
    #[error("key exists: {0}")]
    KeyExists(String),
    /// A key in the token is not what it must be (exportable, several purposes, unlike its public half).
    #[error("key refused: {0}")]
    KeyRefused(String),
    /// The token, its module or the daemon that owns it cannot be reached.
    #[error("token unavailable: {0}")]
    TokenUnavailable(String),
    /// The deadline passed before the token was asked.
    #[error("deadline passed")]
    Deadline,
    /// The token was asked and no answer came; whether it did the work is unknown.
    #[error("no answer came; whether it was done is unknown")]
    OutcomeUnknown,
    /// The token refused the PIN; it is not tried again.
    #[error("the token refused the PIN")]
    PinRefused,
    /// The token locked its PIN; an operator must unlock it.
    #[error("the PIN is locked")]
    PinLocked,
    /// The request makes no sense for this key (wrong length, wrong purpose, wrong scheme, damaged data).
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The token returned a signature that does not verify; it was withheld.
    #[error("the token's signature does not verify")]
    VerifyFailed,
    /// A setting cannot be used; the text says which and why.
    #[error("configuration: {0}")]
    Configuration(String),
}

/// What a token is called that only a quorum of persons can log in.
const AWAITING_QUORUM: &str = "awaiting quorum";

impl KeyStoreError {
    /// A token that nobody of ours can log in: it is used as soon as its custodians have done so.
    pub fn awaiting_quorum() -> Self {
        Self::TokenUnavailable(AWAITING_QUORUM.to_owned())
    }

    /// Whether a token awaits its custodians.
    pub fn is_awaiting_quorum(&self) -> bool {
        matches!(self, Self::TokenUnavailable(why) if why == AWAITING_QUORUM)
    }
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The public key cannot be used with this scheme, or is malformed.
    #[error("unusable public key: {0}")]
    PublicKey(String),
    /// The signature is well-formed or not, but does not verify.
    #[error("signature does not verify")]
    Signature,
}
