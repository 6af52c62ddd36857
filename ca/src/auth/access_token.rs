//! Access tokens of our identity provider (RFC 9068), checked with its published keys.
//!
//! A token bound to a key of its holder (`cnf`) is refused as a bearer token: presenting it so proves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::audit::Actor;
use domain::certificate::Role;
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::jose::{Jwks, Rules, Unverified};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};

use super::Caller;
use crate::error::Error;

/// Clock difference to the provider that is tolerated, in seconds.
const SKEW: i64 = 10;
/// How long fetched keys are used without asking again.
const KEYS_FRESH: Duration = Duration::from_mins(5);
/// How soon an unknown key may make us ask again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Longest key set read, in bytes.
const MAX_KEYS_BYTES: usize = 256 * 1024;
/// Signature schemes the provider may use.
const SCHEMES: [SignatureScheme; 3] = [
    SignatureScheme::EcdsaP256Sha256,
    SignatureScheme::EcdsaP384Sha384,
    SignatureScheme::RsaPssSha256,
];

/// Checks the provider's access tokens; cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    issuer: String,
    audience: String,
    jwks_uri: String,
    client: reqwest::Client,
    keys: Arc<Mutex<Option<Fetched>>>,
}

#[derive(Clone, Debug)]
struct Fetched {
    keys: Arc<Jwks>,
    at: Instant,
}

impl AccessTokens {
    /// A checker of tokens of `issuer` for `audience`, with the keys at `jwks_uri`.
    pub fn new(issuer: &str, jwks_uri: &str, audience: &str, client: reqwest::Client) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            jwks_uri: jwks_uri.to_owned(),
            client,
            keys: Arc::default(),
        }
    }

    /// The caller that a token proves.
    pub(super) async fn caller(&self, token: Unverified, now: Timestamp) -> Result<Caller, Error> {
        let refused = || Error::Unauthenticated("the access token is not accepted");
        let rules = Rules {
            allowed: &SCHEMES,
            typ: &["at+jwt"],
        };
        let keys = self.keys(KEYS_FRESH).await?;
        let verified = match token.clone().verify(&*keys, &rules, &OpenSslVerifier) {
            Err(pki::jose::JoseError::UnknownKey) => {
                let keys = self.keys(ASK_AGAIN).await?;
                token.verify(&*keys, &rules, &OpenSslVerifier)
            }
            other => other,
        }
        .map_err(|_| refused())?;
        let claims = verified.claims().map_err(|_| refused())?;
        self.check(&claims, now.as_second()).ok_or_else(refused)
    }

    /// RFC 9068 §4: issuer, audience, times, and what the scope carries.
    fn check(&self, claims: &Map<String, Value>, now: i64) -> Option<Caller> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let second = |name: &str| claims.get(name).and_then(Value::as_i64);
        let for_us = match claims.get("aud")? {
            Value::String(one) => *one == self.audience,
            Value::Array(many) => many.iter().any(|one| one.as_str() == Some(&self.audience)),
            _ => false,
        };
        let timely = now < second("exp")?.saturating_add(SKEW)
            && second("iat")? <= now.saturating_add(SKEW)
            && second("nbf").is_none_or(|start| start <= now.saturating_add(SKEW));
        if text("iss")? != self.issuer || !for_us || !timely || claims.contains_key("cnf") {
            return None;
        }
        let (client, subject) = (text("client_id")?, text("sub")?);
        let roles: BTreeSet<Role> = text("scope")
            .unwrap_or_default()
            .split(' ')
            .filter_map(Role::from_scope)
            .collect();
        Some(Caller {
            name: format!("token:{client}:{subject}"),
            actor: Actor::Client {
                id: client.to_owned(),
            },
            roles,
            tls_names: None,
            request_id: None,
        })
    }

    /// The provider's keys, not older than `at_most`.
    async fn keys(&self, at_most: Duration) -> Result<Arc<Jwks>, Error> {
        let mut kept = self.keys.lock().await;
        if let Some(fetched) = &*kept
            && fetched.at.elapsed() < at_most
        {
            return Ok(Arc::clone(&fetched.keys));
        }
        let keys = Arc::new(self.fetch().await?);
        *kept = Some(Fetched {
            keys: Arc::clone(&keys),
            at: Instant::now(),
        });
        Ok(keys)
    }

    async fn fetch(&self) -> Result<Jwks, Error> {
        let failed = |error: String| Error::Unavailable(format!("{}: {error}", self.jwks_uri));
        let mut response = self
            .client
            .get(&self.jwks_uri)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| failed(error.to_string()))?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failed(error.to_string()))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_KEYS_BYTES {
                return Err(failed("the key set is too long".to_owned()));
            }
        }
        Jwks::parse(&body).map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn tokens() -> AccessTokens {
        let client = reqwest::Client::builder().build().expect("a client");
        AccessTokens::new(
            "https://id.example",
            "https://id.example/jwks",
            "https://ca.example",
            client,
        )
    }

    fn claims() -> Map<String, Value> {
        let value = serde_json::json!({
            "iss": "https://id.example", "aud": ["https://ca.example"], "sub": "s", "client_id": "c",
            "iat": NOW - 5, "exp": NOW + 60, "scope": "openid ca.issue ca.read",
        });
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_token_for_us_carries_the_roles_of_its_scope() {
        let caller = tokens().check(&claims(), NOW).expect("accepted");
        assert_eq!(caller.name, "token:c:s");
        assert_eq!(caller.roles, BTreeSet::from([Role::Issuance, Role::Audit]));
    }

    #[test]
    fn every_other_token_is_refused() {
        for (name, value) in [
            ("iss", serde_json::json!("https://evil.example")),
            ("aud", serde_json::json!("https://other.example")),
            ("aud", serde_json::json!(7)),
            ("exp", serde_json::json!(NOW - SKEW)),
            ("iat", serde_json::json!(NOW + SKEW + 1)),
            ("nbf", serde_json::json!(NOW + SKEW + 1)),
            ("cnf", serde_json::json!({ "jkt": "x" })),
            ("sub", Value::Null),
            ("client_id", Value::Null),
        ] {
            let mut changed = claims();
            changed.insert(name.to_owned(), value.clone());
            assert!(tokens().check(&changed, NOW).is_none(), "{name} = {value}");
        }
        for name in ["iss", "aud", "exp", "iat", "sub", "client_id"] {
            let mut changed = claims();
            changed.remove(name);
            assert!(tokens().check(&changed, NOW).is_none(), "without {name}");
        }
    }
}
