//! The published revocation lists: in memory, on disk, and brought up to date from the authority.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use hsm_bridge::SignatureVerifier;
use pki::Certificate;
use pki::key::IssuerId;
use pki::serial::SerialNumber;

use crate::ca_client::{CaClient, Fetched};
use crate::error::Error;
use crate::files;
use crate::hierarchy::Authority;

/// One list as it is served.
#[derive(Clone, Debug)]
pub(crate) struct List {
    /// CertificateList in DER.
    pub(crate) der: Bytes,
    /// thisUpdate, seconds since 1970.
    pub(crate) this_update: u64,
    /// nextUpdate, seconds since 1970.
    pub(crate) next_update: u64,
    /// cRLNumber, big endian without leading zeros.
    number: Vec<u8>,
    /// The authority's tag of this list.
    tag: Option<String>,
}

/// Which list: an authority and a shard of it.
pub(crate) type Place = (IssuerId, u16);

/// All lists.
pub struct Lists {
    folder: PathBuf,
    authorities: HashMap<IssuerId, Authority>,
    published: RwLock<HashMap<Place, Arc<List>>>,
    verifier: Box<dyn SignatureVerifier>,
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lists")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What is checked of a list before it is published.
fn parse(
    der: Bytes,
    tag: Option<String>,
    issuer: &Certificate,
    verifier: &dyn SignatureVerifier,
) -> Result<List, String> {
    let list = pki::crl::parse(&der).map_err(|e| e.to_string())?;
    list.verify(issuer.public_key(), verifier)
        .map_err(|e| e.to_string())?;
    let number = list
        .number()
        .map_err(|e| e.to_string())?
        .ok_or("it has no number")?;
    let next_update = list.next_update().ok_or("it has no nextUpdate")?;
    Ok(List {
        this_update: list.this_update(),
        next_update,
        number: number.as_bytes().to_vec(),
        der,
        tag,
    })
}

impl Lists {
    /// Loads what was published last, or what the ceremony made where nothing was. Blocks.
    pub fn open(
        folder: &Path,
        authorities: &[Authority],
        verifier: impl SignatureVerifier + 'static,
    ) -> Result<Self, Error> {
        let own = Self {
            folder: folder.to_owned(),
            authorities: authorities.iter().map(|a| (a.id, a.clone())).collect(),
            published: RwLock::default(),
            verifier: Box::new(verifier),
        };
        for authority in authorities {
            for shard in 0..authority.shards {
                let place = (authority.id, shard);
                let kept = files::read_if_present(&own.path(place))?;
                let first = authority.first_crls.get(usize::from(shard));
                for der in [kept.as_ref(), first].into_iter().flatten() {
                    let der = Bytes::copy_from_slice(der);
                    match parse(der, None, &authority.certificate, &*own.verifier) {
                        Ok(list) => own.keep_newer(place, list),
                        Err(reason) => {
                            tracing::error!(%reason, issuer = %authority.id, shard, "list not usable");
                        }
                    }
                }
            }
        }
        Ok(own)
    }

    fn path(&self, (issuer, shard): Place) -> PathBuf {
        self.folder
            .join(issuer.to_string())
            .join(format!("{shard}.crl"))
    }

    /// The list at an address.
    pub(crate) fn find(&self, place: Place) -> Option<Arc<List>> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&place)
            .cloned()
    }

    /// The authority whose lists these are.
    pub fn authority(&self, issuer: &IssuerId) -> Option<&Authority> {
        self.authorities.get(issuer)
    }

    /// Every list that the running authority issues.
    pub(crate) fn online(&self) -> Vec<Place> {
        let online = self.authorities.values().filter(|a| a.online);
        online
            .flat_map(|a| (0..a.shards).map(|shard| (a.id, shard)))
            .collect()
    }

    /// The list that will name this certificate once it is revoked.
    pub(crate) fn place_of(&self, issuer: IssuerId, serial: &SerialNumber) -> Option<Place> {
        let shards = NonZeroU16::new(self.authorities.get(&issuer)?.shards)?;
        Some((issuer, serial.shard(shards)))
    }

    /// Whether the published list names this certificate.
    pub(crate) fn names(&self, place: Place, serial: &SerialNumber) -> bool {
        let (Some(list), Some(authority)) = (self.find(place), self.authorities.get(&place.0))
        else {
            return false;
        };
        pki::crl::parse(&list.der).is_ok_and(|l| {
            l.find(authority.certificate.subject(), serial.as_bytes())
                .is_some()
        })
    }

    /// Publishes a list unless a newer one is published; a list never goes backwards.
    fn keep_newer(&self, place: Place, list: List) {
        let mut lists = self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let order = |l: &List| (l.number.len(), l.number.clone(), l.this_update);
        if lists
            .get(&place)
            .is_none_or(|old| order(old) <= order(&list))
        {
            lists.insert(place, Arc::new(list));
        } else {
            tracing::warn!(issuer = %place.0, shard = place.1, "an older list was offered");
        }
    }

    /// Fetches one list; publishes it, on disk first, when it changed and is signed by its authority.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        client: &CaClient,
        place: Place,
    ) -> Result<(), Error> {
        let tag = self.find(place).and_then(|list| list.tag.clone());
        let Fetched::New(der, tag) = client.crl(place.0, place.1, tag.as_deref()).await? else {
            return Ok(());
        };
        let lists = Arc::clone(self);
        tokio::task::spawn_blocking(move || lists.publish(place, der, tag))
            .await
            .map_err(|e| Error::Authority(e.to_string()))?
    }

    fn publish(&self, place: Place, der: Bytes, tag: Option<String>) -> Result<(), Error> {
        let Some(authority) = self.authorities.get(&place.0) else {
            return Ok(());
        };
        let list = parse(der, tag, &authority.certificate, &*self.verifier).map_err(|reason| {
            Error::Authority(format!("list {}/{}: {reason}", place.0, place.1))
        })?;
        let changed = self.find(place).is_none_or(|old| old.der != list.der);
        if changed {
            files::replace(&self.path(place), &list.der)?;
        }
        self.keep_newer(place, list);
        Ok(())
    }

    /// Fetches every list; failures are logged, and the old list stays.
    pub(crate) async fn refresh_all(self: &Arc<Self>, client: &CaClient, places: BTreeSet<Place>) {
        for place in places {
            if let Err(error) = self.refresh(client, place).await {
                metrics::counter!("romduol_ocsp_list_failures_total").increment(1);
                tracing::warn!(%error, issuer = %place.0, shard = place.1, "list not refreshed");
            }
        }
    }
}
