//! A hierarchy made by a real ceremony on fresh tokens, and an authority that runs on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use base64ct::{Base64, Encoding};
use der::Encode;
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::{SO_PIN, SOFTHSM_MODULE, SoftHsm, USER_PIN};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, Signer};
use serde_json::Value;
use service::cli::Context;
use service::peer::PeerSigner;
use service::{Clock, Sources, SystemClock, TestClock};
use store::{Schema, Store};
use tempfile::TempDir;

use hsm_bridge::activation::Holders;

use crate::app::App;
use crate::config::{Config, TsaConfig};
use crate::keys::TokenDoor;
use crate::{ceremony, http, import};

const AUDIENCE: &str = "http://localhost:8081";
const PLAN: &str = include_str!("../../ceremony/development.toml");

/// Two tokens and the directory of a ceremony.
pub(super) struct Held {
    pub(super) directory: TempDir,
    pub(super) root: SoftHsm,
    pub(super) online: SoftHsm,
    pub(super) plan: String,
    pub(super) outcome: ceremony::Outcome,
}

impl Held {
    /// Holds the development ceremony, with two shards, on fresh tokens.
    pub(super) fn new(sources: &Sources) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (root, online) = (
            SoftHsm::new().expect("a token"),
            SoftHsm::new().expect("a token"),
        );
        let plan = PLAN
            .replace("/usr/lib/softhsm/libsofthsm2.so", SOFTHSM_MODULE)
            .replace("\"romduol-root\"", &format!("\"{}\"", root.label()))
            .replace("\"romduol-online\"", &format!("\"{}\"", online.label()))
            // Linters want a host with dots in it.
            .replace("http://localhost:8082", "http://127.0.0.1:8082")
            .replace("crl_shards = 16", "crl_shards = 2");
        for (name, pin) in [
            ("root.pin", USER_PIN),
            ("root-so.pin", SO_PIN),
            ("online.pin", USER_PIN),
            ("online-so.pin", SO_PIN),
        ] {
            let path = directory.path().join("secrets").join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, pin).expect("a PIN file");
        }
        let out = directory.path().join("ceremony");
        let outcome =
            ceremony::run(&plan, directory.path(), &out, sources, &mut |_| {}).expect("a ceremony");
        Self {
            directory,
            root,
            online,
            plan,
            outcome,
        }
    }

    /// The ceremony's results.
    pub(super) fn results(&self) -> PathBuf {
        self.directory.path().join("ceremony")
    }

    /// One of its files.
    pub(super) fn file(&self, name: &str) -> String {
        self.results().join(name).to_string_lossy().into_owned()
    }
}

/// A running authority without sockets.
pub(super) struct Authority {
    pub(super) held: Held,
    pub(super) app: Arc<App>,
    pub(super) clock: Arc<TestClock>,
    pub(super) token: Token,
}

impl Authority {
    /// An authority whose clock stands at the present until it is moved.
    pub(super) async fn new() -> Self {
        Self::with_door(|token| Arc::new(Holders::new(token))).await
    }

    /// The same, with something between the authority and its token.
    pub(super) async fn with_door(door: impl FnOnce(Token) -> Arc<dyn TokenDoor>) -> Self {
        let (sources, clock) = Sources::test(SystemClock.now(), 7);
        let held = Held::new(&sources);
        let token = held.online.open().expect("a token");
        let config = Config {
            ceremony: held.results(),
            // The clock of these tests stands still while the machine's goes on.
            tsa: TsaConfig {
                max_step_millis: 3_600_000,
                ..TsaConfig::default()
            },
            ..Config::default()
        };
        let store = Store::in_memory(Schema::Ca).expect("a database");
        let context = Context::new(sources);
        let app = App::build(config, store, door(token.clone()), &context).expect("an authority");
        import::ceremony_results(&app).await.expect("imported");
        Self {
            held,
            app,
            clock,
            token,
        }
    }

    /// A signer of the online token.
    pub(super) fn signer(&self, label: &str) -> Arc<dyn Signer> {
        let label = KeyLabel::parse(label).expect("a label");
        let id = self.token.find(&label).expect("a search").expect("a key");
        Arc::from(self.token.signer(id, None).expect("a signer"))
    }

