//! A provider with two ministries, a machine and one citizen, and a browser that keeps cookies.

use std::ops::Deref;

use actix_web::http::{StatusCode, header};
use actix_web::test::{self, TestRequest};
use actix_web::web::Data;
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use domain::account::AccountState;
use domain::document::{DocumentKind, Strength};
use domain::evidence::{CheckKind, CheckRecord, EvidenceRecord, Outcome};
use domain::locale::Locale;
use domain::name::NameParts;
use domain::oidc::registration::Registration;
use domain::person::{Contact, ContactKind, PartialDate, PersonKind, PersonRecord, Sex};
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, Signer};
use pki::jose::{Jwk, sign_compact};
use serde_json::{Map, Value, json};
use store::idp::{Account, AccountKind, Person};
use uuid::Uuid;

use crate::app::App;
use crate::testing::Provider;
pub(super) use crate::testing::{Answer, Browser, Site};

pub(super) const ISSUER: &str = "http://localhost:8080";
pub(super) const SECRET: &str = "correct-horse-battery-staple-correct-horse";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The account of the one citizen.
const ACCOUNT: Uuid = Uuid::from_u128(77);

/// The provider, its clients and its citizen.
pub(super) struct World {
    provider: Provider,
    pub(super) person: Uuid,
    /// Signs the assertions of the client `keyed`.
    pub(super) client_key: Box<dyn Signer>,
}

impl Deref for World {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        &self.provider
    }
}

/// `None`, said aloud, where SoftHSM is not installed.
pub(super) async fn world() -> Option<World> {
    let provider = Provider::open(7)?;
    let client_key = provider
        .keys
        .generate(
            &KeyLabel::parse("test/client/g1").unwrap(),
            KeyAlgorithm::P256,
        )
        .and_then(|id| provider.keys.signer(id, None))
        .unwrap();
    let person = provider.app.sources.uuid();
    let world = World {
        provider,
        person,
        client_key,
    };
    world.add_citizen().await;
    for (id, changes) in [
        ("gdt", json!({})),
        (
            "nssf",
            json!({"require_par": false, "redirect_uris": ["https://nssf.gov.kh/callback"], "uri": "https://nssf.gov.kh"}),
        ),
        (
            "keyed",
            json!({"auth_method": "private_key_jwt", "jwks": world.client_jwks()}),
        ),
    ] {
        world.add_client(id, &changes).await;
    }
    world
        .add_client(
            "desk-robot",
            &json!({"kind": "machine", "redirect_uris": [], "post_logout_redirect_uris": [], "grant": null,
                "machine_scopes": ["ca.issue", "ca.read"], "resources": ["https://ca.gov.kh"], "uri": null}),
        )
        .await;
    Some(world)
}

pub(super) fn registration(id: &str) -> Value {
    json!({
        "id": id,
        "name": {"km": "ពន្ធដារ", "en": "Tax portal"},
        "organization": {"km": "អគ្គនាយកដ្ឋានពន្ធដារ", "en": "General Department of Taxation"},
        "mark": "GDT",
        "uri": "https://tax.gov.kh",
        "auth_method": "client_secret_basic",
        "redirect_uris": ["https://tax.gov.kh/callback"],
        "post_logout_redirect_uris": ["https://tax.gov.kh/"],
        "grant": {
            "number": format!("2026-{id}"),
            "applicant": {"km": "ក", "en": "GDT"},
            "granted_by": {"km": "ក", "en": "Ministry of Interior"},
            "legal_basis": {"km": "ក", "en": "Law on Taxation"},
            "reason": {"km": "ក", "en": "To file your 2026 income declaration."},
            "not_after": "2030-01-01T00:00:00Z",
            "data": [
                {"id": "name", "scope": "profile", "claims": ["name", "name#km"], "purpose": {"km": "ក", "en": "Goes on your declaration."}},
                {"id": "birthdate", "scope": "profile", "claims": ["birthdate"], "purpose": {"km": "ក", "en": "Tells two people apart."}},
                {"id": "level", "scope": "identity", "claims": ["name", "birthdate"], "purpose": {"km": "ក", "en": "Filing asks for it."}},
                {"id": "email", "scope": "email", "required": false, "purpose": {"km": "ក", "en": "They send the receipt there."}},
                {"id": "offline", "scope": "offline_access", "purpose": {"km": "ក", "en": "Reminders."}}
            ]
        }
    })
}

