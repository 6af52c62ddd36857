//! Calls to the certificate authority, each with a fresh token of this service.

use base64ct::{Base64, Encoding};
use bytes::Bytes;
use pki::Certificate;
use pki::key::IssuerId;
use pki::name::{Attribute, DistinguishedName};
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde::Deserialize;
use service::http_client::read_body;
use service::peer::PeerSigner;
use service::{BlockingPool, HttpClient, Sources, blocking};

use crate::config::CaConfig;
use crate::error::Error;
use crate::responder::Responder;
use crate::status::Entry;

/// Largest page of the status log, in bytes.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// Largest revocation list.
const MAX_CRL: usize = 64 * 1024 * 1024;
/// Largest answer with a certificate.
const MAX_CERTIFICATE: usize = 256 * 1024;
/// Random octets of an idempotency key.
const KEY_OCTETS: usize = 16;

/// The authority as this service calls it; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CaClient {
    http: HttpClient,
    config: CaConfig,
    signer: PeerSigner,
    pool: BlockingPool,
    sources: Sources,
}

/// A page of the status log.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// The entries.
    pub(crate) items: Vec<Entry>,
    /// The cursor after them.
    #[serde(default)]
    pub(crate) next: Option<i64>,
}

/// A revocation list, or that it has not changed.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// As before.
    Same,
    /// The list and its entity tag.
    New(Bytes, Option<String>),
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Authority(error.to_string())
}

impl CaClient {
    /// A client that signs its tokens with `signer`.
    pub(crate) fn new(
        config: CaConfig,
        signer: PeerSigner,
        sources: Sources,
    ) -> Result<Self, Error> {
        let http = HttpClient::new(&config.client).map_err(failed)?;
        Ok(Self {
            http,
            config,
            signer,
            pool: BlockingPool::new(2),
            sources,
        })
    }

    async fn token(&self) -> Result<String, Error> {
        let (signer, audience) = (self.signer.clone(), self.config.audience.clone());
        let (now, jti) = (self.sources.now(), self.sources.uuid().to_string());
        blocking(&self.pool, move || signer.token(&audience, now, &jti))
            .await?
            .map_err(failed)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.config.url.trim_end_matches('/'))
    }

    async fn get(&self, path: &str, etag: Option<&str>) -> Result<reqwest::Response, Error> {
        let mut request = self
            .http
            .current()
            .get(self.url(path))
            .bearer_auth(self.token().await?);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(failed)?;
        if response.status().is_success() || response.status() == reqwest::StatusCode::NOT_MODIFIED
        {
            Ok(response)
        } else {
            Err(Error::Authority(format!(
                "{path}: status {}",
                response.status().as_u16()
            )))
        }
    }

    /// The entries after `cursor`; if asked to, waits for the first as long as configured.
    pub(crate) async fn status_log(&self, cursor: i64, wait: bool) -> Result<Page, Error> {
        let limit = self.config.page;
        let wait = if wait { self.config.wait_seconds } else { 0 };
        let path = format!("/status-log?after={cursor}&limit={limit}&wait={wait}");
        let response = self.get(&path, None).await?;
        let body = read_body(response, MAX_PAGE).await.map_err(failed)?;
        serde_json::from_slice(&body).map_err(failed)
    }

    /// Whether more entries may follow at once.
    pub(crate) fn is_full(&self, page: &Page) -> bool {
        page.items.len() >= usize::try_from(self.config.page).unwrap_or(usize::MAX)
    }

    /// One revocation list, unless it is still the one with this tag.
    pub(crate) async fn crl(
        &self,
        issuer: IssuerId,
        shard: u16,
        etag: Option<&str>,
    ) -> Result<Fetched, Error> {
        let response = self
            .get(&format!("/issuers/{issuer}/crls/{shard}"), etag)
            .await?;
        if response.status() == reqwest::StatusCode::NOT_MODIFIED {
            return Ok(Fetched::Same);
        }
        let tag = response
            .headers()
            .get(ETAG)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        Ok(Fetched::New(
            read_body(response, MAX_CRL).await.map_err(failed)?,
            tag,
        ))
    }

    /// A new certificate for a responder's key, with the subject of its present one.
    pub(crate) async fn renew(&self, responder: &Responder) -> Result<Certificate, Error> {
        #[derive(Deserialize)]
        struct Issued {
            certificate: String,
        }
        let key = der::Encode::to_der(responder.signer().public_key()).map_err(failed)?;
        let body = serde_json::json!({
            "profile": "ocsp-responder",
            "issuer": responder.issuer.to_string(),
            "subject": subject(&responder.certificate()),
            "public_key": Base64::encode_string(&key),
        });
        let response = self
            .http
            .current()
            .post(self.url("/certificates"))
            .bearer_auth(self.token().await?)
            .header("idempotency-key", self.sources.token(KEY_OCTETS))
            .json(&body)
            .send()
            .await
            .map_err(failed)?;
        if !response.status().is_success() {
            return Err(Error::Authority(format!(
                "/certificates: status {}",
                response.status().as_u16()
            )));
        }
        let body = read_body(response, MAX_CERTIFICATE).await.map_err(failed)?;
        let issued: Issued = serde_json::from_slice(&body).map_err(failed)?;
        Certificate::from_pem(&issued.certificate).map_err(failed)
    }
}

/// The subject's attributes, except the serial number, which the authority makes.
fn subject(certificate: &Certificate) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    let attributes = [
        Attribute::Country,
        Attribute::Organization,
        Attribute::OrganizationIdentifier,
        Attribute::CommonName,
    ];
    for relative in certificate.subject().iter_rdn() {
        for value in relative.iter() {
            let attribute = attributes.into_iter().find(|a| a.oid() == value.oid);
            let text = std::str::from_utf8(value.value.value()).ok();
            if let (Some(attribute), Some(text)) = (attribute, text) {
                subject = subject.with(attribute, text);
            }
        }
    }
    subject
}
