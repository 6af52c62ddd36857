//! One stretch of life of an open token: a slot, an anchor session that stays logged in, working sessions, and resolved handles.
//!
//! Handles and session copies of keys belong to this stretch; when the token is lost the whole value is thrown away.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, SessionState};
use cryptoki::slot::Slot;

use super::evidence::About;
use super::index::Objects;
use super::keys::KeyPair;
use super::pin::PinGate;
use super::recovery::Class;
use super::retired::Retired;
use super::token::Fault;
use super::{module, recovery};
use crate::{KeyId, KeyLabel, KeyStoreError};

/// How long a call waits for one of the bounded sessions.
const SESSION_WAIT: Duration = Duration::from_secs(5);

/// A success this long ago still says that the token is there.
const RECENTLY: Duration = Duration::from_secs(1);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open, logged-in token.
pub(super) struct Live {
    context: Pkcs11,
    slot: Slot,
    anchor: Mutex<Session>,
    sessions: Mutex<Sessions>,
    freed: Condvar,
    keys: RwLock<HashMap<KeyId, Arc<KeyPair>>>,
    secrets: RwLock<HashMap<KeyLabel, ObjectHandle>>,
    /// Keys that sign no more.
    pub(super) retired: Retired,
    pub(super) objects: Objects,
    began: Instant,
    /// When a call last succeeded, in milliseconds after `began`; 0 for never.
    succeeded_ms: AtomicU64,
}

struct Sessions {
    idle: Vec<Session>,
    open: usize,
    /// How many may be open: as configured, or as many as the token gave before it refused one more.
    most: usize,
}

impl Live {
    /// Finds the token by label and logs in on a session that is never given to a caller.
    pub(super) fn open(
        path: &Path,
        label: &str,
        pin: &PinGate,
        max_sessions: usize,
    ) -> Result<Self, KeyStoreError> {
        let context = module::load(path)?;
        let slot = slot_by_label(&context, label)?;
        let info = context
            .get_token_info(slot)
            .map_err(|e| recovery::answer(&e))?;
        if info.user_pin_locked() {
            return Err(KeyStoreError::PinLocked);
        }
        let anchor = context
            .open_rw_session(slot)
            .map_err(|e| recovery::answer(&e))?;
        pin.enter(&anchor)?;
        Ok(Self {
            context,
            slot,
            anchor: Mutex::new(anchor),
            sessions: Mutex::new(Sessions {
                idle: Vec::new(),
                open: 0,
                most: max_sessions,
            }),
            freed: Condvar::new(),
            keys: RwLock::default(),
            secrets: RwLock::default(),
            retired: Retired::default(),
            objects: Objects::default(),
            began: Instant::now(),
            succeeded_ms: AtomicU64::new(0),
        })
    }

    /// Whether this is that stretch of life.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }

    /// Takes an idle session or opens one; waits when all are in use.
    pub(super) fn checkout(self: &Arc<Self>) -> Result<Lease, Fault> {
        let deadline = Instant::now() + SESSION_WAIT;
        let mut sessions = lock(&self.sessions);
        loop {
            if let Some(session) = sessions.idle.pop() {
                return Ok(Lease {
                    live: Arc::clone(self),
                    session: Some(session),
                });
            }
            if sessions.open < sessions.most {
                sessions.open += 1;
                drop(sessions);
                // The lease exists before the session, so that a failure gives the place back.
                let mut lease = Lease {
                    live: Arc::clone(self),
                    session: None,
                };
                match self.context.open_rw_session(self.slot) {
                    Ok(session) => {
                        lease.session = Some(session);
                        return Ok(lease);
                    }
                    Err(error) => {
                        drop(lease);
                        sessions = self.shrink(error)?;
                        continue;
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Refused(KeyStoreError::Busy(
                    "every session of the token is in use".to_owned(),
                )));
            }
            sessions = self
                .freed
                .wait_timeout(sessions, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Makes do with the sessions there are when the token refuses one more; without any, the refusal is the answer.
    fn shrink(&self, error: Error) -> Result<MutexGuard<'_, Sessions>, Fault> {
        let mut sessions = lock(&self.sessions);
        if recovery::class(&error) != Class::Capacity || sessions.open == 0 {
            return Err(Fault::Token(error));
        }
        if sessions.open < sessions.most {
            tracing::warn!(sessions = sessions.open, %error, "the token gives no more sessions");
            sessions.most = sessions.open;
        }
        Ok(sessions)
    }

    /// Logs in again on the anchor session.
    pub(super) fn login(&self, pin: &PinGate) -> Result<(), KeyStoreError> {
        let anchor = lock(&self.anchor);
        pin.enter(&anchor)
    }

    /// Whether the anchor session is logged in; an error means that it does not answer.
    pub(super) fn logged_in(&self) -> Result<bool, Error> {
        let info = lock(&self.anchor).get_session_info()?;
        Ok(matches!(info.session_state(), SessionState::RwUser))
    }

    /// Whether the token knows a mechanism.
    pub(super) fn knows(&self, mechanism: MechanismType) -> Result<bool, Error> {
        match self.context.get_mechanism_info(self.slot, mechanism) {
            Ok(_) => Ok(true),
            Err(Error::Pkcs11(RvError::MechanismInvalid, _)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What module and token say about themselves.
    pub(super) fn about(&self) -> Result<About, Error> {
        About::read(&self.context, self.slot)
    }

    /// Notes that the token has just done what it was asked.
    pub(super) fn note_success(&self) {
        let now = self.began.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX).max(1);
        self.succeeded_ms.store(now, Ordering::Relaxed);
    }

    /// Whether the token is there after all: it did something a moment ago, and the anchor session still answers. A token that sheds
    /// load says the same as one that is gone.
    pub(super) fn is_there(&self) -> bool {
        let succeeded = Duration::from_millis(self.succeeded_ms.load(Ordering::Relaxed));
        !succeeded.is_zero()
            && self.began.elapsed().saturating_sub(succeeded) < RECENTLY
            && self.logged_in().is_ok_and(|logged_in| logged_in)
    }

    /// Runs `work` on the anchor session, which owns session copies of keys.
    pub(super) fn on_anchor<T>(&self, work: impl FnOnce(&Session) -> T) -> T {
        work(&lock(&self.anchor))
    }

    pub(super) fn key(&self, id: KeyId) -> Option<Arc<KeyPair>> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    pub(super) fn remember_key(&self, id: KeyId, key: KeyPair) -> Arc<KeyPair> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(id).or_insert_with(|| Arc::new(key)))
    }

    /// Drops the handle of one key pair.
    pub(super) fn forget_key(&self, id: KeyId) {
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    pub(super) fn secret(&self, label: &KeyLabel) -> Option<ObjectHandle> {
        self.secrets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(label)
            .copied()
    }

    pub(super) fn remember_secret(&self, label: &KeyLabel, handle: ObjectHandle) {
        self.secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(label.clone(), handle);
    }

    /// Closes the sessions that wait to be used: one of them was dead, and others may have died with it.
    pub(super) fn drop_idle(&self) {
        let idle = {
            let mut sessions = lock(&self.sessions);
            let idle = std::mem::take(&mut sessions.idle);
            sessions.open = sessions.open.saturating_sub(idle.len());
            idle
        };
        drop(idle);
        self.freed.notify_all();
    }

    /// Drops the handle of one symmetric key.
    pub(super) fn forget_secret(&self, label: &KeyLabel) {
        self.secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(label);
    }

    /// Drops every resolved handle; the next use of a key searches for it again.
    pub(super) fn forget_handles(&self) {
        self.objects.forget();
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// The one slot whose token carries `label`; none and two are both errors.
pub(super) fn slot_by_label(context: &Pkcs11, label: &str) -> Result<Slot, KeyStoreError> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    let mut unread = None;
    for slot in context
        .get_slots_with_token()
        .map_err(|e| recovery::answer(&e))?
    {
        // A token that cannot be read for a moment, since another process is writing to it, is no fault of the one that is looked for.
        let info = match context.get_token_info(slot) {
            Ok(info) if !info.token_initialized() => continue,
            Ok(info) => info,
            Err(error) => {
                unread.get_or_insert(error);
                continue;
            }
        };
        let name = info.label().trim_end();
        if name == label {
            found.push(slot);
        } else {
            others.push(name.to_owned());
        }
    }
    if let (true, Some(error)) = (found.is_empty(), unread) {
        return Err(recovery::answer(&error));
    }
    match found.as_slice() {
        [slot] => Ok(*slot),
        [] if others.is_empty() => Err(KeyStoreError::TokenUnavailable(format!(
            "there is no token '{label}'; the module shows no initialised token at all"
        ))),
        [] => Err(KeyStoreError::TokenUnavailable(format!(
            "there is no token '{label}'; the module shows: {}",
            others.join(", ")
        ))),
        _ => Err(KeyStoreError::TokenUnavailable(format!(
            "{} tokens are called '{label}'; give each its own label",
            found.len()
        ))),
    }
}

/// A session lent to one call; it goes back to the idle ones only when [`Lease::keep`] says that it is sound.
pub(super) struct Lease {
    live: Arc<Live>,
    session: Option<Session>,
}

impl Lease {
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Returns a session that ended its work properly.
    pub(super) fn keep(mut self) {
        if let Some(session) = self.session.take() {
            let mut sessions = lock(&self.live.sessions);
            sessions.idle.push(session);
            sessions.open += 1; // taken back by drop
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.session = None;
        let mut sessions = lock(&self.live.sessions);
        sessions.open = sessions.open.saturating_sub(1);
        drop(sessions);
        self.live.freed.notify_one();
    }
}