impl World {
    pub(super) async fn add_client(&self, id: &str, changes: &Value) {
        let mut form = registration(id);
        for (name, value) in changes.as_object().unwrap() {
            form[name] = value.clone();
        }
        let registration: Registration = serde_json::from_value(form).unwrap();
        let now = self.app.sources.now();
        let (client, grant) = registration.check(self.app.sources.uuid(), now).unwrap();
        self.app
            .store
            .write(self.event(), move |w| {
                w.insert_client(&client, now)?;
                let secret = super::super::hash(&format!("{SECRET}-{}", client.id));
                w.insert_client_secret(&client.id, &secret, None, now)?;
                grant.map_or(Ok(()), |grant| w.insert_access_grant(&grant, now))
            })
            .await
            .unwrap();
    }

    fn client_jwks(&self) -> Value {
        json!({ "keys": [Jwk::from_signer(self.client_key.as_ref()).unwrap().to_value()] })
    }

    /// An assertion of the client `keyed`.
    pub(super) fn assertion(&self, changes: &[(&str, Value)]) -> String {
        let now = self.app.sources.unix();
        let mut claims = json!({"iss": "keyed", "sub": "keyed", "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": self.app.sources.token(16)});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        sign_compact(
            Map::new(),
            claims.to_string().as_bytes(),
            self.client_key.as_ref(),
        )
        .unwrap()
    }

    async fn add_citizen(&self) {
        let (app, id, now) = (&self.app, self.person, self.app.sources.now());
        let check = |kind, officer| CheckRecord {
            id: app.sources.uuid(),
            kind,
            outcome: Outcome::Right,
            officer: Some(Uuid::from_u128(officer)),
            at: now,
        };
        let record = PersonRecord {
            kind: PersonKind::Natural,
            latin: NameParts {
                family: "SOK".to_owned(),
                given: "DARA".to_owned(),
            },
            khmer: Some(NameParts {
                family: "សុខ".to_owned(),
                given: "ដារ៉ា".to_owned(),
            }),
            birth_date: Some(PartialDate::new(1990, Some(1), Some(1)).unwrap()),
            sex: Some(Sex::Male),
            nationality: Some("KHM".to_owned()),
            entity: None,
            contacts: vec![Contact {
                kind: ContactKind::Email,
                value: "dara@example.org".to_owned(),
                verified_at: Some(now),
            }],
            evidence: vec![EvidenceRecord {
                id: app.sources.uuid(),
                case: app.sources.uuid(),
                document: DocumentKind::NationalIdCard,
                issuer: "KHM".to_owned(),
                number: "123456789".to_owned(),
                issued_on: None,
                expires_on: None,
                strength: Strength::Strong,
                checks: [1, 2]
                    .into_iter()
                    .flat_map(|officer| {
                        [CheckKind::DocumentInspected, CheckKind::FaceCompared]
                            .map(|kind| check(kind, officer))
                    })
                    .collect(),
                verified_at: now,
            }],
        };
        let (key, wrapped) = app
            .sealer
            .new_subject_key(id, app.sources.random())
            .unwrap();
        let row = id.to_string();
        let field = crate::apply::facts::record_field(&row);
        let plain = serde_json::to_vec(&record).unwrap();
        let person = Person {
            id,
            kind: PersonKind::Natural,
            record_sealed: key.seal(&field, &plain, app.sources.random()).unwrap(),
            case: app.sources.uuid(),
            created_at: now.as_second(),
            updated_at: now.as_second(),
        };
        let account = Account {
            id: ACCOUNT,
            subject: id,
            kind: AccountKind::Citizen,
            state: AccountState::Active,
            locale: Locale::En,
            wrapped_key: vec![1],
            display_name_sealed: None,
            office: None,
            created_at: now.as_second(),
            activated_at: Some(now.as_second()),
        };
        app.store
            .write(self.event(), move |w| {
                w.insert_subject_key(id, &wrapped, now.as_second())?;
                w.insert_person(&person)?;
                w.insert_account(&account)
            })
            .await
            .unwrap();
    }

    /// A browser in which the citizen has just signed in with two factors.
    pub(super) async fn signed_in(&self) -> Browser {
        let mut browser = Browser::default();
        self.sign_in(&mut browser).await;
        browser
    }

