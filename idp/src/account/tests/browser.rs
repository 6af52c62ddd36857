//! A provider with a token of its own, and browsers that keep cookies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::body::BoxBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::test::{self, TestRequest};
use actix_web::web::Data;
use domain::account::Identifier;
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::SoftHsm;
use hsm_bridge::{KeyAlgorithm, KeyStore, SecretPurpose, SecretStore};
use serde_json::Value;
use service::{Sources, TestClock};
use store::{Schema, Store};
use uuid::Uuid;

use super::authenticator::Authenticator;
use crate::account::activation::{self, Invite};
use crate::app::{App, Parts};
use crate::config::Config;

pub(super) const EMAIL: &str = "sok.dara@example.kh";
pub(super) const PASSWORD: &str = "mekong-rain-2-boats";

pub(super) struct World {
    pub(super) app: App,
    pub(super) clock: Arc<TestClock>,
    pub(super) folder: tempfile::TempDir,
    _token: SoftHsm,
}

impl World {
    /// `None`, said aloud, where SoftHSM is not installed.
    pub(super) fn new() -> Option<Self> {
        let Ok(soft) = SoftHsm::new() else {
            eprintln!("SKIPPED: needs SoftHSM (Debian package softhsm2)");
            return None;
        };
        let token: Arc<Token> = Arc::new(soft.open().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            evidence: folder.path().join("evidence"),
            ..Config::default()
        };
        // The least that Argon2 takes: what is tested is not its cost.
        config.account.password_memory_kib = 8;
        config.account.password_passes = 1;
        for label in &config.keys.id_token {
            token.generate(label, KeyAlgorithm::P256).unwrap();
        }
        token
            .generate_secret(&config.keys.key_encryption, SecretPurpose::KeyEncryption)
            .unwrap();
        for label in [&config.keys.blind_index, &config.keys.pairwise] {
            token.generate_secret(label, SecretPurpose::Mac).unwrap();
        }
        let (sources, clock) = Sources::test("2026-11-22T03:00:00Z".parse().unwrap(), 11);
        let keys: Arc<dyn KeyStore> = token.clone();
        let secrets: Arc<dyn SecretStore> = token;
        let app = App::new(Parts {
            config,
            store: Store::in_memory(Schema::Idp).unwrap(),
            keys,
            secrets,
            sources,
        })
        .unwrap();
        Some(Self {
            app,
            clock,
            folder,
            _token: soft,
        })
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn event(&self) -> AuditEvent {
        let (id, now) = (self.app.sources.uuid(), self.app.sources.now());
        AuditEvent::new(
            id,
            now,
            Actor::system("test"),
            action::IDP_ACCOUNT_INVITED,
            "account:test",
        )
    }

    /// Invites a person by e-mail; returns subject and account.
    pub(super) async fn invite(&self, email: &str) -> (Uuid, Uuid) {
        let subject = self.app.sources.uuid();
        let invite = Invite {
            subject,
            locale: Locale::En,
            email: Some(Identifier::parse(email).unwrap()),
            phone: None,
        };
        let prepared = activation::invite(&self.app, invite).await.unwrap();
        let account = prepared.account();
        self.app
            .store
            .write(self.event(), move |w| prepared.insert(w))
            .await
            .unwrap();
        (subject, account)
    }

    /// The code of an authenticator app now.
    pub(super) fn app_code(&self, secret: &str) -> String {
        let secret = totp_rs::Secret::try_from_base32(secret.replace(' ', "")).unwrap();
        let made = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        made.generate(self.app.sources.unix().unsigned_abs())
            .to_string()
    }
}

/// Anything that answers requests as the provider does.
pub(super) trait Site:
    Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
{
}

impl<S> Site for S where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error>
{
}

pub(super) async fn site(app: &App) -> impl Site {
    let app = actix_web::App::new()
        .app_data(Data::new(app.clone()))
        .configure(crate::account::routes)
        .configure(crate::outbox::routes)
        .configure(crate::sign::routes);
    test::init_service(app).await
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The text of the element with this id.
    pub(super) fn text(&self, id: &str) -> String {
        let start = self
            .body
            .find(&format!("id=\"{id}\""))
            .unwrap_or_else(|| panic!("no #{id}"));
        let rest = &self.body[start..];
        let from = rest.find('>').unwrap() + 1;
        let to = rest[from..].find("</").unwrap();
        rest[from..from + to].to_owned()
    }
}

#[derive(Default, Clone)]
pub(super) struct Browser {
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser that has seen a page and so has a form token; its pages are in English.
    pub(super) async fn open(site: &impl Site) -> Self {
        let mut browser = Self::default();
        assert_eq!(
            browser.get(site, "/sign-in?lang=en").await.status,
            StatusCode::OK
        );
        browser
    }

    pub(super) async fn send(&mut self, site: &impl Site, request: TestRequest) -> Answer {
        let request = self.cookies.iter().fold(request, |request, (name, value)| {
            request.cookie(Cookie::new(name.clone(), value.clone()))
        });
        let request = request.peer_addr("192.0.2.7:4000".parse().unwrap());
        let response = test::call_service(site, request.to_request()).await;
        for cookie in response.response().cookies() {
            if cookie.value().is_empty() {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies
                    .insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let location = location
            .map(|l| l.to_str().unwrap().to_owned())
            .unwrap_or_default();
        let body = String::from_utf8_lossy(&test::read_body(response).await).into_owned();
        Answer {
            status,
            location,
            body,
        }
    }

    pub(super) async fn get(&mut self, site: &impl Site, path: &str) -> Answer {
        self.send(site, TestRequest::get().uri(path)).await
    }

    pub(super) async fn post(
        &mut self,
        site: &impl Site,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let csrf = self.cookies.get("csrf").cloned().unwrap_or_default();
        let mut form: Vec<(&str, &str)> = vec![("csrf", &csrf)];
        form.extend_from_slice(fields);
        self.send(site, TestRequest::post().uri(path).set_form(form))
            .await
    }

    pub(super) async fn post_json(
        &mut self,
        site: &impl Site,
        path: &str,
        mut body: Value,
    ) -> Answer {
        body["csrf"] = self.cookies.get("csrf").cloned().unwrap_or_default().into();
        self.send(site, TestRequest::post().uri(path).set_json(body))
            .await
    }

    pub(super) async fn is_signed_in(&mut self, site: &impl Site) -> bool {
        self.get(site, "/account").await.status == StatusCode::OK
    }

    pub(super) async fn passkey_sign_in(
        &mut self,
        site: &impl Site,
        authenticator: &Authenticator,
    ) -> Answer {
        let options = self
            .post_json(site, "/sign-in/passkey/options", serde_json::json!({}))
            .await
            .json();
        let credential = authenticator.get(&options);
        let body = serde_json::json!({ "ceremony": options["ceremony"], "credential": credential });
        self.post_json(site, "/sign-in/passkey", body).await
    }
}

/// The messages of the development outbox, newest first.
pub(super) async fn messages(site: &impl Site) -> Vec<Value> {
    let listed = Browser::default().get(site, "/outbox.json").await.json();
    listed["items"].as_array().unwrap().clone()
}

/// The invitation code last sent.
pub(super) async fn invitation_code(site: &impl Site) -> String {
    let sent = messages(site).await;
    let text = sent
        .iter()
        .find(|m| m["kind"] == "account-invitation")
        .unwrap()["text"]
        .to_string();
    let from = text.find("code=").unwrap() + 5;
    text[from..from + 19].to_owned()
}
