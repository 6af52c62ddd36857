//! The provider: its metadata and keys, fetched when needed and kept for a few minutes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openidconnect::core::{CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata};
use openidconnect::http;
use openidconnect::{
    ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IssuerUrl, RedirectUrl,
};
use serde::Deserialize;

use super::config::Config;
use super::proof;

/// How long metadata and keys are used before they are fetched again.
const KEEP: Duration = Duration::from_mins(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The one signature algorithm that is accepted: a provider that offers more is held to this.
pub(super) const ALGORITHM: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::EcdsaP256Sha256;

/// A client with the endpoints that the metadata named.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Endpoints beyond those that the crate reads.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the metadata's own names")]
pub(super) struct Endpoints {
    pub(super) authorization_endpoint: String,
    pub(super) pushed_authorization_request_endpoint: String,
    pub(super) userinfo_endpoint: String,
    pub(super) end_session_endpoint: String,
}

/// The provider as this ministry sees it.
pub(super) struct Provider {
    http: reqwest::Client,
    known: Mutex<Option<(Instant, CoreProviderMetadata, Endpoints)>>,
}

impl Provider {
    /// Prepares calls: limited in time, and never following a redirect, which could lead elsewhere.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let mut http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &config.root_ca_file {
            let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let pem = std::fs::read(path).map_err(|error| bad(&error))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(&error))?;
            http = http.tls_certs_merge(roots);
        }
        let http = http.build().map_err(|error| error.to_string())?;
        Ok(Self {
            http,
            known: Mutex::new(None),
        })
    }

    /// The client of the crate, and the other endpoints.
    pub(super) async fn client(&self, config: &Config) -> Result<(Client, Endpoints), String> {
        let (metadata, endpoints) = self.metadata(config).await?;
        let redirect =
            RedirectUrl::new(config.redirect_uri()).map_err(|error| error.to_string())?;
        let client = CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(config.client_id.clone()),
            proof::secret(config).map(|secret| ClientSecret::new(secret.to_owned())),
        )
        .set_redirect_uri(redirect);
        Ok((client, endpoints))
    }

    async fn metadata(&self, config: &Config) -> Result<(CoreProviderMetadata, Endpoints), String> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((since, metadata, endpoints)) = known
            && since.elapsed() < KEEP
        {
            return Ok((metadata, endpoints));
        }
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|error| error.to_string())?;
        // Compares the issuer of the metadata with ours, and fetches the keys.
        let metadata = CoreProviderMetadata::discover_async(issuer, &|request| self.call(request))
            .await
            .map_err(|error| format!("discovery: {error}"))?;
        let address = format!("{}/.well-known/openid-configuration", config.issuer);
        let endpoints = self
            .http
            .get(address)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let endpoints: Endpoints = match endpoints {
            Ok(response) => response
                .json()
                .await
                .map_err(|error| format!("metadata: {error}"))?,
            Err(error) => return Err(format!("metadata: {error}")),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), metadata.clone(), endpoints.clone()));
        Ok((metadata, endpoints))
    }

    /// One call on behalf of the crate.
    pub(super) async fn call(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let request = reqwest::Request::try_from(request)?;
        let answer = self.http.execute(request).await?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        Ok(response.body(answer.bytes().await?.to_vec())?)
    }

    /// For calls that the crate does not make.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

/// A call that did not come back.
#[derive(Debug)]
pub(super) enum CallError {
    /// The network.
    Network(reqwest::Error),
    /// The form of the answer.
    Form(http::Error),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network(error) => error.fmt(f),
            Self::Form(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        Self::Network(error)
    }
}

impl From<http::Error> for CallError {
    fn from(error: http::Error) -> Self {
        Self::Form(error)
    }
}
