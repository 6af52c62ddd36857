//! Why a signature is not activated.

use thiserror::Error;

use crate::KeyStoreError;

/// Why an activation was refused; the caller of the bridge is told no more than [`KeyStoreError`], the record has this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// The holder's key, relying party or origin cannot be used.
    #[error("the holder's {0} cannot be used")]
    Holder(&'static str),
    /// What is to be activated is malformed: no digest, too many, of odd length, or too long a context.
    #[error("the {0} to activate cannot be used")]
    Request(&'static str),
    /// Too many records wait, of this key or of all.
    #[error("too many activations wait")]
    Full,
    /// The challenge was never set, was set for another key, was used up or is too old.
    #[error("no activation waits for this challenge and key")]
    Unknown,
    /// A digest that is not in the record, or not as often.
    #[error("the digest is not in the record, or was signed already")]
    Digest,
    /// The client data is too long or not the JSON of Web Authentication §5.8.1.
    #[error("the client data cannot be read")]
    ClientData,
    /// The client data's type is not `webauthn.get`.
    #[error("the client data is of another type")]
    Type,
    /// The page was of another origin, or framed by another.
    #[error("the origin differs")]
    Origin,
    /// The authenticator data has a wrong length or impossible flags.
    #[error("the authenticator data cannot be read")]
    AuthenticatorData,
    /// The assertion is for another relying party.
    #[error("the relying party differs")]
    RelyingParty,
    /// Nobody touched the authenticator, or it did not verify who did.
    #[error("user presence or verification is missing")]
    User,
    /// The signature does not verify under the holder's key.
    #[error("the assertion's signature does not verify")]
    Signature,
}

impl From<ActivationError> for KeyStoreError {
    fn from(error: ActivationError) -> Self {
        match error {
            ActivationError::Full => Self::Busy("too many activations wait".to_owned()),
            ActivationError::Holder(_) | ActivationError::Request(_) => {
                Self::BadRequest(error.to_string())
            }
            _ => Self::NotPermitted,
        }
    }
}
