//! What the protocol endpoints share: the signing keys with their public set, and the clients' limit.

use std::sync::Arc;

use hsm_bridge::{KeyStore, Signer};
use pki::jose::{Jwk, Jwks};
use serde_json::{Value, json};
use service::rate_limit::RateLimit;

/// Shared by all endpoints; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    signer: Arc<dyn Signer>,
    kid: String,
    jwks: Jwks,
    published: Value,
    client_limit: RateLimit<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Finds the signing keys of the configuration in the token. The first signs; all are published, so that a new key
    /// is announced by standing second, signs when it moves to the first place, and an old one stays readable after it.
    ///
    /// Fails when one of them is absent: a provider without its keys does not start.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller hands over its share of the store"
    )]
    pub fn new(config: &crate::config::Config, keys: Arc<dyn KeyStore>) -> Result<Self, String> {
        let mut signers = Vec::new();
        for label in &config.keys.id_token {
            let id = keys
                .find(label)
                .map_err(|error| format!("key {label}: {error}"))?
                .ok_or_else(|| format!("key {label} is not in the token"))?;
            let signer = keys
                .signer(id, None)
                .map_err(|error| format!("key {label}: {error}"))?;
            let jwk = Jwk::from_signer(signer.as_ref())
                .map_err(|error| format!("key {label}: {error}"))?;
            signers.push((jwk, signer));
        }
        let jwks = Jwks {
            keys: signers.iter().map(|(jwk, _)| jwk.clone()).collect(),
        };
        let published = json!({ "keys": jwks.keys.iter().map(Jwk::to_value).collect::<Vec<_>>() });
        let (jwk, signer) = signers
            .into_iter()
            .next()
            .ok_or_else(|| "idp.keys.id_token names no key".to_owned())?;
        Ok(Self(Arc::new(Inner {
            signer: Arc::from(signer),
            kid: jwk.thumbprint(),
            jwks,
            published,
            client_limit: RateLimit::new("oidc-client", config.oidc.client_limit),
        })))
    }

    /// The key that signs.
    pub(super) fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.0.signer)
    }

    /// Its name in token headers.
    pub(super) fn kid(&self) -> &str {
        &self.0.kid
    }

    /// JOSE names of the algorithms of the published keys.
    pub(super) fn signing_algs(&self) -> Vec<&'static str> {
        let mut algs: Vec<&'static str> = self
            .0
            .jwks
            .keys
            .iter()
            .filter_map(|key| key.scheme().map(hsm_bridge::SignatureScheme::jose_alg))
            .collect();
        algs.sort_unstable();
        algs.dedup();
        algs
    }

    /// The published keys, for checking our own tokens.
    pub(super) fn jwks(&self) -> &Jwks {
        &self.0.jwks
    }

    /// The published keys as JSON (RFC 7517 §5).
    pub(super) fn published(&self) -> &Value {
        &self.0.published
    }

    /// The limit per client.
    pub(super) fn client_limit(&self) -> &RateLimit<String> {
        &self.0.client_limit
    }
}
