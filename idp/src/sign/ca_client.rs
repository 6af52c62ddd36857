//! The way to `ca`: requests with a peer token signed by this service's key in the token.

use std::sync::{Arc, OnceLock};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use hsm_bridge::{KeyLabel, KeyStore, Signer};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use service::peer::PeerSigner;
use service::{BlockingPool, HttpClient, Sources, blocking};
use url::Url;
use uuid::Uuid;

use super::CaConfig;

/// The name `ca` knows this service by.
const NAME: &str = "idp";
/// Token signatures for peer tokens at the same time.
const SIGNATURES_AT_ONCE: usize = 4;
/// Largest JSON answer read.
const JSON_MAX: usize = 256 * 1024;
/// What a signature adds to a document, at most.
const SIGNATURE_ROOM: usize = 512 * 1024;

/// A call that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// `ca` refused; `problem` is the last part of the problem's type (RFC 9457).
    #[error("ca refused with {status}: {problem}")]
    Refused {
        /// Status code.
        status: u16,
        /// As in `document-refused`.
        problem: String,
    },
    /// `ca` could not be reached, or our own token did not sign.
    #[error("ca not reached: {0}")]
    Unreachable(String),
    /// The answer is not what the API promises.
    #[error("ca answered unexpectedly: {0}")]
    Answer(String),
}

impl CaError {
    /// Whether `ca` refused for this reason.
    pub fn is(&self, reason: &str) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem == reason)
    }
}

/// Who will sign, and the passkey that releases the key.
#[derive(Clone, Debug, Serialize)]
pub struct NewCredential {
    holder: Holder,
    activation: Activation,
}

#[derive(Clone, Debug, Serialize)]
struct Holder {
    name: String,
    given_name: Option<String>,
    family_name: Option<String>,
    organization: String,
    organization_identifier: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Activation {
    credential_id: String,
    public_key: String,
    rp_id: String,
    origin: String,
}

impl NewCredential {
    /// A credential for a holder with this name, activated by a passkey (WebAuthn credential id, DER SPKI) at an
    /// origin.
    pub fn new(
        name: String,
        parts: Option<(String, String)>,
        config: &CaConfig,
        passkey: (&[u8], &[u8]),
        origin: &Url,
    ) -> Self {
        let (family_name, given_name) = parts.unzip();
        let (id, public_key) = passkey;
        Self {
            holder: Holder {
                name,
                given_name: given_name.filter(|text| !text.is_empty()),
                family_name,
                organization: config.organization.clone(),
                organization_identifier: config.organization_identifier.clone(),
            },
            activation: Activation {
                credential_id: Base64UrlUnpadded::encode_string(id),
                public_key: Base64::encode_string(public_key),
                rp_id: origin.host_str().unwrap_or_default().to_owned(),
                origin: origin.origin().ascii_serialization(),
            },
        }
    }
}

/// A credential that `ca` made.
#[derive(Clone, Debug, Deserialize)]
pub struct Credential {
    /// Its identifier.
    pub id: Uuid,
    /// Serial number of its certificate, lower-case hex.
    pub serial: String,
    /// The certificate, PEM.
    pub certificate: String,
}

/// A document that waits for its holder's assertion.
#[derive(Clone, Debug, Deserialize)]
pub struct PreparedDocument {
    /// Its identifier.
    pub id: Uuid,
    /// Hash of what will be signed, hex.
    pub digest: String,
    /// The WebAuthn challenge, base64url.
    pub challenge: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A WebAuthn assertion as the browser gave it, each part base64url.
#[derive(Clone, Debug, Serialize)]
pub struct Assertion {
    /// `rawId`.
    pub credential_id: String,
    /// `clientDataJSON`.
    pub client_data_json: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `signature`.
    pub signature: String,
}

/// A client of `ca`; cheap to clone.
#[derive(Clone)]
pub struct CaClient {
    config: CaConfig,
    base: Url,
    http: HttpClient,
    keys: Arc<dyn KeyStore>,
    label: KeyLabel,
    sources: Sources,
    pool: BlockingPool,
    signer: Arc<OnceLock<PeerSigner>>,
}

impl std::fmt::Debug for CaClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaClient")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl CaClient {
    /// A client that calls as the service whose key has `label`; nothing is contacted yet.
    ///
    /// # Errors
    /// A setting that cannot work, in words for the operator.
    pub fn new(
        config: &CaConfig,
        keys: Arc<dyn KeyStore>,
        label: &KeyLabel,
        sources: Sources,
    ) -> Result<Self, String> {
        let base = Url::parse(&format!("{}/", config.base_url.trim_end_matches('/')))
            .map_err(|error| format!("idp.ca.base_url: {error}"))?;
        let http = HttpClient::new(&config.http).map_err(|error| error.to_string())?;
        Ok(Self {
            config: config.clone(),
            base,
            http,
            keys,
            label: label.clone(),
            sources,
            pool: BlockingPool::new(SIGNATURES_AT_ONCE),
            signer: Arc::new(OnceLock::new()),
        })
    }

