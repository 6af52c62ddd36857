//! What every route and task of the authority reaches.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hsm_bridge::KeyStoreError;
use hsm_bridge::verify::OpenSslVerifier;
use pki::jose::Jwk;
use pki::profile::Profiles;
use service::cli::Context;
use service::peer::PeerVerifier;
use service::{BlockingPool, Sources, Tasks};
use store::Store;
use tokio::sync::watch;

use crate::auth::AccessTokens;
use crate::config::Config;
use crate::error::Error;
use crate::hierarchy::{Hierarchy, PEERS_FILE, PeerEntry, PeersFile};
use crate::keys::{Keys, TokenDoor};
use crate::tsa::TimeStamping;

const DAY: i64 = 24 * 60 * 60;

/// The authority at run time; shared by all workers.
pub struct App {
    /// Settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Clock and randomness.
    pub sources: Sources,
    /// The token's keys.
    pub keys: Keys,
    /// The hierarchy made at the key ceremony.
    pub hierarchy: Hierarchy,
    /// What certificates of each kind contain.
    pub profiles: Profiles,
    /// Checks peer tokens.
    pub peers: PeerVerifier,
    /// What each peer may.
    pub peer_entries: BTreeMap<String, PeerEntry>,
    /// Checks access tokens, where a provider is configured.
    pub access_tokens: Option<AccessTokens>,
    /// The time-stamping unit.
    pub time_stamping: TimeStamping,
    /// Places for calls to the token.
    pub token_pool: BlockingPool,
    /// Places for work on documents.
    pub document_pool: BlockingPool,
    /// Work that outlives its request.
    pub tasks: Tasks,
    /// Counts ended issuances, for those that wait for one.
    pub issuance_ended: watch::Sender<u64>,
    /// Counts changes of the status log, for those that follow it.
    pub status_changes: watch::Sender<u64>,
    /// Counts revocations, for the publisher of lists.
    pub revocations: watch::Sender<u64>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("hierarchy", &self.hierarchy.name)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Reads the ceremony's results and puts the parts together; talks to the token once, to make sure that the
    /// root's key is not behind it. Blocks.
    pub fn build(
        config: Config,
        store: Store,
        door: Arc<dyn TokenDoor>,
        context: &Context,
    ) -> Result<Arc<Self>, Error> {
        let directory: &Path = &config.ceremony;
        let hierarchy = Hierarchy::read(directory).map_err(Error::internal)?;
        refuse_root_key(&hierarchy, &*door)?;
        let peers = PeersFile::read(&directory.join(PEERS_FILE)).map_err(Error::internal)?;
        let keys: BTreeMap<String, Jwk> = peers
            .peers
            .iter()
            .map(|peer| (peer.name.clone(), peer.jwk.clone()))
            .collect();
        let audience = config.base_url.clone();
        let access_tokens = match &config.access_tokens {
            Some(provider) => {
                let client = service::http_client(&config.http_client).map_err(Error::internal)?;
                let (issuer, keys) = (&provider.issuer, &provider.jwks_uri);
                Some(AccessTokens::new(issuer, keys, &audience, client))
            }
            None => None,
        };
        let places = config.token_calls;
        Ok(Arc::new(Self {
            store,
            sources: context.sources.clone(),
            keys: Keys::new(door),
            profiles: Profiles::new(&hierarchy.policies),
            peers: PeerVerifier::new(keys, audience, Arc::new(OpenSslVerifier)),
            peer_entries: peers
                .peers
                .into_iter()
                .map(|peer| (peer.name.clone(), peer))
                .collect(),
            access_tokens,
            time_stamping: TimeStamping::new(&config.tsa, &hierarchy, &context.sources)?,
            token_pool: BlockingPool::new(places),
            document_pool: BlockingPool::new(places),
            tasks: context.tasks.clone(),
            issuance_ended: watch::Sender::new(0),
            status_changes: watch::Sender::new(0),
            revocations: watch::Sender::new(0),
            hierarchy,
            config,
        }))
    }

    /// Until when the record of a certificate is kept, from its end.
    pub fn keep_until(&self, not_after: i64) -> i64 {
        not_after.saturating_add(self.config.limits.keep_days.saturating_mul(DAY))
    }

    /// Wakes those that follow the status log.
    pub fn statuses_changed(&self) {
        self.status_changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The running authority never works beside a root key.
fn refuse_root_key(hierarchy: &Hierarchy, door: &dyn TokenDoor) -> Result<(), Error> {
    match door.find(&hierarchy.root.key) {
        Ok(None) | Err(KeyStoreError::NotPermitted | KeyStoreError::UnknownKey(_)) => Ok(()),
        Ok(Some(_)) => Err(Error::Internal(format!(
            "the root key {} is in the token of the running service; it belongs into a token of its own",
            hierarchy.root.key
        ))),
        Err(error) => Err(error.into()),
    }
}