    pub(super) async fn sign_in(&self, browser: &mut Browser) {
        self.provider.sign_in(ACCOUNT, browser).await;
    }
}

/// The parameters of a sound request.
pub(super) fn parameters<'a>(client: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    let redirect_uri = if client == "nssf" {
        "https://nssf.gov.kh/callback"
    } else {
        "https://tax.gov.kh/callback"
    };
    vec![
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("scope", scope),
        ("state", "st-1"),
        ("nonce", "no-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

pub(super) fn basic(client: &str) -> (header::HeaderName, String) {
    let credentials = Base64::encode_string(format!("{client}:{SECRET}-{client}").as_bytes());
    (header::AUTHORIZATION, format!("Basic {credentials}"))
}

impl Answer {
    /// The error code of the protocol.
    pub(super) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// A parameter of the redirect.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(ISSUER)
            .unwrap()
            .join(&self.location)
            .unwrap();
        location
            .query_pairs()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.into_owned())
    }
}

pub(super) async fn send(service: &impl Site, request: TestRequest) -> Answer {
    Browser::default().send(service, request).await
}

/// A call of a client that authenticates with its secret in the header.
pub(super) async fn call(
    service: &impl Site,
    client: &str,
    path: &str,
    form: &[(&str, &str)],
) -> Answer {
    let request = TestRequest::post()
        .uri(path)
        .insert_header(basic(client))
        .set_form(form);
    send(service, request).await
}

/// Pushes a request; returns the path that the browser goes to.
pub(super) async fn push(service: &impl Site, client: &str, form: &[(&str, &str)]) -> String {
    let answer = call(service, client, "/par", form).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    format!(
        "/authorize?{}",
        encode(&[("client_id", client), ("request_uri", &uri)])
    )
}

/// Presses a button of the consent page that the browser was sent to.
pub(super) async fn decide(
    service: &impl Site,
    browser: &mut Browser,
    sent: &Answer,
    fields: &[(&str, &str)],
) -> Answer {
    assert!(
        sent.location.starts_with("/consent?"),
        "{} {}",
        sent.location,
        sent.body
    );
    let (client, uri) = (
        sent.parameter("client_id").unwrap(),
        sent.parameter("request_uri").unwrap(),
    );
    let page = browser.get(service, &sent.location).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let mut form = vec![
        ("client_id", client.as_str()),
        ("request_uri", uri.as_str()),
    ];
    form.extend_from_slice(fields);
    browser.post(service, "/consent", &form).await
}

/// The whole way to a code, everything asked for being shared.
pub(super) async fn code(
    service: &impl Site,
    browser: &mut Browser,
    client: &str,
    scope: &str,
) -> String {
    let path = push(service, client, &parameters(client, scope)).await;
    let sent = browser.get(service, &path).await;
    let fields = [("decision", "share"), ("share", "email")];
    let back = if sent.location.starts_with("/consent?") {
        decide(service, browser, &sent, &fields).await
    } else {
        sent
    };
    back.parameter("code")
        .unwrap_or_else(|| panic!("no code: {} {}", back.location, back.body))
}

/// The form that redeems a code.
pub(super) fn redemption<'a>(client: &str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let redirect_uri = if client == "nssf" {
        "https://nssf.gov.kh/callback"
    } else {
        "https://tax.gov.kh/callback"
    };
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", VERIFIER),
    ]
}

/// The whole way to tokens.
pub(super) async fn tokens(
    service: &impl Site,
    browser: &mut Browser,
    client: &str,
    scope: &str,
) -> Value {
    let code = code(service, browser, client, scope).await;
    let answer = call(service, client, "/token", &redemption(client, &code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

pub(super) async fn userinfo(service: &impl Site, access_token: &str) -> Answer {
    let bearer = (header::AUTHORIZATION, format!("Bearer {access_token}"));
    send(
        service,
        TestRequest::get().uri("/userinfo").insert_header(bearer),
    )
    .await
}

/// The claims of a compact token, unchecked.
pub(super) fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}

/// The provider's protocols.
pub(super) async fn site(app: &App) -> impl Site + use<> {
    let app = actix_web::App::new()
        .app_data(Data::new(app.clone()))
        .configure(crate::oidc::routes);
    test::init_service(app).await
}
