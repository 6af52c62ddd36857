//! Time and randomness: handed to everything that needs them, real in services, chosen in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64ct::{Base64UrlUnpadded, Encoding};
use jiff::Timestamp;
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant; may jump when the system's clock is set.
    fn now(&self) -> Timestamp;
}

/// Gives unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random; never fails, since a process without randomness must not go on.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the system's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The system's random generator, through OpenSSL's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the system's randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = openssl::rand::rand_bytes(bytes) {
            tracing::error!(%error, "no randomness, ending at once");
            std::process::abort();
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock that shows `start`, to the millisecond.
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millisecond()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millisecond(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// Bytes that look random and are the same for the same seed (splitmix64); for tests alone.
#[derive(Debug)]
pub struct TestEntropy(AtomicU64);

impl TestEntropy {
    /// Starts the sequence that belongs to `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            for (to, from) in chunk.iter_mut().zip((z ^ (z >> 31)).to_le_bytes()) {
                *to = from;
            }
        }
    }
}

/// Clock and randomness of a service; cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

impl Sources {
    /// The system's.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// A clock that stands at `now`, with its handle, and the randomness of `seed`.
    pub fn test(now: Timestamp, seed: u64) -> (Self, Arc<TestClock>) {
        let clock = Arc::new(TestClock::at(now));
        let entropy = Arc::new(TestEntropy::seeded(seed));
        (
            Self {
                clock: Arc::<TestClock>::clone(&clock),
                entropy,
            },
            clock,
        )
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The present instant as the standard library has it.
    pub fn system_time(&self) -> SystemTime {
        self.now().into()
    }

    /// The present instant in Unix seconds, as databases keep it.
    pub fn unix(&self) -> i64 {
        self.now().as_second()
    }

    /// `N` random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A new identifier (UUIDv7, RFC 9562 §5.7).
    pub fn uuid(&self) -> Uuid {
        let milliseconds = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.random()).into_uuid()
    }

    /// `bytes` random bytes in base64url without padding.
    pub fn token(&self, bytes: usize) -> String {
        let mut random = vec![0; bytes];
        self.entropy.fill(&mut random);
        Base64UrlUnpadded::encode_string(&random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_carry_the_handed_in_time_and_repeat_with_the_seed() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let (one, clock) = Sources::test(now, 1);
        let (same, _) = Sources::test(now, 1);
        let (other, _) = Sources::test(now, 2);
        let id = one.uuid();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(
            id.get_timestamp().unwrap().to_unix().0,
            u64::try_from(now.as_second()).unwrap()
        );
        assert_eq!(id, same.uuid());
        assert_ne!(id, other.uuid());
        clock.advance(Duration::from_secs(1));
        assert_eq!(one.unix(), now.as_second() + 1);
        assert!(one.uuid() > id);
    }

    #[test]
    fn system_randomness_does_not_repeat() {
        let sources = Sources::system();
        assert_ne!(sources.random::<32>(), sources.random::<32>());
        assert_eq!(sources.token(32).len(), 43);
    }
}
