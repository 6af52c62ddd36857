//! Deciding and making answers: from memory when signed before, else signed in the token.
//!
//! Invariants: nothing is `good` that the authority's log does not call so; no answer outlives its nextUpdate; an
//! answer made before a change of the certificate's record is not given after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use moka::sync::Cache;
use pki::ocsp::{CertId, CertStatus, Nonce, Request, ResponseBuilder, SingleResponse};
use service::{BlockingPool, Sources, Tasks, blocking};
use sha2::{Digest, Sha256};

use crate::config::AnswerConfig;
use crate::error::Error;
use crate::responder::Responder;
use crate::status::{Record, Statuses};

/// A signed answer and how long it may be used.
#[derive(Debug)]
pub struct Answer {
    /// The OCSPResponse in DER.
    pub der: Bytes,
    /// thisUpdate, in Unix seconds.
    pub this_update: i64,
    /// nextUpdate, in Unix seconds.
    pub next_update: i64,
    /// SHA-256 of the answer in lower-case hex between quotes, for caches (RFC 9110 §8.8.3).
    pub entity_tag: String,
    /// The record it was made from.
    record: Option<Record>,
    /// The responder certificate inside it, by its end.
    responder_until: u64,
    refreshing: AtomicBool,
}

/// What makes answers; cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Inner>);

struct Inner {
    config: AnswerConfig,
    responders: Vec<Arc<Responder>>,
    statuses: Arc<Statuses>,
    cache: Cache<Vec<u8>, Arc<Answer>>,
    signing: BlockingPool,
    sources: Sources,
    tasks: Tasks,
    /// Unix second of the last contact with the authority; 0 for never.
    contact: AtomicI64,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers")
            .field("responders", &self.0.responders)
            .finish_non_exhaustive()
    }
}

/// What is asked, once its authority is known.
pub enum Asked {
    /// An answer that was signed before.
    Cached(Arc<Answer>),
    /// Something to be signed; see [`Answers::sign`].
    ToSign(Order),
    /// Certificates of an authority that this service does not answer for.
    NotOurs,
}

/// An answer to be signed.
pub struct Order {
    responder: Arc<Responder>,
    ids: Vec<CertId>,
    nonce: Option<Nonce>,
}

/// The freshest and last moment an answer speaks for.
struct Window {
    this_update: Timestamp,
    next_update: Timestamp,
}

impl Answers {
    /// Answers for these responders from these records.
    pub fn new(
        config: AnswerConfig,
        responders: Vec<Arc<Responder>>,
        statuses: Arc<Statuses>,
        sources: Sources,
        tasks: Tasks,
    ) -> Self {
        let cache = Cache::builder()
            .max_capacity(config.cache_entries)
            .time_to_live(Duration::from_secs(u64::from(config.validity_seconds)))
            .build();
        let signing = BlockingPool::new(config.signing_places);
        let contact = AtomicI64::new(0);
        Self(Arc::new(Inner {
            config,
            responders,
            statuses,
            cache,
            signing,
            sources,
            tasks,
            contact,
        }))
    }

    /// The settings.
    pub fn config(&self) -> &AnswerConfig {
        &self.0.config
    }

    /// The responders.
    pub fn responders(&self) -> &[Arc<Responder>] {
        &self.0.responders
    }

    /// The present instant of this service.
    pub fn now(&self) -> Timestamp {
        self.0.sources.now()
    }

    /// Records that all was known that the authority knew at this time.
    pub fn in_contact(&self, at: Timestamp) {
        self.0.contact.fetch_max(at.as_second(), Ordering::Relaxed);
    }

    /// Whether the authority was ever in contact, now or before the last start.
    pub fn has_been_in_contact(&self) -> bool {
        self.0.contact.load(Ordering::Relaxed) > 0
    }

    /// Whether answers can be given: contact with the authority is not too old, and responders have certificates.
    pub fn is_ready(&self) -> Result<(), String> {
        let now = self.now();
        self.window(now).map_err(|e| e.to_string())?;
        match self.0.responders.iter().find(|r| !r.is_valid_at(now)) {
            Some(responder) => Err(format!(
                "responder certificate of {} is not valid",
                responder.issuer
            )),
            None => Ok(()),
        }
    }

    fn window(&self, now: Timestamp) -> Result<Window, Error> {
        let contact = self.0.contact.load(Ordering::Relaxed);
        let contact = Timestamp::from_second(contact)
            .map_err(|_| Error::Stale)?
            .min(now);
        let life = Duration::from_secs(u64::from(self.0.config.validity_seconds));
        let next_update = contact.checked_add(life).map_err(|_| Error::Stale)?;
        if next_update <= now {
            return Err(Error::Stale);
        }
        Ok(Window {
            this_update: contact,
            next_update,
        })
    }

