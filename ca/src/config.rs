//! Settings of the certificate authority: section `[ca]`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use domain::certificate::Role;
use hsm_bridge::client::RemoteBridge;
use serde::{Deserialize, Serialize};
use service::HttpClientConfig;
use service::config::ConfigError;
use service::rate_limit::RateLimitConfig;
use service::server::{ListenerConfig, MonitorConfig};
use service::telemetry::TelemetryConfig;
use store::StoreConfig;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Longest time a document may wait for its holder.
const MAX_DOCUMENT_SECONDS: i64 = 5 * MINUTE;
/// Calls of one service per minute.
const CALLS_PER_MINUTE: u32 = 60_000;
/// Calls a service may make at once.
const CALLS_AT_ONCE: u32 = 6_000;
/// Time-stamps per client address and minute.
const STAMPS_PER_MINUTE: u32 = 6_000;
/// Time-stamps of one client address at once.
const STAMPS_AT_ONCE: u32 = 600;

/// Settings of the certificate authority. No setting names a token, a PIN or a root key: keys are reached through
/// the bridge alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Base address of this service; the audience of tokens for it.
    pub base_url: String,
    /// Directory with the public results of the key ceremony.
    pub ceremony: PathBuf,
    /// Socket of the bridge to the token.
    pub bridge_socket: PathBuf,
    /// The bridge on another host, in the place of that socket.
    pub bridge_remote: Option<RemoteBridge>,
    /// Token calls at the same time.
    pub token_calls: usize,
    /// The database.
    pub store: StoreConfig,
    /// The socket of the API.
    pub listener: ListenerConfig,
    /// The socket of the time-stamping authority.
    pub tsa_listener: ListenerConfig,
    /// The socket of health and metrics.
    pub monitor: MonitorConfig,
    /// What is logged.
    pub telemetry: TelemetryConfig,
    /// Outgoing calls, for the identity provider's keys.
    pub http_client: HttpClientConfig,
    /// The identity provider whose access tokens are accepted; without it none are.
    pub access_tokens: Option<AccessTokenConfig>,
    /// Callers known by the name in their TLS client certificate.
    pub tls_clients: Vec<TlsClientConfig>,
    /// Revocation lists.
    pub crl: CrlConfig,
    /// Time-stamps.
    pub tsa: TsaConfig,
    /// Document signing.
    pub signing: SigningConfig,
    /// Limits and keeping times.
    pub limits: LimitsConfig,
}

/// The identity provider whose access tokens are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessTokenConfig {
    /// Its issuer identifier.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
}

/// A caller known by the name in its TLS client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsClientConfig {
    /// A DNS name of the certificate.
    pub name: String,
    /// What the caller is.
    pub roles: BTreeSet<Role>,
    /// Host names it may get TLS certificates for.
    pub tls_names: BTreeSet<String>,
}

/// Revocation lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrlConfig {
    /// Life of a list in seconds (`nextUpdate` minus `thisUpdate`).
    pub life_seconds: i64,
    /// Age in seconds at which a list is signed anew although nothing changed.
    pub refresh_seconds: i64,
    /// Seconds between two looks for lists that are due; a revocation on this node starts one at once.
    pub look_seconds: u64,
}

/// Time-stamps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsaConfig {
    /// Accuracy promised in each token, in milliseconds.
    pub accuracy_millis: u32,
    /// How far the clock may run from the machine's monotonic clock before no time is given, in milliseconds.
    pub max_step_millis: u64,
    /// Days for which the record of a token is kept.
    pub keep_days: i64,
}

/// Document signing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningConfig {
    /// Country in the names of holders (ISO 3166-1 alpha-2).
    pub country: String,
    /// Largest document, in bytes.
    pub max_document_bytes: usize,
    /// Seconds a prepared document waits for its holder; at most 300.
    pub document_seconds: i64,
    /// Documents of one credential that may wait at the same time.
    pub max_waiting_documents: i64,
    /// Bytes of one credential's waiting documents together.
    pub max_waiting_bytes: i64,
}

/// Limits and keeping times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Seconds after which an intent without result counts as left by a crash.
    pub intent_seconds: i64,
    /// Longest wait of a follower of the status log, in seconds.
    pub max_wait_seconds: u64,
    /// Days for which a certificate's record is kept after its end.
    pub keep_days: i64,
}