    /// The settings it was made with.
    pub fn config(&self) -> &CaConfig {
        &self.config
    }

    /// Has `ca` make a signing key and certificate. The same `idempotency_key` never makes a second one.
    pub async fn create_credential(
        &self,
        new: &NewCredential,
        idempotency_key: &str,
    ) -> Result<Credential, CaError> {
        let request = self
            .request(Method::POST, "api/v1/credentials")
            .await?
            .header("Idempotency-Key", idempotency_key)
            .json(new);
        json_of(send(request).await?).await
    }

    /// Hands a PDF over; the answer carries the challenge that the holder's passkey has to sign.
    pub async fn prepare_document(
        &self,
        credential: &str,
        reason: Option<&str>,
        pdf: Bytes,
    ) -> Result<PreparedDocument, CaError> {
        let mut query = vec![
            ("credential", credential),
            ("level", self.config.level.as_str()),
        ];
        if let Some(reason) = reason {
            query.push(("reason", reason));
        }
        let request = self
            .request(Method::POST, "api/v1/documents")
            .await?
            .query(&query)
            .header("Content-Type", "application/pdf")
            .body(pdf);
        json_of(send(request).await?).await
    }

    /// Hands the holder's assertion over; the answer is the signed PDF.
    pub async fn sign_document(&self, id: &str, assertion: &Assertion) -> Result<Bytes, CaError> {
        let id = Uuid::parse_str(id).map_err(|_| CaError::Answer("document id".to_owned()))?;
        let path = format!("api/v1/documents/{id}/signature");
        let request = self.request(Method::POST, &path).await?.json(assertion);
        let limit = self
            .config
            .document_max_bytes
            .saturating_add(SIGNATURE_ROOM);
        read(send(request).await?, limit).await
    }

    async fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, CaError> {
        let url = self
            .base
            .join(path)
            .map_err(|error| CaError::Answer(error.to_string()))?;
        let token = self.token().await?;
        Ok(self.http.current().request(method, url).bearer_auth(token))
    }

    async fn token(&self) -> Result<String, CaError> {
        let client = self.clone();
        let unreachable = |error: &dyn std::fmt::Display| CaError::Unreachable(error.to_string());
        blocking(&self.pool, move || {
            let signer = client.signer()?;
            let jti = client.sources.uuid().to_string();
            let audience = client.config.base_url.trim_end_matches('/');
            signer
                .token(audience, client.sources.now(), &jti)
                .map_err(|error| unreachable(&error))
        })
        .await
        .map_err(|error| CaError::Unreachable(error.to_string()))?
    }

    /// Found in the token at the first call, so that the service starts without waiting for it.
    fn signer(&self) -> Result<&PeerSigner, CaError> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer);
        }
        let failed = |error: &dyn std::fmt::Display| CaError::Unreachable(error.to_string());
        let id = self
            .keys
            .find(&self.label)
            .map_err(|error| failed(&error))?
            .ok_or_else(|| failed(&format!("no key {} in the token", self.label)))?;
        let signer: Arc<dyn Signer> = self
            .keys
            .signer(id, None)
            .map_err(|error| failed(&error))?
            .into();
        let made = PeerSigner::new(NAME, signer).map_err(|error| failed(&error))?;
        Ok(self.signer.get_or_init(|| made))
    }
}

async fn send(request: RequestBuilder) -> Result<Response, CaError> {
    let response = request
        .send()
        .await
        .map_err(|error| CaError::Unreachable(error.without_url().to_string()))?;
    let status = response.status();
    if matches!(status, StatusCode::OK | StatusCode::CREATED) {
        return Ok(response);
    }
    let body = read(response, JSON_MAX).await?;
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_else(|_| json!({}));
    let kind = problem
        .get("type")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let problem = kind.rsplit('/').next().unwrap_or_default().to_owned();
    Err(CaError::Refused {
        status: status.as_u16(),
        problem,
    })
}

async fn read(response: Response, limit: usize) -> Result<Bytes, CaError> {
    service::http_client::read_body(response, limit)
        .await
        .map_err(|error| CaError::Answer(error.to_string()))
}

async fn json_of<T: DeserializeOwned>(response: Response) -> Result<T, CaError> {
    let body = read(response, JSON_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| CaError::Answer(error.to_string()))
}
