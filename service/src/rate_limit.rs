//! Rate limits (GCRA): so many per minute with so much of a burst, per client network or per key.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};

use crate::{Problem, ProblemType, Tasks};

/// How often memory of idle keys is given back.
const CLEAN_EVERY: Duration = Duration::from_mins(1);
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// A limit; 0 per minute means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests a minute in the long run; 0 switches the limit off.
    pub per_minute: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

impl RateLimitConfig {
    /// A limit of `per_minute`, of which `burst` may come at once.
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self::new(6_000, 600)
    }
}

/// Counts requests by key and says which are too many; cheap to clone.
pub struct RateLimit<K: Clone + Eq + Hash> {
    name: &'static str,
    limiter: Option<Arc<RateLimiter<K, DashMapStateStore<K>, DefaultClock>>>,
}

impl<K: Clone + Eq + Hash> Clone for RateLimit<K> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            limiter: self.limiter.clone(),
        }
    }
}

impl<K: Clone + Eq + Hash> std::fmt::Debug for RateLimit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> RateLimit<K> {
    /// A limit called `name` in the metrics.
    pub fn new(name: &'static str, config: RateLimitConfig) -> Self {
        let limiter = NonZeroU32::new(config.per_minute).map(|per_minute| {
            let burst = NonZeroU32::new(config.burst).unwrap_or(ONE);
            Arc::new(RateLimiter::dashmap(
                Quota::per_minute(per_minute).allow_burst(burst),
            ))
        });
        Self { name, limiter }
    }

    /// Counts one request of `key`; a problem with `Retry-After` when it is too many.
    pub fn check(&self, key: &K) -> Result<(), Problem> {
        self.admit(key)
            .map_err(|wait| Problem::new(ProblemType::RateLimited).retry_after(wait))
    }

    /// Counts one request of `key`; the seconds until the next may come when it is too many.
    pub fn admit(&self, key: &K) -> Result<(), u64> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        limiter.check_key(key).map_err(|not_until| {
            metrics::counter!("romduol_service_rate_limited_total", "limit" => self.name)
                .increment(1);
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + 1
        })
    }

    /// Forgets keys that have their full allowance again, every minute while the service runs.
    pub fn keep_clean(&self, tasks: &Tasks) {
        if let Some(limiter) = self.limiter.clone() {
            tasks.repeat("rate-limit-cleaner", CLEAN_EVERY, move || {
                limiter.retain_recent();
                limiter.shrink_to_fit();
                std::future::ready(())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_passes_and_the_next_is_told_when_to_return() {
        let limit = RateLimit::new("test", RateLimitConfig::new(1, 3));
        for _ in 0..3 {
            limit.check(&"a").unwrap();
        }
        let problem = limit.check(&"a").unwrap_err();
        assert_eq!(problem.kind(), ProblemType::RateLimited);
        assert!(
            problem
                .response("", None)
                .headers()
                .contains_key("retry-after")
        );
        limit.check(&"b").unwrap();
    }

    #[test]
    fn zero_means_no_limit() {
        let limit = RateLimit::new("test", RateLimitConfig::new(0, 0));
        assert!((0..10_000).all(|_| limit.check(&1).is_ok()));
    }
}
