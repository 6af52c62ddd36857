//! Calls to others: with deadlines, a bound on what is read, no redirects, and the trust anchors they need.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// How outbound calls are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpClientConfig {
    /// Seconds to establish a connection.
    pub connect_timeout_seconds: u64,
    /// Seconds until an answer must be complete.
    pub timeout_seconds: u64,
    /// File with further trust anchors (PEM).
    pub root_ca_file: Option<PathBuf>,
    /// File with the client certificate and its chain (PEM), for mutual TLS; taken into use anew when it changes.
    pub client_certificate_file: Option<PathBuf>,
    /// File with the client certificate's private key (PEM, PKCS#8), readable by this service alone.
    pub client_key_file: Option<PathBuf>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout_seconds: 3,
            timeout_seconds: 10,
            root_ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
        }
    }
}

/// A client that follows the configuration.
pub fn http_client(config: &HttpClientConfig) -> Result<reqwest::Client, ConfigError> {
    let bad =
        |what: &str, error: &dyn std::fmt::Display| ConfigError::Value(format!("{what}: {error}"));
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(config.connect_timeout_seconds))
        .timeout(Duration::from_secs(config.timeout_seconds))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(path) = &config.root_ca_file {
        let pem = std::fs::read(path).map_err(|e| bad("root_ca_file", &e))?;
        for certificate in
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad("root_ca_file", &e))?
        {
            builder = builder.tls_certs_merge([certificate]);
        }
    }
    if let (Some(certificate), Some(key)) =
        (&config.client_certificate_file, &config.client_key_file)
    {
        let pem = std::fs::read(certificate).map_err(|e| bad("client_certificate_file", &e))?;
        let key = crate::config::read_secret(key)?;
        let key = secrecy::ExposeSecret::expose_secret(&key).as_bytes();
        let identity = reqwest::Identity::from_pkcs8_pem(&pem, key)
            .map_err(|e| bad("client_certificate_file and client_key_file", &e))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|e| bad("http client", &e))
}

/// A client whose certificates are renewed in place: changed files are taken into use at the next call. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    config: Arc<HttpClientConfig>,
    current: Arc<Mutex<(Seen, reqwest::Client)>>,
}

/// When the files of a client last changed.
type Seen = [Option<SystemTime>; 3];

fn seen(config: &HttpClientConfig) -> Seen {
    [
        &config.root_ca_file,
        &config.client_certificate_file,
        &config.client_key_file,
    ]
    .map(|file| std::fs::metadata(file.as_ref()?).ok()?.modified().ok())
}

impl HttpClient {
    /// A client that follows the configuration, and the files it names.
    pub fn new(config: &HttpClientConfig) -> Result<Self, ConfigError> {
        let seen = seen(config);
        let client = http_client(config)?;
        Ok(Self {
            config: Arc::new(config.clone()),
            current: Arc::new(Mutex::new((seen, client))),
        })
    }

    /// The client to make the next call with. Files that do not fit together, as in the middle of a renewal, leave
    /// the client as it was.
    pub fn current(&self) -> reqwest::Client {
        let now = seen(&self.config);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now != current.0 {
            match http_client(&self.config) {
                Ok(client) => {
                    *current = (now, client);
                    tracing::info!("certificate of a client renewed");
                }
                Err(error) => tracing::error!(%error, "renewed client certificate not usable"),
            }
        }
        current.1.clone()
    }
}

/// An answer that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More bytes than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection failed.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Reads the body of an answer, at most `limit` bytes of it.
pub async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(ReadError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
