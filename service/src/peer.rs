//! Who of our services calls: a short-lived JWT (in the shape of RFC 7523) signed with the service's key in its
//! token, for one audience, accepted once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hsm_bridge::{SignatureScheme, SignatureVerifier, Signer};
use jiff::Timestamp;
use moka::sync::Cache;
use pki::jose::{self, Jwk, Rules};
use serde_json::{Value, json};

/// Header `typ` of a peer token.
const TYPE: &str = "peer+jwt";
/// Longest life of a token.
const MAX_LIFE: i64 = 60;
/// Life of a token we make.
const LIFE: i64 = 45;
/// Clock difference between two services that is tolerated.
const SKEW: i64 = 10;
/// Longest `jti`.
const MAX_JTI: usize = 128;
/// Tokens remembered against replay; with tokens of a minute this allows some 16,000 calls a second.
const MAX_REMEMBERED: u64 = 1_000_000;

/// The proven name of a calling service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(String);

impl PeerName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A peer token that is not accepted, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Not a token of ours, wrong signature, or an unknown peer.
    #[error("peer token: {0}")]
    Token(String),
    /// A claim is missing or wrong.
    #[error("peer token: claim {0} is missing or wrong")]
    Claim(&'static str),
    /// Not valid now.
    #[error("peer token: not valid at this time")]
    Time,
    /// Seen before.
    #[error("peer token: already used")]
    Replayed,
}

impl From<PeerError> for crate::Problem {
    fn from(error: PeerError) -> Self {
        Self::new(crate::ProblemType::Unauthenticated)
            .because(error)
            .header(
                actix_web::http::header::WWW_AUTHENTICATE,
                actix_web::http::header::HeaderValue::from_static("Bearer"),
            )
    }
}

/// Makes tokens in the name of this service.
#[derive(Clone)]
pub struct PeerSigner {
    name: String,
    signer: Arc<dyn Signer>,
    kid: String,
}

impl std::fmt::Debug for PeerSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerSigner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl PeerSigner {
    /// A maker of tokens for `name`, with its key in the token.
    pub fn new(name: impl Into<String>, signer: Arc<dyn Signer>) -> Result<Self, PeerError> {
        let key = Jwk::from_signer(&*signer).map_err(|e| PeerError::Token(e.to_string()))?;
        Ok(Self {
            name: name.into(),
            signer,
            kid: key.thumbprint(),
        })
    }

    /// The public key the others must know this service by.
    pub fn public_key(&self) -> Result<Jwk, PeerError> {
        Jwk::from_signer(&*self.signer).map_err(|e| PeerError::Token(e.to_string()))
    }

    /// A token for `aud`, valid from `now` for less than a minute; `jti` must be fresh. Blocks while the token signs.
    pub fn token(&self, aud: &str, now: Timestamp, jti: &str) -> Result<String, PeerError> {
        let claims = json!({
            "iss": self.name, "sub": self.name, "aud": aud, "jti": jti,
            "iat": now.as_second(), "exp": now.as_second() + LIFE,
        });
        let header = jose::header(TYPE, &self.kid);
        jose::sign_compact(header, claims.to_string().as_bytes(), &*self.signer)
            .map_err(|e| PeerError::Token(e.to_string()))
    }
}

/// Checks tokens made for this service; cheap to clone.
#[derive(Clone)]
pub struct PeerVerifier {
    peers: Arc<BTreeMap<String, Jwk>>,
    audience: Arc<str>,
    verifier: Arc<dyn SignatureVerifier>,
    used: Cache<(String, String), ()>,
}

impl std::fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl PeerVerifier {
    /// A checker of tokens of `peers` (name to public key) for `audience`.
    pub fn new(
        peers: BTreeMap<String, Jwk>,
        audience: impl Into<String>,
        verifier: Arc<dyn SignatureVerifier>,
    ) -> Self {
        let remember = Duration::from_secs((MAX_LIFE + 2 * SKEW).unsigned_abs());
        Self {
            peers: Arc::new(peers),
            audience: audience.into().into(),
            verifier,
            used: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(remember)
                .build(),
        }
    }

    /// The name the token proves; a token is accepted once.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<PeerName, PeerError> {
        let refused = |e: jose::JoseError| PeerError::Token(e.to_string());
        let unverified = jose::parse_compact(token).map_err(refused)?;
        let claimed = unverified.claims().map_err(refused)?;
        let name = claimed
            .get("iss")
            .and_then(Value::as_str)
            .ok_or(PeerError::Claim("iss"))?;
        let key = self
            .peers
            .get(name)
            .ok_or_else(|| PeerError::Token("unknown peer".to_owned()))?;
        let rules = Rules {
            allowed: &[SignatureScheme::EcdsaP256Sha256],
            typ: &[TYPE],
        };
        let verified = unverified
            .verify(key, &rules, &*self.verifier)
            .map_err(refused)?;
        let claims = verified.claims().map_err(refused)?;
        let text = |name: &'static str| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .ok_or(PeerError::Claim(name))
        };
        let second = |name: &'static str| {
            claims
                .get(name)
                .and_then(Value::as_i64)
                .ok_or(PeerError::Claim(name))
        };
        if text("sub")? != name {
            return Err(PeerError::Claim("sub"));
        }
        if text("aud")? != &*self.audience {
            return Err(PeerError::Claim("aud"));
        }
        let (issued, expires) = (second("iat")?, second("exp")?);
        let now = now.as_second();
        let life = expires.checked_sub(issued).ok_or(PeerError::Claim("exp"))?;
        if !(0..=MAX_LIFE).contains(&life) {
            return Err(PeerError::Claim("exp"));
        }
        if now >= expires.saturating_add(SKEW) || issued > now.saturating_add(SKEW) {
            return Err(PeerError::Time);
        }
        let jti = text("jti")?;
        if jti.is_empty() || jti.len() > MAX_JTI {
            return Err(PeerError::Claim("jti"));
        }
        if !self
            .used
            .entry((name.to_owned(), jti.to_owned()))
            .or_insert(())
            .is_fresh()
        {
            return Err(PeerError::Replayed);
        }
        Ok(PeerName(name.to_owned()))
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1), if there is exactly one such header.
pub fn bearer(headers: &actix_web::http::header::HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(actix_web::http::header::AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
