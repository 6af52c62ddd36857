//! What a code, and every token that descends from it, stands for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claims::ClaimsRequest;
use super::client::ClientId;
use super::consent::Release;

/// One act of authorization by one person for one client; its tokens form a family that lives and dies together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// Identifies the family.
    pub id: Uuid,
    /// To whom.
    pub client_id: ClientId,
    /// By whom; never leaves the provider.
    pub person: Uuid,
    /// The pairwise subject identifier.
    pub subject: String,
    /// The access grant it rests on.
    pub grant_id: Uuid,
    /// The consent it rests on.
    pub consent_id: Uuid,
    /// The browser session it ends with; none when it may be used without the person.
    pub session_id: Option<String>,
    /// `sid` in ID tokens: the session under a name that only this client knows.
    pub client_session_id: String,
    /// What may be released.
    pub release: Release,
    /// What was asked for by name.
    pub claims: ClaimsRequest,
    /// Resource servers that access tokens are for.
    pub resources: BTreeSet<String>,
    /// How the person signed in.
    pub sign_in: SignIn,
    /// When it was given.
    pub created_at: Timestamp,
}

/// How and when a person signed in, as tokens say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// `auth_time`.
    pub auth_time: Timestamp,
    /// `acr`: the class reached; none when not even the first was.
    pub acr: Option<String>,
    /// `amr` (RFC 8176).
    pub amr: Vec<String>,
    /// Identity assurance level.
    pub ial: u8,
    /// Authenticator assurance level.
    pub aal: u8,
}

/// Federation assurance level of every token of this provider: signed, for a single audience, asked for by the client
/// and protected against injection (NIST SP 800-63C-4 §2).
pub const FAL: u8 = 2;