    /// A fresh P-256 key in the online token.
    pub(super) fn new_key(&self, label: &str) -> Arc<dyn Signer> {
        let parsed = KeyLabel::parse(label).expect("a label");
        self.token
            .generate(&parsed, KeyAlgorithm::P256)
            .expect("a key");
        self.signer(label)
    }

    /// A fresh peer token of a service.
    pub(super) fn bearer(&self, peer: &str) -> String {
        let signer = self.signer(&format!("{peer}/peer/g1"));
        let jti = self.app.sources.uuid().to_string();
        let token = PeerSigner::new(peer, signer)
            .expect("a peer")
            .token(AUDIENCE, self.app.sources.now(), &jti)
            .expect("a token");
        format!("Bearer {token}")
    }

    /// Sends one request to the API.
    pub(super) async fn send(&self, request: TestRequest) -> Answer {
        let app = Arc::clone(&self.app);
        let service = init_service(
            actix_web::App::new()
                .configure(service::problem::extractors(256 * 1024, 256 * 1024))
                .configure(move |services| http::api(&app, services)),
        )
        .await;
        Answer::read(call_service(&service, request.to_request()).await).await
    }

    /// Sends one request to the time-stamping authority.
    pub(super) async fn send_tsa(&self, request: TestRequest) -> Answer {
        let app = Arc::clone(&self.app);
        let service = init_service(
            actix_web::App::new().configure(move |services| http::tsa(&app, services)),
        )
        .await;
        Answer::read(call_service(&service, request.to_request()).await).await
    }

    /// A POST with a JSON body in the name of a peer.
    pub(super) fn post(&self, peer: &str, path: &str, body: &Value) -> TestRequest {
        TestRequest::post()
            .uri(&format!("/api/v1{path}"))
            .insert_header((AUTHORIZATION, self.bearer(peer)))
            .insert_header((CONTENT_TYPE, "application/json"))
            .set_payload(body.to_string())
    }

    /// A GET in the name of a peer.
    pub(super) fn get(&self, peer: &str, path: &str) -> TestRequest {
        TestRequest::get()
            .uri(&format!("/api/v1{path}"))
            .insert_header((AUTHORIZATION, self.bearer(peer)))
    }

    /// A TLS server certificate of the identity provider over `key`.
    pub(super) async fn tls_certificate(&self, key: &str) -> Value {
        let answer = self
            .send(self.post("idp", "/certificates", &tls_request(key)))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()
    }

    /// How often an action is in the audit log.
    pub(super) async fn audited(&self, action: &'static str) -> usize {
        let records = self
            .app
            .store
            .read(|r| r.list_audit_records(0, 1000))
            .await
            .expect("a log");
        records
            .iter()
            .filter(|record| record.action == action)
            .count()
    }
}

/// A request for a TLS certificate of localhost.
pub(super) fn tls_request(key: &str) -> Value {
    serde_json::json!({
        "profile": "tls-server",
        "subject": { "common_name": "localhost" },
        "public_key": key,
        "san": [{ "dns": "localhost" }],
    })
}

/// The public half of a signer as the API takes it.
pub(super) fn public_key(signer: &dyn Signer) -> String {
    Base64::encode_string(&signer.public_key().to_der().expect("DER"))
}

/// Writes a file that a judge reads.
pub(super) fn written(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path.to_string_lossy().into_owned()
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    /// The methods there are, where another one was refused.
    pub(super) allow: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    async fn read(response: ServiceResponse) -> Self {
        let status = response.status();
        let header = |name| {
            let value = response.headers().get(name);
            let text = value.and_then(|value| value.to_str().ok());
            text.unwrap_or_default().to_owned()
        };
        Self {
            status,
            content_type: header(CONTENT_TYPE),
            allow: header(ALLOW),
            body: read_body(response).await.to_vec(),
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The answer is this problem (RFC 9457), and says nothing of inner causes.
    pub(super) fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(
            self.content_type,
            "application/problem+json",
            "{}",
            self.text()
        );
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        assert!(
            kind.ends_with(&format!("/problems/{name}")),
            "{}",
            self.text()
        );
    }
}