impl Default for Config {
    fn default() -> Self {
        let tsa_listener = ListenerConfig {
            max_body_bytes: pki::tsp::MAX_REQUEST_BYTES,
            rate_limit: RateLimitConfig::new(STAMPS_PER_MINUTE, STAMPS_AT_ONCE),
            ..ListenerConfig::at("127.0.0.1:8083")
        };
        let listener = ListenerConfig {
            rate_limit: RateLimitConfig::new(CALLS_PER_MINUTE, CALLS_AT_ONCE),
            ..ListenerConfig::at("127.0.0.1:8081")
        };
        Self {
            base_url: "http://localhost:8081".to_owned(),
            ceremony: ".romduol/ceremony".into(),
            bridge_socket: ".romduol/run/ca.sock".into(),
            bridge_remote: None,
            token_calls: 8,
            store: StoreConfig::default(),
            listener,
            tsa_listener,
            monitor: MonitorConfig::at("127.0.0.1:9081"),
            telemetry: TelemetryConfig::default(),
            http_client: HttpClientConfig::default(),
            access_tokens: None,
            tls_clients: Vec::new(),
            crl: CrlConfig::default(),
            tsa: TsaConfig::default(),
            signing: SigningConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for CrlConfig {
    fn default() -> Self {
        Self {
            life_seconds: 3 * DAY,
            refresh_seconds: 12 * HOUR,
            look_seconds: 5,
        }
    }
}

impl Default for TsaConfig {
    fn default() -> Self {
        Self {
            accuracy_millis: 1_000,
            max_step_millis: 500,
            keep_days: 11 * 365,
        }
    }
}

impl Default for SigningConfig {
    fn default() -> Self {
        Self {
            country: "KH".to_owned(),
            max_document_bytes: 20 * 1024 * 1024,
            document_seconds: MAX_DOCUMENT_SECONDS,
            max_waiting_documents: 20,
            max_waiting_bytes: 100 * 1024 * 1024,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            intent_seconds: 30,
            max_wait_seconds: 55,
            keep_days: 11 * 365,
        }
    }
}

impl Config {
    /// Checks what types cannot; the words of an error name the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |condition: bool, words: &str| {
            if condition {
                Err(ConfigError::Value(words.to_owned()))
            } else {
                Ok(())
            }
        };
        let url = url::Url::parse(&self.base_url).ok();
        let web = url.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
        refuse(
            !web || self.base_url.ends_with('/'),
            "base_url is http(s)://HOST without a slash at its end",
        )?;
        refuse(self.token_calls == 0, "token_calls is at least 1")?;
        let crl = &self.crl;
        refuse(
            crl.refresh_seconds <= 0 || crl.life_seconds < crl.refresh_seconds.saturating_mul(2),
            "crl.life_seconds is at least twice crl.refresh_seconds, so that one failure leaves no gap",
        )?;
        refuse(crl.look_seconds == 0, "crl.look_seconds is at least 1")?;
        let signing = &self.signing;
        refuse(
            !(1..=MAX_DOCUMENT_SECONDS).contains(&signing.document_seconds),
            "signing.document_seconds is 1 to 300",
        )?;
        refuse(
            signing.max_document_bytes > ades::pades::MAX_FILE_BYTES,
            "signing.max_document_bytes is beyond what can be signed",
        )?;
        refuse(
            self.tsa.accuracy_millis == 0,
            "tsa.accuracy_millis is at least 1",
        )?;
        refuse(
            self.limits.intent_seconds < 1,
            "limits.intent_seconds is at least 1",
        )?;
        refuse(
            self.limits.max_wait_seconds >= self.listener.request_timeout_seconds,
            "limits.max_wait_seconds is below listener.request_timeout_seconds",
        )?;
        refuse(
            self.limits.keep_days < 0 || self.tsa.keep_days < 0,
            "keep_days is not negative",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable() {
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn the_page_is_current() {
        let sources = [
            include_str!("config.rs"),
            include_str!("../../hsm-bridge/src/client/transport.rs"),
            include_str!("../../store/src/lib.rs"),
            include_str!("../../service/src/server/config.rs"),
            include_str!("../../service/src/tls.rs"),
            include_str!("../../service/src/rate_limit.rs"),
            include_str!("../../service/src/telemetry.rs"),
            include_str!("../../service/src/http_client.rs"),
        ];
        let page = service::config::reference::<Config>("ca", "Config", &sources).unwrap();
        service::config::document_is_current("configuration/ca.md", &page).unwrap();
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let refused = |change: fn(&mut Config), word: &str| {
            let mut config = Config::default();
            change(&mut config);
            let words = config.check().expect_err(word).to_string();
            assert!(words.contains(word), "{words}");
        };
        refused(|c| c.base_url = "ca.example".to_owned(), "base_url");
        refused(
            |c| c.crl.life_seconds = c.crl.refresh_seconds,
            "crl.life_seconds",
        );
        refused(|c| c.signing.document_seconds = 301, "document_seconds");
        refused(|c| c.limits.max_wait_seconds = 600, "max_wait_seconds");
        refused(
            |c| c.signing.max_document_bytes = usize::MAX,
            "max_document_bytes",
        );
    }
}
