//! A worker: one open token, and a thread for each connection that was handed to it.
//!
//! In a process of its own it obeys the supervisor at the other end of its control socket, reports ten times a second that no call is
//! overdue, and ends itself when the token is lost: what a vendor's library holds after that is not worth saving.

mod connections;
mod held;
mod office;
mod orders;
mod process;
mod record;
mod secrets;
mod service;
mod stream;
mod tiers;
mod upkeep;
mod watch;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

pub use process::run;

use super::access::Access;
use super::control::Configuration;
use crate::audit::{self, LogId};
use crate::pkcs11::WhenLost;
use crate::policy::{Operation, Policy, Used};
use crate::sealed::SealedKeys;
use crate::{Health, KeyLabel, KeyStoreError};
use connections::Connections;
use office::Office;
use record::Recorder;
use service::Service;
use upkeep::Upkeep;
use watch::Watch;

pub(super) use connections::refuse;
pub(super) use service::wall_clock;

/// Ceilings are by the day of UTC.
const DAY_SECONDS: u64 = 86_400;

/// How many connections may hand in orders at once; orders are carried out one by one.
const ADMINISTRATORS_AT_ONCE: usize = 4;

/// An open token and the connections that use it.
pub(super) struct Worker {
    service: Arc<Service>,
    connections: Arc<Connections>,
    office: Arc<Office>,
    /// Those of administrators, whom no crowd of services keeps out.
    administering: Arc<Connections>,
    upkeep: Mutex<Option<Upkeep>>,
}

impl Worker {
    /// Opens the token, with one login.
    pub(super) fn open(
        configuration: &Configuration,
        access: Access,
        when_lost: WhenLost,
    ) -> Result<Self, KeyStoreError> {
        let policy = Policy::parse(&configuration.policy).map_err(KeyStoreError::Configuration)?;
        let settings = &configuration.token;
        let token = settings.open_with(access, when_lost.clone(), Some(wall_clock))?;
        token.health()?;
        let folder = &configuration.audit_folder;
        let fresh = LogId::from_bytes(token.random()?);
        let recorder = Recorder::open(folder, fresh, &settings.name, when_lost.clone())?;
        let notary = recorder.clone();
        token.set_notary(Box::new(move |label, id, hash| {
            notary.evidence(label, id, hash)
        }));
        if policy.counts_days() {
            charge(&policy, folder)?;
        }
        let sealed = SealedKeys::open(token.clone(), configuration.sealed_folder.clone())?;
        let watch = Watch::new(Duration::from_millis(configuration.call_limit_ms.into()));
        let service = Arc::new(Service::new(token, sealed, policy, recorder, watch));
        let office = Office::open(configuration, Arc::clone(&service))?;
        let canary = Duration::from_millis(configuration.canary_ms.into());
        let canary = (!canary.is_zero()).then_some(canary);
        let upkeep = Upkeep::start(Arc::clone(&service), canary, when_lost)?;
        Ok(Self {
            upkeep: Mutex::new(Some(upkeep)),
            service,
            connections: Arc::new(Connections::new(configuration.max_connections)),
            office: Arc::new(office),
            administering: Arc::new(Connections::new(ADMINISTRATORS_AT_ONCE)),
        })
    }

    /// Serves a connection from a thread of its own, or tells it why not.
    pub(super) fn serve(&self, stream: UnixStream, caller: String) {
        self.connections
            .serve(stream, caller, Arc::clone(&self.service));
    }

    /// Takes orders on a connection from a thread of its own, or tells it why not.
    pub(super) fn administer(&self, stream: UnixStream) {
        let office = Arc::clone(&self.office);
        self.administering
            .run(stream, "(administrators)", move |stream| {
                office.converse(stream);
            });
    }

    /// Ends every connection after what has arrived on it, without waiting: orders go on meanwhile.
    pub(super) fn drain(&self) {
        self.connections.hang_up();
    }

    /// Ends every connection as [`Worker::drain`] does, waits for the last, and ends the audit log.
    pub(super) fn finish(&self) {
        self.connections.finish();
        self.administering.finish();
        let upkeep = self
            .upkeep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(upkeep) = upkeep {
            self.service.recorder.stopped();
            upkeep.stop();
        }
    }

    /// A call that should have been back by now.
    fn overdue(&self, now: Instant) -> Option<&'static str> {
        self.service.overdue(now)
    }

    /// Lets no more calls into the token, and waits so long for those under way: a token whose caller is killed in the middle of a call
    /// may be left damaged.
    fn close(&self, limit: Duration) {
        self.service.close(limit);
    }

    /// Notes in the audit log that what is under way will have no known outcome.
    fn give_up(&self) {
        if let Err(error) = self.service.give_up() {
            tracing::error!(%error, "the calls that end here are not in the audit log");
        }
    }
}

/// Counts what this day has seen already, so that a restart opens no second day.
fn charge(policy: &Policy, folder: &Path) -> Result<(), KeyStoreError> {
    let now = wall_clock();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let midnight = UNIX_EPOCH + Duration::from_secs(seconds - seconds % DAY_SECONDS);
    audit::done_since(folder, midnight, |caller, operation, key| {
        if let (Some(operation), Ok(label)) =
            (Operation::from_name(operation), KeyLabel::parse(key))
        {
            let used = Used {
                caller,
                operation,
                label: &label,
                count: 1,
            };
            policy.preload(now, [used]);
        }
    })
    .map_err(|finding| KeyStoreError::Configuration(format!("audit log: {finding}")))
}
