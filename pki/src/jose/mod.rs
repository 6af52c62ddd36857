//! JSON Web Keys and compact JSON Web Signatures (RFC 7515, 7517, 7518, 7638, 8037).
//!
//! The key decides the algorithm, never the token: a header's `alg` must be one the caller allows and one the
//! key is made for (RFC 8725 §3.1). `kid` only looks a key up in the set handed in; keys or addresses carried
//! inside a header (`jwk`, `jku`, `x5c`, `x5u`) are refused, except `jwk` where the caller asks for it (DPoP).

mod json;
mod jwk;
mod jwks;
mod sign;
mod verify;

pub use json::parse as parse_json;
pub use jwk::{Jwk, thumbprint};
pub use jwks::Jwks;
pub use sign::{header, sign_compact};
pub use verify::{KeySource, Rules, Unverified, Verified, parse_compact, verify};

use hsm_bridge::KeyStoreError;

/// Longest compact JWS taken, in bytes.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// Longest encoded JOSE header taken, in bytes; beside registered members only a `jwk` makes one grow.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Deepest nesting of JSON arrays and objects taken.
pub const MAX_JSON_DEPTH: usize = 16;
/// Most keys taken in one JWK Set.
pub const MAX_KEYS: usize = 64;
/// Longest `kid` taken, in bytes; a `kid` is compared and never interpreted.
pub const MAX_KID_BYTES: usize = 256;

/// Why a JWK or JWS was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoseError {
    /// Larger than a limit of this module; names the part.
    #[error("{0} exceeds the size limit")]
    TooLarge(&'static str),
    /// Not three base64url parts, or a part is not canonical unpadded base64url (RFC 7515 §2).
    #[error("not a compact JWS")]
    Malformed,
    /// Not valid JSON, a member occurs twice, or nesting is too deep.
    #[error("not acceptable JSON: {0}")]
    Json(&'static str),
    /// A header member that changes the meaning of the token or brings its own key.
    #[error("header member {0:?} is not accepted")]
    HeaderMember(&'static str),
    /// `alg` is absent, unknown, symmetric, `none`, or not allowed by the caller.
    #[error("algorithm is not accepted")]
    Algorithm,
    /// `typ` is not what the caller expects (RFC 8725 §3.11).
    #[error("token type is not the expected one")]
    Type,
    /// No key of the set fits the header.
    #[error("no key fits the token")]
    UnknownKey,
    /// More than one key of the set fits the header, so the choice would be a guess.
    #[error("several keys fit the token")]
    AmbiguousKey,
    /// A JWK lacks a member, or a member has a wrong form or size.
    #[error("key is not acceptable: {0}")]
    Key(&'static str),
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// The token refused to sign.
    #[error("signing failed")]
    Sign(#[source] KeyStoreError),
}
