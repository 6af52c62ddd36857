//! TLS of listeners: 1.3, and 1.2 with ECDHE and AEAD alone; client certificates asked for or required; certificates
//! renewed in place without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslAcceptorBuilder, SslContext, SslFiletype, SslMethod, SslOptions,
    SslVerifyMode, SslVersion, select_next_proto,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use serde::{Deserialize, Serialize};

use crate::Tasks;
use crate::config::ConfigError;

/// TLS 1.2 cipher suites: forward secrecy and authenticated encryption.
const TLS12_CIPHERS: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
     ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
const TLS13_CIPHERS: &str =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
const GROUPS: &str = "X25519:P-256:P-384";
/// Protocols offered (RFC 7301), each preceded by its length.
const ALPN: &[u8] = b"\x02h2\x08http/1.1";
/// How often certificate files are looked at for a renewal.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Whether a client shows a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Not asked for.
    #[default]
    Off,
    /// Asked for; if shown it must be valid.
    Optional,
    /// No connection without a valid one.
    Required,
}

/// TLS of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the certificate and its chain (PEM); reloaded when it changes.
    pub certificate_file: PathBuf,
    /// File with the private key (PEM), readable by this service alone; reloaded with the certificate.
    pub key_file: PathBuf,
    /// Whether clients are asked for a certificate: `off`, `optional` or `required`.
    pub client_certificates: ClientCertificates,
    /// File with the authorities whose client certificates are accepted (PEM).
    pub client_ca_file: Option<PathBuf>,
}

/// A client's certificate, verified by the listener against its client authorities.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate in DER.
    pub der: Arc<[u8]>,
    /// DNS names in its subject alternative names.
    pub dns_names: Arc<[String]>,
    /// Common name of its subject, if any.
    pub common_name: Option<Arc<str>>,
}

impl ClientCertificate {
    pub(crate) fn of(certificate: &X509) -> Option<Self> {
        let dns_names = certificate
            .subject_alt_names()
            .map(|names| {
                names
                    .iter()
                    .filter_map(|n| n.dnsname().map(str::to_owned))
                    .collect()
            })
            .unwrap_or_default();
        let common_name = certificate
            .subject_name()
            .entries_by_nid(openssl::nid::Nid::COMMONNAME)
            .next()
            .and_then(|entry| entry.data().to_string().ok())
            .filter(|text| !text.contains('\0'))
            .map(Arc::from);
        Some(Self {
            der: certificate.to_der().ok()?.into(),
            dns_names,
            common_name,
        })
    }
}

fn failed(config: &TlsConfig, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Value(format!(
        "tls with {}: {error}",
        config.certificate_file.display()
    ))
}

fn base(config: &TlsConfig) -> Result<SslAcceptorBuilder, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(TLS12_CIPHERS)?;
    builder.set_ciphersuites(TLS13_CIPHERS)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(ALPN, offered).ok_or(AlpnError::NOACK)
    });
    builder.set_private_key_file(&config.key_file, SslFiletype::PEM)?;
    builder.set_certificate_chain_file(&config.certificate_file)?;
    builder.check_private_key()?;
    Ok(builder)
}

fn ask_for_certificates(
    builder: &mut SslAcceptorBuilder,
    config: &TlsConfig,
) -> Result<(), ConfigError> {
    let mode = match config.client_certificates {
        ClientCertificates::Off => return Ok(()),
        ClientCertificates::Optional => SslVerifyMode::PEER,
        ClientCertificates::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    let Some(path) = &config.client_ca_file else {
        return Err(ConfigError::Value(
            "client_certificates needs client_ca_file".to_owned(),
        ));
    };
    let pem = std::fs::read(path).map_err(|e| failed(config, &e))?;
    let authorities = X509::stack_from_pem(&pem).map_err(|e| failed(config, &e))?;
    if authorities.is_empty() {
        return Err(ConfigError::Value(format!(
            "{} holds no certificate",
            path.display()
        )));
    }
    let mut store = X509StoreBuilder::new().map_err(|e| failed(config, &e))?;
    for authority in authorities {
        builder
            .add_client_ca(&authority)
            .map_err(|e| failed(config, &e))?;
        store.add_cert(authority).map_err(|e| failed(config, &e))?;
    }
    builder
        .set_verify_cert_store(store.build())
        .map_err(|e| failed(config, &e))?;
    builder.set_verify(mode);
    Ok(())
}

/// The acceptor of a listener, and a task that follows renewals of its certificate.
pub(crate) fn acceptor(
    config: &TlsConfig,
    tasks: &Tasks,
) -> Result<SslAcceptorBuilder, ConfigError> {
    crate::config::read_secret(&config.key_file)?;
    let mut builder = base(config).map_err(|e| failed(config, &e))?;
    ask_for_certificates(&mut builder, config)?;
    let renewed: Arc<RwLock<Option<SslContext>>> = Arc::default();
    let current = Arc::clone(&renewed);
    // Called in every handshake, with or without a server name.
    builder.set_servername_callback(move |ssl, _| {
        if let Some(context) = &*current.read().unwrap_or_else(PoisonError::into_inner) {
            // A failure keeps the certificate the listener started with.
            let _ = ssl.set_ssl_context(context);
        }
        Ok(())
    });
    let mut follower = Follower::new(config.clone(), renewed);
    tasks.repeat("tls-certificate-reload", LOOK_EVERY, move || {
        follower.look();
        std::future::ready(())
    });
    Ok(builder)
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// Watches the files of one listener.
struct Follower {
    config: TlsConfig,
    renewed: Arc<RwLock<Option<SslContext>>>,
    seen: (Option<SystemTime>, Option<SystemTime>),
}

impl Follower {
    fn new(config: TlsConfig, renewed: Arc<RwLock<Option<SslContext>>>) -> Self {
        let seen = (
            changed_at(&config.certificate_file),
            changed_at(&config.key_file),
        );
        Self {
            config,
            renewed,
            seen,
        }
    }

    /// Takes changed files into use if they fit together; tells whether it did.
    fn look(&mut self) -> bool {
        let now = (
            changed_at(&self.config.certificate_file),
            changed_at(&self.config.key_file),
        );
        if now == self.seen {
            return false;
        }
        let config = &self.config;
        let context = base(config)
            .map_err(|e| failed(config, &e))
            .and_then(|mut builder| {
                ask_for_certificates(&mut builder, config)?;
                Ok(builder.build().into_context())
            });
        match context {
            Ok(context) => {
                *self.renewed.write().unwrap_or_else(PoisonError::into_inner) = Some(context);
                self.seen = now;
                tracing::info!("certificate of a listener renewed");
                true
            }
            Err(error) => {
                tracing::error!(%error, "renewed certificate not usable");
                false
            }
        }
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
