//! The records that wait for their holders.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::assertion::{self, Assertion};
use super::{ActivationError, Holder};
use crate::{KeyId, SignatureVerifier};

/// How long a record waits for its holder (at most five minutes between consent and signature).
pub const TIME_TO_SIGN: Duration = Duration::from_mins(5);
/// Most digests in one record.
pub const MAX_DIGESTS: usize = 128;
/// Most records of one key that wait at once.
pub const MAX_OPEN_PER_KEY: usize = 64;
/// Most digests that wait at once, over all keys.
pub const MAX_WAITING: usize = 65_536;
/// Longest context in bytes.
pub const MAX_CONTEXT: usize = 64;

/// What a challenge starts with; changes with its form.
const CHALLENGE_DOMAIN: &[u8] = b"romduol-sign-v2";
/// Old records are looked for no more often than this.
const SWEEP: Duration = Duration::from_secs(1);

/// What the holder's passkey is to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The challenge of Web Authentication.
    pub bytes: [u8; 32],
    /// When it is worth nothing any more.
    pub expires: Instant,
}

/// A signature that its holder is said to have agreed to.
#[derive(Debug, Clone, Copy)]
pub struct Redemption<'a> {
    /// The key that is to sign.
    pub key: KeyId,
    /// What it is to sign now, computed by the bridge wherever it has the message.
    pub digests: &'a [&'a [u8]],
    /// The holder's word.
    pub assertion: Assertion<'a>,
}

/// Records that wait, bounded in number and time; they live in this process alone, so that nothing outlives a restart.
#[derive(Debug, Default)]
pub struct Activations(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    open: HashMap<[u8; 32], Record>,
    per_key: HashMap<KeyId, usize>,
    waiting: usize,
    sweep_at: Option<Instant>,
}

#[derive(Debug)]
struct Record {
    key: KeyId,
    expires: Instant,
    digests: Vec<Vec<u8>>,
}

impl Activations {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a record for exactly these digests of `key`; `nonce` is fresh from a random source, `context` names the caller's request.
    ///
    /// A digest that is to be signed twice stands twice.
    pub fn begin(
        &self,
        key: KeyId,
        context: &[u8],
        digests: Vec<Vec<u8>>,
        nonce: [u8; 32],
        now: Instant,
    ) -> Result<Challenge, ActivationError> {
        if digests.is_empty() || digests.len() > MAX_DIGESTS {
            return Err(ActivationError::Request("number of digests"));
        }
        // SHA-256, SHA-384, SHA-512.
        if !digests
            .iter()
            .all(|digest| matches!(digest.len(), 32 | 48 | 64))
        {
            return Err(ActivationError::Request("length of a digest"));
        }
        if context.len() > MAX_CONTEXT {
            return Err(ActivationError::Request("context"));
        }
        let bytes = challenge(key, context, &nonce, &digests);
        let expires = now + TIME_TO_SIGN;
        self.lock().insert(
            bytes,
            Record {
                key,
                expires,
                digests,
            },
            now,
        )?;
        Ok(Challenge { bytes, expires })
    }

    /// Succeeds when the holder agreed to these digests under this key and none of them was signed before; each is then used up,
    /// whatever follows. A refusal uses nothing up.
    pub fn redeem(
        &self,
        redemption: &Redemption<'_>,
        holder: &Holder,
        now: Instant,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), ActivationError> {
        if redemption.digests.is_empty() {
            return Err(ActivationError::Request("number of digests"));
        }
        let answer = assertion::read(&redemption.assertion)?;
        self.lock().left_after(&answer.challenge, redemption, now)?;
        // Without the lock, since it takes long; whether the digests still wait is asked again below.
        assertion::check(&redemption.assertion, &answer, holder, verifier)?;
        let mut table = self.lock();
        let left = table.left_after(&answer.challenge, redemption, now)?;
        table.keep(&answer.challenge, left);
        Ok(())
    }

    /// How many digests wait for their holders.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(
        &mut self,
        challenge: [u8; 32],
        record: Record,
        now: Instant,
    ) -> Result<(), ActivationError> {
        self.sweep(now);
        let of_key = self.per_key.get(&record.key).copied().unwrap_or(0);
        if of_key >= MAX_OPEN_PER_KEY
            || self.waiting.saturating_add(record.digests.len()) > MAX_WAITING
        {
            return Err(ActivationError::Full);
        }
        // Only a nonce that came twice makes a challenge twice.
        if self.open.contains_key(&challenge) {
            return Err(ActivationError::Request("nonce"));
        }
        self.waiting = self.waiting.saturating_add(record.digests.len());
        self.per_key.insert(record.key, of_key.saturating_add(1));
        self.open.insert(challenge, record);
        Ok(())
    }

    /// What is left of a record once these digests are signed.
    fn left_after(
        &self,
        challenge: &[u8; 32],
        redemption: &Redemption<'_>,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, ActivationError> {
        let record = self
            .open
            .get(challenge)
            .filter(|record| record.key == redemption.key && now < record.expires)
            .ok_or(ActivationError::Unknown)?;
        let mut left = record.digests.clone();
        for digest in redemption.digests {
            let at = left
                .iter()
                .position(|waiting| waiting == digest)
                .ok_or(ActivationError::Digest)?;
            left.swap_remove(at);
        }
        Ok(left)
    }

    /// Leaves a record with these digests; one without any is over.
    fn keep(&mut self, challenge: &[u8; 32], left: Vec<Vec<u8>>) {
        let Some(record) = self.open.get_mut(challenge) else {
            return;
        };
        let used = record.digests.len().saturating_sub(left.len());
        self.waiting = self.waiting.saturating_sub(used);
        record.digests = left;
        if record.digests.is_empty() {
            let key = record.key;
            self.open.remove(challenge);
            release(&mut self.per_key, key);
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_some_and(|at| now < at) {
            return;
        }
        self.sweep_at = Some(now + SWEEP);
        let Self {
            open,
            per_key,
            waiting,
            ..
        } = self;
        open.retain(|_, record| {
            let alive = now < record.expires;
            if !alive {
                *waiting = waiting.saturating_sub(record.digests.len());
                release(per_key, record.key);
            }
            alive
        });
    }
}

fn release(per_key: &mut HashMap<KeyId, usize>, key: KeyId) {
    if let Some(count) = per_key.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            per_key.remove(&key);
        }
    }
}

/// Binds key, context, moment and every digest; lengths are written so that no two records read the same.
fn challenge(key: KeyId, context: &[u8], nonce: &[u8; 32], digests: &[Vec<u8>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    part(CHALLENGE_DOMAIN);
    part(key.as_bytes());
    part(context);
    part(nonce);
    for digest in digests {
        part(digest);
    }
    hasher.finalize().into()
}
