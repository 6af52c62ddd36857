//! Settings of listeners.

use serde::{Deserialize, Serialize};

use crate::client_address::Network;
use crate::rate_limit::RateLimitConfig;
use crate::tls::TlsConfig;

/// One socket and its limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerConfig {
    /// Address and port to listen on.
    pub address: String,
    /// TLS; without it the listener speaks plain HTTP, for development or behind a proxy on the same machine.
    pub tls: Option<TlsConfig>,
    /// Threads that serve requests; 0 takes one per processor.
    pub workers: usize,
    /// Connections per thread; further ones wait.
    pub max_connections: usize,
    /// Seconds an idle connection is kept.
    pub keep_alive_seconds: u64,
    /// Seconds within which the head of a request must arrive.
    pub head_timeout_seconds: u64,
    /// Seconds within which a request must be read and answered.
    pub request_timeout_seconds: u64,
    /// Largest body of a JSON or form request, in bytes.
    pub max_body_bytes: usize,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Requests per client address (per /64 for IPv6).
    pub rate_limit: RateLimitConfig,
    /// Whether each request is logged and measured.
    pub access_log: bool,
    /// Value of the Content-Security-Policy header; empty sends none.
    pub content_security_policy: String,
}

/// Policy of listeners without pages.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            tls: None,
            workers: 0,
            max_connections: 10_000,
            keep_alive_seconds: 30,
            head_timeout_seconds: 5,
            request_timeout_seconds: 70,
            max_body_bytes: 256 * 1024,
            trusted_proxies: Vec::new(),
            rate_limit: RateLimitConfig::default(),
            access_log: true,
            content_security_policy: NOTHING.to_owned(),
        }
    }
}

impl ListenerConfig {
    /// The default limits on this address.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }
}

/// The socket of health and metrics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorConfig {
    /// Address and port of `/health/live`, `/health/ready` and `/metrics`; empty opens none.
    pub address: String,
}

impl MonitorConfig {
    /// On this address.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
        }
    }
}
