//! Settings of the status service.

use std::path::PathBuf;

use hsm_bridge::client::RemoteBridge;
use serde::{Deserialize, Serialize};
use service::HttpClientConfig;
use service::config::ConfigError;
use service::rate_limit::RateLimitConfig;
use service::server::{ListenerConfig, MonitorConfig};
use service::telemetry::TelemetryConfig;

const HOUR: u32 = 60 * 60;
/// Shortest and longest life of an answer (CA/Browser Forum Baseline Requirements 4.9.10).
const VALIDITY: std::ops::RangeInclusive<u32> = 8 * HOUR..=10 * 24 * HOUR;
/// Longest wait a caller of the status log may ask for, below the listener's deadline.
const MAX_WAIT: u32 = 60;

/// Configuration of the status service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The socket of OCSP, revocation lists and issuer certificates.
    pub listener: ListenerConfig,
    /// The socket of health and metrics.
    pub monitor: MonitorConfig,
    /// Logging.
    pub telemetry: TelemetryConfig,
    /// Scheme and host before `/problems/…` in problem types.
    pub base_url: String,
    /// Folder of the key ceremony's public results (`hierarchy.json` and what it names).
    pub hierarchy_folder: PathBuf,
    /// Folder of the followed status log and of renewed responder certificates.
    pub status_folder: PathBuf,
    /// Folder of the published revocation lists.
    pub crl_folder: PathBuf,
    /// Socket of the bridge that holds this service's keys.
    pub bridge_socket: PathBuf,
    /// The bridge on another host, in the place of that socket.
    pub bridge_remote: Option<RemoteBridge>,
    /// The certificate authority that is followed.
    pub ca: CaConfig,
    /// The answers.
    pub answers: AnswerConfig,
}

/// The certificate authority that is followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaConfig {
    /// Its address.
    pub url: String,
    /// Its `base_url`, which is the audience of our tokens.
    pub audience: String,
    /// Our name in these tokens.
    pub peer_name: String,
    /// Label of the key that signs these tokens.
    pub peer_key: String,
    /// How it is called.
    pub client: HttpClientConfig,
    /// Seconds one request for news may wait for them.
    pub wait_seconds: u32,
    /// Entries asked for at once.
    pub page: u32,
    /// Seconds between two rounds over all revocation lists.
    pub crl_seconds: u32,
}

/// The answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerConfig {
    /// Seconds from thisUpdate to nextUpdate, 8 hours to 10 days. Without contact to the authority for this long,
    /// the service answers `tryLater`.
    pub validity_seconds: u32,
    /// Oldest thisUpdate of an answer while the authority is in contact, in seconds; X-Road refuses answers older
    /// than an hour.
    pub freshness_seconds: u32,
    /// Seconds a proxy may keep an answer to GET; bounds how late a revocation shows behind proxies.
    pub max_age_seconds: u32,
    /// Signed answers kept in memory.
    pub cache_entries: u64,
    /// Signatures under way at once; about the number of sessions the bridge holds.
    pub signing_places: usize,
    /// Answers per client address that need a signature of their own (nonce, several certificates, first asked).
    pub signing_limit: RateLimitConfig,
    /// Whether a serial number that was never issued is answered as revoked (RFC 6960 §4.4.8) instead of unknown.
    pub revoke_never_issued: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listener: ListenerConfig {
                // Answers are public, cached and cheap: limits apply to those that cost a signature.
                rate_limit: RateLimitConfig::new(0, 0),
                access_log: false,
                ..ListenerConfig::at("127.0.0.1:8082")
            },
            monitor: MonitorConfig::at("127.0.0.1:9082"),
            telemetry: TelemetryConfig::default(),
            base_url: "http://127.0.0.1:8082".to_owned(),
            hierarchy_folder: ".romduol/ceremony".into(),
            status_folder: ".romduol/status".into(),
            crl_folder: ".romduol/crl".into(),
            bridge_socket: ".romduol/run/ocsp.sock".into(),
            bridge_remote: None,
            ca: CaConfig::default(),
            answers: AnswerConfig::default(),
        }
    }
}

impl Default for CaConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".to_owned(),
            audience: "http://localhost:8081".to_owned(),
            peer_name: "ocsp".to_owned(),
            peer_key: "ocsp/peer/g1".to_owned(),
            client: HttpClientConfig {
                timeout_seconds: 60,
                ..HttpClientConfig::default()
            },
            wait_seconds: 25,
            page: 1_000,
            crl_seconds: 300,
        }
    }
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self {
            validity_seconds: 24 * HOUR,
            freshness_seconds: HOUR,
            max_age_seconds: 300,
            cache_entries: 200_000,
            signing_places: 8,
            signing_limit: RateLimitConfig::new(60_000, 6_000),
            revoke_never_issued: false,
        }
    }
}

impl Config {
    /// Checks what types cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bad = |words: &str| Err(ConfigError::Value(words.to_owned()));
        let answers = &self.answers;
        if !VALIDITY.contains(&answers.validity_seconds) {
            return bad("answers.validity_seconds must be 8 hours to 10 days");
        }
        if answers.freshness_seconds < 60 || answers.freshness_seconds > answers.validity_seconds {
            return bad("answers.freshness_seconds must be a minute to validity_seconds");
        }
        if !(1..=MAX_WAIT).contains(&self.ca.wait_seconds)
            || u64::from(self.ca.wait_seconds) >= self.ca.client.timeout_seconds
        {
            return bad("ca.wait_seconds must be 1 to 60 and below ca.client.timeout_seconds");
        }
        if self.ca.page == 0 || self.ca.crl_seconds == 0 {
            return bad("ca.page and ca.crl_seconds must not be 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_usable_and_the_page_current() {
        Config::default().check().unwrap();
        let sources = [
            include_str!("config.rs"),
            include_str!("../../hsm-bridge/src/client/transport.rs"),
            include_str!("../../service/src/server/config.rs"),
            include_str!("../../service/src/tls.rs"),
            include_str!("../../service/src/rate_limit.rs"),
            include_str!("../../service/src/telemetry.rs"),
            include_str!("../../service/src/http_client.rs"),
        ];
        let page = service::config::reference::<Config>("ocsp", "Config", &sources).unwrap();
        service::config::document_is_current("configuration/ocsp.md", &page).unwrap();
    }

    #[test]
    fn lives_outside_the_limits_are_refused() {
        for (validity, freshness) in [(HOUR, HOUR), (11 * 24 * HOUR, HOUR), (8 * HOUR, 9 * HOUR)] {
            let mut config = Config::default();
            config.answers.validity_seconds = validity;
            config.answers.freshness_seconds = freshness;
            assert!(config.check().is_err());
        }
    }
}
