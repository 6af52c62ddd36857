//! Settings of the OpenID provider: section `[idp.oidc]`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service::rate_limit::RateLimitConfig;

/// Section `[idp.oidc]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Life of an authorization code, in seconds; at most 60 (FAPI 2.0 Security Profile §5.3.2.1).
    pub code_seconds: u32,
    /// Life of a pushed authorization request until its browser comes, in seconds (RFC 9126 §2.2).
    pub request_seconds: u32,
    /// Time a person has for signing in and consenting, in minutes.
    pub interaction_minutes: u32,
    /// Life of an access token, in seconds.
    pub access_token_seconds: u32,
    /// Life of an ID token, in seconds.
    pub id_token_seconds: u32,
    /// Life of a refresh token, in days; each use starts it anew, within the consent.
    pub refresh_days: u32,
    /// Life of a consent, in days; never longer than its access grant.
    pub consent_days: u32,
    /// Longest life of a client assertion, in seconds.
    pub assertion_seconds: u32,
    /// How far clients' clocks may be ahead, in seconds.
    pub clock_skew_seconds: u32,
    /// Days for which ended requests, codes and tokens stay in the records.
    pub keep_days: u32,
    /// Requests that one client may make to the token, PAR, introspection and revocation endpoints.
    pub client_limit: RateLimitConfig,
}

/// No code lives longer, whatever the setting says.
const MAX_CODE_SECONDS: u32 = 60;

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            code_seconds: MAX_CODE_SECONDS,
            request_seconds: 90,
            interaction_minutes: 30,
            access_token_seconds: 300,
            id_token_seconds: 300,
            refresh_days: 30,
            consent_days: 365,
            assertion_seconds: 300,
            clock_skew_seconds: 10,
            keep_days: 7,
            client_limit: RateLimitConfig::new(6_000, 600),
        }
    }
}

impl OidcConfig {
    /// When a code that is issued now dies.
    pub(super) fn code_end(&self, now: Timestamp) -> Timestamp {
        after_seconds(now, self.code_seconds.min(MAX_CODE_SECONDS))
    }

    /// When a request that is pushed now can no longer be started.
    pub(super) fn request_end(&self, now: Timestamp) -> Timestamp {
        after_seconds(now, self.request_seconds)
    }

    /// Until when the person of a request that starts now may take.
    pub(super) fn interaction_end(&self, now: Timestamp) -> Timestamp {
        after(
            now,
            SignedDuration::from_mins(i64::from(self.interaction_minutes)),
        )
    }

    /// When an access token that is issued now dies.
    pub(super) fn access_token_end(&self, now: Timestamp) -> Timestamp {
        after_seconds(now, self.access_token_seconds)
    }

    /// When an ID token that is issued now dies.
    pub(super) fn id_token_end(&self, now: Timestamp) -> Timestamp {
        after_seconds(now, self.id_token_seconds)
    }

    /// When a refresh token that is issued now dies.
    pub(super) fn refresh_end(&self, now: Timestamp) -> Timestamp {
        after(
            now,
            SignedDuration::from_hours(24 * i64::from(self.refresh_days)),
        )
    }

    /// When a consent that is given now ends by itself.
    pub(super) fn consent_end(&self, now: Timestamp) -> Timestamp {
        after(
            now,
            SignedDuration::from_hours(24 * i64::from(self.consent_days)),
        )
    }

    /// What ended before this may be forgotten.
    pub(super) fn keep_from(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(SignedDuration::from_hours(24 * i64::from(self.keep_days)))
            .unwrap_or(Timestamp::MIN)
    }
}

fn after_seconds(now: Timestamp, seconds: u32) -> Timestamp {
    after(now, SignedDuration::from_secs(i64::from(seconds)))
}

fn after(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
