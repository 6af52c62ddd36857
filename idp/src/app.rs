//! What every handler of the provider reaches: settings, store, keys, texts' carriers, the way to `ca`.

use std::sync::Arc;

use hsm_bridge::{KeyStore, SecretStore};
use service::{BlockingPool, Sources};
use store::Store;
use store::sealing::Sealer;
use webauthn_rs::prelude::{Webauthn, WebauthnBuilder};

use crate::config::Config;
use crate::outbox::Outbox;
use crate::sign::CaClient;

/// The provider's parts, shared by all workers; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Settings.
    pub config: Arc<Config>,
    /// Persons, cases, accounts, clients, consents.
    pub store: Store,
    /// Seals personal data under per-subject keys.
    pub sealer: Arc<Sealer>,
    /// Signing keys in the token.
    pub keys: Arc<dyn KeyStore>,
    /// Secret keys in the token: pairwise identifiers, blind indexes, key encryption.
    pub secrets: Arc<dyn SecretStore>,
    /// Clock, randomness, identifiers.
    pub sources: Sources,
    /// Bounded threads for password hashing, images and calls into the token.
    pub pool: BlockingPool,
    /// Mail and text messages.
    pub outbox: Outbox,
    /// Passkeys for this provider's host.
    pub webauthn: Arc<Webauthn>,
    /// The certificate authority.
    pub ca: CaClient,
    /// OpenID Connect: signing keys and protocol state shared by its endpoints.
    pub oidc: crate::oidc::State,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("issuer", &self.config.issuer.as_str())
            .finish_non_exhaustive()
    }
}

/// The parts that come from outside: a test hands in its own, `serve` the real ones.
pub struct Parts {
    /// Settings, checked.
    pub config: Config,
    /// An open, migrated store.
    pub store: Store,
    /// Signing keys.
    pub keys: Arc<dyn KeyStore>,
    /// Secret keys.
    pub secrets: Arc<dyn SecretStore>,
    /// Clock and randomness.
    pub sources: Sources,
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// A setting that cannot work, in words for the operator.
    pub fn new(parts: Parts) -> Result<Self, String> {
        let Parts {
            config,
            store,
            keys,
            secrets,
            sources,
        } = parts;
        let sealer = Arc::new(Sealer::new(
            Arc::clone(&secrets),
            config.keys.key_encryption.clone(),
            config.keys.blind_index.clone(),
        ));
        let webauthn = Arc::new(webauthn(&config)?);
        let outbox = Outbox::new(&config.outbox, config.is_development())?;
        let ca = CaClient::new(
            &config.ca,
            Arc::clone(&keys),
            &config.keys.peer,
            sources.clone(),
        )?;
        let oidc = crate::oidc::State::new(&config, Arc::clone(&keys))?;
        let pool = BlockingPool::new(config.blocking_threads);
        Ok(Self {
            config: Arc::new(config),
            store,
            sealer,
            keys,
            secrets,
            sources,
            pool,
            outbox,
            webauthn,
            ca,
            oidc,
        })
    }
}

/// A relying party (Web Authentication §4) for the issuer's host.
fn webauthn(config: &Config) -> Result<Webauthn, String> {
    let host = config.issuer.host_str().ok_or("idp.issuer has no host")?;
    WebauthnBuilder::new(host, &config.issuer)
        .map(|builder| builder.rp_name("Romduol"))
        .and_then(WebauthnBuilder::build)
        .map_err(|e| format!("idp.issuer cannot be a passkey's origin: {e}"))
}
