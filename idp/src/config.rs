//! Settings of the provider: section `[idp]` of `romduol.toml`.

use std::path::PathBuf;

use hsm_bridge::KeyLabel;
use hsm_bridge::client::RemoteBridge;
use serde::{Deserialize, Serialize};
use service::server::{ListenerConfig, MonitorConfig};
use service::telemetry::TelemetryConfig;
use store::StoreConfig;
use url::Url;

/// Section `[idp]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `development` or `production`; development shows the outbox and allows plain HTTP.
    pub environment: Environment,
    /// The issuer identifier and the origin of every page (OpenID Connect Discovery 1.0 §3).
    pub issuer: Url,
    /// Address, TLS and limits of the listener for browsers and ministries.
    pub listener: ListenerConfig,
    /// Health and metrics.
    pub monitor: MonitorConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// The database of persons and accounts.
    pub store: StoreConfig,
    /// The socket of `hsm-bridge` for this service.
    pub bridge_socket: PathBuf,
    /// The bridge on another host, in the place of that socket.
    pub bridge_remote: Option<RemoteBridge>,
    /// Labels of the keys in the token.
    pub keys: Keys,
    /// Threads for password hashing, images and calls into the token.
    pub blocking_threads: usize,
    /// Folder of sealed evidence, by digest.
    pub evidence: PathBuf,
    /// The certificate authority.
    pub ca: crate::sign::CaConfig,
    /// OpenID Connect.
    pub oidc: crate::oidc::OidcConfig,
    /// Accounts and signing in.
    pub account: crate::account::AccountConfig,
    /// Mail and text messages.
    pub outbox: crate::outbox::OutboxConfig,
    /// Identity proofing.
    pub apply: crate::apply::ApplyConfig,
}

/// Where the provider runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A developer's machine or the demo.
    #[default]
    Development,
    /// Real people.
    Production,
}

/// Labels of the provider's keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Signs ID tokens and access tokens; the newest first, all are published.
    pub id_token: Vec<KeyLabel>,
    /// Wraps the keys of persons.
    pub key_encryption: KeyLabel,
    /// Makes blind indexes.
    pub blind_index: KeyLabel,
    /// Makes pairwise subject identifiers.
    pub pairwise: KeyLabel,
    /// Signs calls to other services.
    pub peer: KeyLabel,
}

/// A label that is known to be well formed.
fn label(text: &'static str) -> KeyLabel {
    #[expect(clippy::expect_used, reason = "constants of this file, held by a test")]
    KeyLabel::parse(text).expect("well-formed label")
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            id_token: vec![label("idp/id-token/2026-11")],
            key_encryption: label("idp/kek/g1"),
            blind_index: label("idp/blind-index/g1"),
            pairwise: label("idp/pairwise/g1"),
            peer: label("idp/peer/g1"),
        }
    }
}

/// The development issuer.
const DEVELOPMENT_ISSUER: &str = "http://localhost:8080";
/// What our pages may load: our own files, nothing else; forms go to us alone (Content Security Policy Level 3).
const PAGES: &str = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
    script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Largest form without files.
const MAX_FORM_BYTES: usize = 64 * 1024;
/// Threads beside the workers.
const DEFAULT_BLOCKING_THREADS: usize = 8;

impl Default for Config {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a constant of this file, held by a test"
        )]
        let issuer = Url::parse(DEVELOPMENT_ISSUER).expect("well-formed issuer");
        Self {
            environment: Environment::default(),
            issuer,
            listener: ListenerConfig {
                content_security_policy: PAGES.to_owned(),
                max_body_bytes: MAX_FORM_BYTES,
                ..ListenerConfig::at("127.0.0.1:8080")
            },
            monitor: MonitorConfig::at("127.0.0.1:8100"),
            telemetry: TelemetryConfig::default(),
            store: StoreConfig {
                url: "sqlite://.romduol/idp.db".to_owned(),
                ..StoreConfig::default()
            },
            bridge_socket: PathBuf::from(".romduol/run/bridge-idp.sock"),
            bridge_remote: None,
            keys: Keys::default(),
            blocking_threads: DEFAULT_BLOCKING_THREADS,
            evidence: PathBuf::from(".romduol/evidence"),
            ca: crate::sign::CaConfig::default(),
            oidc: crate::oidc::OidcConfig::default(),
            account: crate::account::AccountConfig::default(),
            outbox: crate::outbox::OutboxConfig::default(),
            apply: crate::apply::ApplyConfig::default(),
        }
    }
}

impl Config {
    /// Whether cookies and links are for HTTPS alone.
    pub fn secure(&self) -> bool {
        self.issuer.scheme() == "https"
    }

    /// The origin of our pages (RFC 6454), as browsers send it.
    pub fn origin(&self) -> String {
        self.issuer.origin().ascii_serialization()
    }

    /// Whether conveniences of development are on.
    pub fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    /// Refuses what cannot work or must not be in production, in words for the operator.
    pub fn check(&self) -> Result<(), String> {
        if self.issuer.query().is_some() || self.issuer.fragment().is_some() {
            return Err("idp.issuer must have neither query nor fragment".to_owned());
        }
        if !self.is_development() && !self.secure() {
            return Err("idp.issuer must be https in production".to_owned());
        }
        if self.keys.id_token.is_empty() {
            return Err("idp.keys.id_token names no key".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_for_development() {
        Config::default().check().unwrap();
    }

    #[test]
    fn the_page_is_current() {
        let sources = [
            include_str!("config.rs"),
            include_str!("../../hsm-bridge/src/client/transport.rs"),
            include_str!("oidc/config.rs"),
            include_str!("outbox/config.rs"),
            include_str!("account/mod.rs"),
            include_str!("apply/mod.rs"),
            include_str!("sign/mod.rs"),
            include_str!("../../store/src/lib.rs"),
            include_str!("../../service/src/server/config.rs"),
            include_str!("../../service/src/tls.rs"),
            include_str!("../../service/src/rate_limit.rs"),
            include_str!("../../service/src/telemetry.rs"),
            include_str!("../../service/src/http_client.rs"),
        ];
        let page = service::config::reference::<Config>("idp", "Config", &sources).unwrap();
        service::config::document_is_current("configuration/idp.md", &page).unwrap();
    }

    #[test]
    fn production_refuses_plain_http() {
        let config = Config {
            environment: Environment::Production,
            ..Config::default()
        };
        assert!(config.check().is_err());
    }
}