    /// Finds out what is asked and whether it is answered from memory.
    pub fn ask(&self, request: Request) -> Asked {
        let Some(first) = request.cert_ids.first() else {
            return Asked::NotOurs;
        };
        let Some(responder) = self.0.responders.iter().find(|r| r.answers_for(first)) else {
            return Asked::NotOurs;
        };
        // One answer has one signer, whose authority is that of every certificate in it.
        if !request.cert_ids.iter().all(|id| responder.answers_for(id)) {
            return Asked::NotOurs;
        }
        if let (None, [id]) = (&request.nonce, &*request.cert_ids)
            && let Some(answer) = self.cached(responder, id)
        {
            return Asked::Cached(answer);
        }
        Asked::ToSign(Order {
            responder: Arc::clone(responder),
            ids: request.cert_ids,
            nonce: request.nonce,
        })
    }

    /// An answer signed before, still in force; starts signing its successor when half its time is over.
    fn cached(&self, responder: &Arc<Responder>, id: &CertId) -> Option<Arc<Answer>> {
        let answer = self.0.cache.get(id.as_der())?;
        if self.record(responder, id) != answer.record {
            return None;
        }
        let now = self.now().as_second();
        let age = now - answer.this_update;
        let freshness = i64::from(self.0.config.freshness_seconds);
        let in_force = now < answer.next_update
            && u64::try_from(now).is_ok_and(|now| now <= answer.responder_until);
        // While the authority is silent a new answer could not be fresher than this one.
        let contact = self.0.contact.load(Ordering::Relaxed);
        let could_be_fresher = contact > answer.this_update;
        if !in_force || (age >= freshness && could_be_fresher) {
            return None;
        }
        if age >= freshness / 2
            && could_be_fresher
            && !answer.refreshing.swap(true, Ordering::Relaxed)
        {
            self.refresh(
                Order {
                    responder: Arc::clone(responder),
                    ids: vec![id.clone()],
                    nonce: None,
                },
                &answer,
            );
        }
        Some(answer)
    }

    fn refresh(&self, order: Order, old: &Arc<Answer>) {
        let (answers, old) = (self.clone(), Arc::clone(old));
        self.0.tasks.spawn("ocsp-refresh", async move {
            if let Err(error) = answers.sign(order).await {
                tracing::warn!(%error, "an answer was not renewed");
                old.refreshing.store(false, Ordering::Relaxed);
            }
        });
    }

    fn record(&self, responder: &Responder, id: &CertId) -> Option<Record> {
        self.0.statuses.find(&responder.issuer, &id.serial()?)
    }

    /// Signs an answer; one without nonce and for one certificate that was issued is kept in memory.
    pub async fn sign(&self, order: Order) -> Result<Arc<Answer>, Error> {
        let now = self.now();
        let Window {
            this_update,
            next_update,
        } = self.window(now)?;
        let Order {
            responder,
            ids,
            nonce,
        } = order;
        if !responder.is_valid_at(now) {
            return Err(Error::Stale);
        }
        let certificate = responder.certificate();
        // Under extended revocation RFC 6960 §4.4.8 wants the archive cutoff left to issued certificates.
        let cutoff = i64::try_from(responder.authority.not_before())
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok());
        let mut builder = ResponseBuilder::new(&certificate, now).nonce(nonce.clone());
        let mut only = None;
        for id in &ids {
            let record = self.record(&responder, id);
            only = record;
            let status = match record {
                Some(record) => record.status(),
                None if self.0.config.revoke_never_issued => CertStatus::NotIssued,
                None => CertStatus::Unknown,
            };
            // A revocation is known to be right from its own moment on, also before the next contact.
            let known_at = match status {
                CertStatus::Revoked { at, .. } => this_update.max(at.min(now)),
                _ => this_update,
            };
            builder = builder.single(SingleResponse {
                cert_id: id.clone(),
                status,
                this_update: known_at,
                next_update: Some(next_update),
                archive_cutoff: record.and(cutoff),
            });
        }
        let signer = Arc::clone(responder.signer());
        let embedded = Arc::clone(&certificate);
        let der = blocking(&self.0.signing, move || {
            builder.sign(&*signer, std::slice::from_ref(&*embedded))
        })
        .await??;
        let answer = Arc::new(Answer {
            entity_tag: entity_tag(&der),
            der: der.into(),
            this_update: this_update.as_second(),
            next_update: next_update.as_second(),
            record: only,
            responder_until: certificate.not_after(),
            refreshing: AtomicBool::new(false),
        });
        if let (None, [id], Some(_)) = (&nonce, &*ids, only) {
            self.0
                .cache
                .insert(id.as_der().to_vec(), Arc::clone(&answer));
        }
        Ok(answer)
    }
}

fn entity_tag(der: &[u8]) -> String {
    let mut tag = String::with_capacity(66);
    tag.push('"');
    for octet in Sha256::digest(der) {
        tag.push(char::from_digit(u32::from(octet >> 4), 16).unwrap_or('0'));
        tag.push(char::from_digit(u32::from(octet & 15), 16).unwrap_or('0'));
    }
    tag.push('"');
    tag
}
