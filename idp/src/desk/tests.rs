//! From application to approval, over HTTP, with a real token and a real store.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::test::{self, TestRequest};
use actix_web::web::Data;
use base64ct::{Base64UrlUnpadded, Encoding};
use domain::account::{AccountState, Role, SignInMethod};
use domain::assurance::Level;
use domain::audit::{Actor, AuditEvent, action};
use domain::locale::Locale;
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::SoftHsm;
use hsm_bridge::{KeyAlgorithm, KeyStore, SecretPurpose, SecretStore};
use service::{Sources, TestClock};
use sha2::{Digest, Sha256};
use store::idp::{Account, AccountKind, SessionRow};
use store::{Schema, Store};
use uuid::Uuid;

use crate::app::{App, Parts};
use crate::config::Config;

const ZONE: &str = "IDKHM1234567897<<<<<<<<<<<<<<<\r\n9001011F3301018KHM<<<<<<<<<<<2\r\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<";
const WRONG_ZONE: &str = "IDKHM1234567890<<<<<<<<<<<<<<<\r\n9001011F3301018KHM<<<<<<<<<<<2\r\nSOK<<DARA<<<<<<<<<<<<<<<<<<<<<";

struct World {
    app: App,
    clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
    _token: SoftHsm,
}

/// `None`, said aloud, where SoftHSM is not installed.
fn world() -> Option<World> {
    let Ok(soft) = SoftHsm::new() else {
        eprintln!("SKIPPED: needs SoftHSM (Debian package softhsm2)");
        return None;
    };
    let token: Arc<Token> = Arc::new(soft.open().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        evidence: folder.path().join("evidence"),
        ..Config::default()
    };
    for label in &config.keys.id_token {
        token.generate(label, KeyAlgorithm::P256).unwrap();
    }
    token
        .generate_secret(&config.keys.key_encryption, SecretPurpose::KeyEncryption)
        .unwrap();
    for label in [&config.keys.blind_index, &config.keys.pairwise] {
        token.generate_secret(label, SecretPurpose::Mac).unwrap();
    }
    let (sources, clock) = Sources::test("2026-11-22T03:00:00Z".parse().unwrap(), 7);
    let app = App::new(Parts {
        config,
        store: Store::in_memory(Schema::Idp).unwrap(),
        keys: Arc::<Token>::clone(&token),
        secrets: token,
        sources,
    })
    .unwrap();
    Some(World {
        app,
        clock,
        _folder: folder,
        _token: soft,
    })
}

impl World {
    /// A signed-in member of staff; returns the session cookie's value.
    async fn staff(&self, roles: &'static [Role]) -> (Uuid, String) {
        let app = &self.app;
        let (id, token, now) = (
            app.sources.uuid(),
            app.sources.token(32),
            app.sources.unix(),
        );
        let account = Account {
            id,
            subject: id,
            kind: AccountKind::Staff,
            state: AccountState::Active,
            locale: Locale::En,
            wrapped_key: vec![1],
            display_name_sealed: None,
            office: Some("Chamkar Mon".to_owned()),
            created_at: now,
            activated_at: Some(now),
        };
        let method = SignInMethod::PasswordAndApp;
        let session = SessionRow {
            id: app.sources.uuid().to_string(),
            token_hash: Sha256::digest(token.as_bytes()).to_vec(),
            account_id: id.to_string(),
            method: serde_json::to_string(&method).unwrap(),
            amr: method.amr().join(" "),
            aal: i64::from(method.aal()),
            client: String::new(),
            signed_in_at: now,
            last_seen_at: now,
            expires_at: now + 36_000,
            ended_at: None,
        };
        assert_eq!(Base64UrlUnpadded::decode_vec(&token).unwrap().len(), 32);
        let event = AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            Actor::system("test"),
            action::IDP_STAFF_ADDED,
            "account:test",
        );
        app.store
            .write(event, move |w| {
                w.insert_account(&account)?;
                roles
                    .iter()
                    .try_for_each(|role| w.grant_role(id, *role, now))?;
                w.insert_session(&session)
            })
            .await
            .unwrap();
        (id, token)
    }

    async fn officer(&self) -> Browser {
        let (_, token) = self.staff(&[Role::Operator]).await;
        let mut browser = Browser::default();
        browser.cookies.insert("session".to_owned(), token);
        browser
    }
}

/// Keeps cookies between requests, as browsers do.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

struct Answer {
    status: StatusCode,
    location: String,
    body: String,
    bytes: Vec<u8>,
    headers: header::HeaderMap,
}

impl Browser {
    async fn send<S, B>(&mut self, service: &S, request: TestRequest) -> Answer
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let request = self
            .cookies
            .iter()
            .fold(request, |request, (name, value)| {
                request.cookie(Cookie::new(name.clone(), value.clone()))
            })
            .peer_addr("192.0.2.7:4000".parse().unwrap());
        let response = test::call_service(service, request.to_request()).await;
        for cookie in response.response().cookies() {
            self.cookies
                .insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let location = headers
            .get(header::LOCATION)
            .map(|l| l.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await.to_vec();
        Answer {
            status,
            location: location.unwrap_or_default(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            headers,
        }
    }

    async fn get<S, B>(&mut self, service: &S, path: &str) -> Answer
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        self.send(service, TestRequest::get().uri(path)).await
    }

    async fn post<S, B>(&mut self, service: &S, path: &str, fields: &[(&str, &str)]) -> Answer
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let csrf = self.cookies.get("csrf").cloned().unwrap_or_default();
        let mut form: Vec<(&str, &str)> = vec![("csrf", &csrf)];
        form.extend_from_slice(fields);
        self.send(service, TestRequest::post().uri(path).set_form(form))
            .await
    }

    /// Sends files as a browser does; each is field, declared type and content.
    async fn upload<S, B>(&mut self, service: &S, files: &[(&str, &str, &[u8])]) -> Answer
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        const BOUNDARY: &str = "----test-boundary";
        let csrf = self.cookies.get("csrf").cloned().unwrap_or_default();
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n"
        )
        .into_bytes();
        for (field, declared, content) in files {
            body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"x\"\r\nContent-Type: {declared}\r\n\r\n").into_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        let request = TestRequest::default()
            .method(Method::POST)
            .uri("/apply/photos")
            .insert_header((
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={BOUNDARY}"),
            ))
            .set_payload(body);
        self.send(service, request).await
    }
}

fn picture(shade: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(400, 300, image::Rgb([shade, 90, 120]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(picture)
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

macro_rules! service {
    ($world:expr) => {
        test::init_service(
            actix_web::App::new()
                .app_data(Data::new($world.app.clone()))
                .configure(crate::apply::routes)
                .configure(crate::desk::routes)
                .configure(crate::outbox::routes),
        )
        .await
    };
}

/// The six digits last sent to an address, from the development outbox.
async fn code_for<S, B>(service: &S, to: &str) -> String
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let listed = Browser::default().get(service, "/outbox.json").await;
    let listed: serde_json::Value = serde_json::from_str(&listed.body).unwrap();
    let items = listed["items"].as_array().unwrap();
    let text = items
        .iter()
        .find(|item| item["to"] == to && item["kind"] == "contact-code")
        .and_then(|item| item["text"].as_str())
        .unwrap();
    text.split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 6)
        .unwrap()
        .to_owned()
}

/// A page's form, what is filled in, and the page after it.
type Step<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Applies with an ID card; returns the browser, which ends on the receipt, and that page.
async fn apply<S, B>(service: &S, contact: &str, shade: u8) -> (Browser, String)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let mut citizen = Browser::default();
    assert_eq!(
        citizen.get(service, "/apply?lang=en").await.status,
        StatusCode::OK
    );
    let steps: [Step<'_>; 4] = [
        ("/apply", &[], "/apply/who"),
        ("/apply/who", &[("choice", "national")], "/apply/document"),
        (
            "/apply/document",
            &[("choice", "national_id_card")],
            "/apply/number",
        ),
        (
            "/apply/number",
            &[("number", "១២៣ ៤៥៦ ៧៨៩"), ("zone", ZONE)],
            "/apply/photos",
        ),
    ];
    for (path, fields, next) in steps {
        let answer = citizen.post(service, path, fields).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (StatusCode::SEE_OTHER, next),
            "{path}: {}",
            answer.body
        );
        assert_eq!(
            citizen.get(service, next).await.status,
            StatusCode::OK,
            "{next}"
        );
    }
    let (front, back, face) = (picture(shade), picture(shade + 1), picture(shade + 2));
    let files: [(&str, &str, &[u8]); 3] = [
        ("front", "image/png", &front),
        ("back", "image/png", &back),
        ("portrait", "image/png", &face),
    ];
    let answer = citizen.upload(service, &files).await;
    assert_eq!(answer.location, "/apply/name", "{}", answer.body);
    let page = citizen.get(service, "/apply/name").await.body;
    assert!(
        page.contains("value=\"SOK\"") && page.contains("value=\"1990\""),
        "prefilled from the zone"
    );
    let names = [
        ("family_km", "សុខ"),
        ("given_km", "ដារ៉ា"),
        ("family_la", "Sok"),
        ("given_la", "Dara"),
        ("birth_day", "1"),
        ("birth_month", "1"),
        ("birth_year", "1990"),
        ("sex", "female"),
    ];
    let answer = citizen.post(service, "/apply/name", &names).await;
    assert_eq!(answer.location, "/apply/contact", "{}", answer.body);
    let answer = citizen
        .post(service, "/apply/contact", &[("contact", contact)])
        .await;
    assert_eq!(answer.location, "/apply/contact/code", "{}", answer.body);
    let wrong = citizen
        .post(service, "/apply/contact/code", &[("code", "12")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = code_for(service, contact).await;
    let answer = citizen
        .post(service, "/apply/contact/code", &[("code", &code)])
        .await;
    assert_eq!(answer.location, "/apply/check", "{}", answer.body);
    assert!(
        citizen
            .get(service, "/apply/check")
            .await
            .body
            .contains("123456789")
    );
    let answer = citizen.post(service, "/apply/check", &[]).await;
    assert_eq!(answer.location, "/apply/receipt", "{}", answer.body);
    let receipt = citizen.get(service, "/apply/receipt").await.body;
    (citizen, receipt)
}

/// The text of the element with this id.
fn text_of(page: &str, id: &str) -> String {
    let rest = page
        .split(&format!("id=\"{id}\""))
        .nth(1)
        .unwrap_or_else(|| panic!("{id} in {page}"));
    rest.split_once('>')
        .unwrap()
        .1
        .split('<')
        .next()
        .unwrap()
        .trim()
        .to_owned()
}

async fn only_case(world: &World) -> Uuid {
    let nobody = Uuid::nil();
    let listed = world
        .app
        .store
        .read(move |r| r.list_queue(nobody, &store::idp::QueueFilter::default(), 10))
        .await;
    listed.unwrap().last().unwrap().id
}

fn digest_of(page: &str) -> String {
    page.split("name=\"evidence_digest\" value=\"")
        .nth(1)
        .unwrap()[..64]
        .to_owned()
}

async fn approve<S, B>(service: &S, officer: &mut Browser, case: Uuid) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    officer.get(service, "/desk?lang=en").await;
    let answer = officer
        .post(
            service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let page = officer.get(service, &format!("/desk/cases/{case}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let digest = digest_of(&page.body);
    let fields = [
        ("verdict", "approve"),
        ("evidence_digest", digest.as_str()),
        ("document_genuine", "yes"),
        ("face_matches", "yes"),
    ];
    officer
        .post(service, &format!("/desk/cases/{case}/decision"), &fields)
        .await
}

#[actix_web::test]
async fn apply_maker_checker_approved() {
    let Some(world) = world() else { return };
    let service = service!(world);
    let (mut citizen, receipt) = apply(&service, "sok.dara@example.com", 10).await;
    assert_eq!(text_of(&receipt, "case-number"), "26-1122-0001");
    let case = only_case(&world).await;
    let (mut maker, mut checker) = (world.officer().await, world.officer().await);

    // Nobody without the role, and no personal data without holding the case.
    let stranger = citizen.get(&service, "/desk").await;
    assert!(
        stranger.location.starts_with("/sign-in"),
        "{}",
        stranger.location
    );
    let closed = checker
        .get(&service, &format!("/desk/cases/{case}?lang=en"))
        .await
        .body;
    assert!(!closed.contains("SOK") && closed.contains("id=\"take\""));

    let answer = approve(&service, &mut maker, case).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    // The same operator twice.
    let again = maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("data-code=\"same-officer\""));
    let fields = [
        ("verdict", "approve"),
        ("document_genuine", "yes"),
        ("face_matches", "yes"),
    ];
    let again = maker
        .post(&service, &format!("/desk/cases/{case}/decision"), &fields)
        .await;
    assert!(
        again.body.contains("data-code=\"same-officer\""),
        "{}",
        again.body
    );

    // The checker sees evidence and checks, not the first decision.
    checker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let page = checker
        .get(&service, &format!("/desk/cases/{case}"))
        .await
        .body;
    assert!(
        page.contains("Level 2")
            && page.contains("kh-2026-11")
            && !page.contains("id=\"decisions\"")
    );
    let src = page
        .split("src=\"/desk/cases/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let seen = checker.get(&service, &format!("/desk/cases/{src}")).await;
    assert!(
        seen.bytes.starts_with(&[0xFF, 0xD8])
            && seen.headers.get("cache-control").unwrap() == "no-store"
    );
    assert_eq!(
        maker
            .get(&service, &format!("/desk/cases/{src}"))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let answer = approve(&service, &mut checker, case).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    let status = citizen.get(&service, "/apply/status").await.body;
    assert!(status.contains("data-state=\"approved\""));
    let subject = world
        .app
        .store
        .read(move |r| r.load_case(case))
        .await
        .unwrap()
        .case
        .subject;
    let facts = crate::apply::facts::load(&world.app, subject)
        .await
        .unwrap();
    assert_eq!(facts.assurance.level(), Level::Two);
    assert_eq!(
        (
            facts.latin.full().as_str(),
            facts.khmer.unwrap().full().as_str()
        ),
        ("Sok Dara", "សុខ ដារ៉ា")
    );
    assert_eq!(facts.birth_date.unwrap().claim(), "1990-01-01");
    let account = world
        .app
        .store
        .read(move |r| r.find_account_of_subject(subject))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.state, AccountState::Invited);
    let looks = world
        .app
        .store
        .read(move |r| r.list_data_accesses(subject, None, 50))
        .await
        .unwrap();
    assert!(
        looks.iter().any(|look| look.items == "evidence-front"),
        "every look is shown to the person"
    );
    let sent = Browser::default().get(&service, "/outbox.json").await.body;
    assert!(sent.contains("case-approved") && sent.contains("account-invitation"));

    // Erasing the wrapped key makes everything unreadable.
    let event = AuditEvent::new(
        world.app.sources.uuid(),
        world.app.sources.now(),
        Actor::system("test"),
        action::IDP_PERSON_ERASED,
        "subject:test",
    );
    world
        .app
        .store
        .write(event, move |w| w.erase_subject_key(subject, 1))
        .await
        .unwrap();
    assert!(
        crate::apply::facts::load(&world.app, subject)
            .await
            .is_err()
    );
    assert!(
        crate::apply::open_application(&world.app, move |r| r.find_case(case))
            .await
            .unwrap()
            .is_none()
    );
}

#[actix_web::test]
async fn a_document_used_twice_is_looked_at_and_not_refused() {
    let Some(world) = world() else { return };
    let service = service!(world);
    apply(&service, "first@example.com", 10).await;
    let first = only_case(&world).await;
    world.clock.advance(std::time::Duration::from_secs(90));
    let (_, receipt) = apply(&service, "second@example.com", 40).await;
    assert_eq!(text_of(&receipt, "case-number"), "26-1122-0002");
    let second = only_case(&world).await;
    assert_ne!(first, second);
    let mut officer = world.officer().await;
    officer.get(&service, "/desk?lang=en").await;
    officer
        .post(
            &service,
            &format!("/desk/cases/{second}/lease"),
            &[("act", "take")],
        )
        .await;
    let page = officer
        .get(&service, &format!("/desk/cases/{second}"))
        .await
        .body;
    assert!(page.contains("id=\"duplicates\"") && page.contains("26-1122-0001"));
    assert!(page.contains("id=\"check-image_unused\""));
}

#[actix_web::test]
async fn wrong_digits_and_garbage_are_answered_in_words_and_nothing_is_lost() {
    let Some(world) = world() else { return };
    let service = service!(world);
    let mut citizen = Browser::default();
    citizen.get(&service, "/apply?lang=en").await;
    citizen.post(&service, "/apply", &[]).await;
    citizen
        .post(&service, "/apply/who", &[("choice", "national")])
        .await;
    citizen
        .post(
            &service,
            "/apply/document",
            &[("choice", "national_id_card")],
        )
        .await;

    let wrong = [("number", "123456789"), ("zone", WRONG_ZONE)];
    let answer = citizen.post(&service, "/apply/number", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("Line 1, characters 6–15")
            && answer.body.contains("document number is mistyped")
    );
    assert!(
        answer.body.contains("IDKHM1234567890"),
        "what was typed stays"
    );
    let answer = citizen
        .post(
            &service,
            "/apply/number",
            &[("number", "987654321"), ("zone", ZONE)],
        )
        .await;
    assert!(answer.body.contains("You typed 987654321"));
    let expired = [("number", "123456789"), ("zone", "")];
    assert_eq!(
        citizen
            .post(&service, "/apply/number", &expired)
            .await
            .status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    citizen
        .post(
            &service,
            "/apply/number",
            &[("number", "123456789"), ("zone", ZONE)],
        )
        .await;

    // A page ahead of the answers leads back to the first open question.
    assert_eq!(
        citizen.get(&service, "/apply/check").await.location,
        "/apply/photos"
    );

    let good = picture(10);
    let huge = vec![0_u8; crate::evidence::MAX_BYTES + 1];
    let files: [(&str, &str, &[u8]); 3] = [
        ("front", "image/png", &good),
        ("back", "image/jpeg", b"<svg onload=alert(1)>"),
        ("portrait", "image/jpeg", &huge),
    ];
    let answer = citizen.upload(&service, &files).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("id=\"front-held\""),
        "the good picture is kept"
    );
    assert!(answer.body.contains("id=\"back-error\"") && answer.body.contains("larger than 8 MB"));

    // A form from elsewhere, and a code that nobody has.
    let stolen = citizen
        .cookies
        .insert("csrf".to_owned(), "A".repeat(43))
        .unwrap();
    let mut other = Browser::default();
    other.cookies.insert("csrf".to_owned(), stolen);
    let bad = TestRequest::post()
        .uri("/apply")
        .set_form([("csrf", "B".repeat(43))]);
    assert_eq!(
        other.send(&service, bad).await.status,
        StatusCode::FORBIDDEN
    );
    let mut lost = Browser::default();
    lost.get(&service, "/apply/continue?lang=en").await;
    let answer = lost
        .post(
            &service,
            "/apply/continue",
            &[("code", "ABCD-EFGH-JKMN-PQRS")],
        )
        .await;
    assert!(answer.body.contains("No application has this code"));
}

#[actix_web::test]
async fn more_information_then_refusal_then_appeal() {
    let Some(world) = world() else { return };
    let service = service!(world);
    let (citizen, receipt) = apply(&service, "sok.dara@example.com", 10).await;
    let code = text_of(&receipt, "continuation-code");
    drop(citizen);
    let case = only_case(&world).await;
    let mut maker = world.officer().await;
    maker.get(&service, "/desk?lang=en").await;
    maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let digest = digest_of(
        &maker
            .get(&service, &format!("/desk/cases/{case}"))
            .await
            .body,
    );
    let path = format!("/desk/cases/{case}/decision");
    let unreasoned = maker
        .post(
            &service,
            &path,
            &[("verdict", "refuse"), ("evidence_digest", &digest)],
        )
        .await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [
        ("verdict", "ask_for_more"),
        ("reason", "picture_unreadable"),
        ("note", "The back, please."),
        ("evidence_digest", digest.as_str()),
    ];
    assert_eq!(
        maker.post(&service, &path, &fields).await.status,
        StatusCode::SEE_OTHER
    );

    // Back with the code on another device: only the pictures can be changed.
    let mut citizen = Browser::default();
    citizen.get(&service, "/apply/continue?lang=en").await;
    let answer = citizen
        .post(
            &service,
            "/apply/continue",
            &[("code", &code.to_lowercase())],
        )
        .await;
    assert_eq!(answer.location, "/apply/status");
    let status = citizen.get(&service, "/apply/status").await.body;
    assert!(status.contains("The back, please.") && status.contains("href=\"/apply/photos\""));
    assert_eq!(
        citizen.get(&service, "/apply/name").await.location,
        "/apply/status"
    );
    let back = picture(99);
    assert_eq!(
        citizen
            .upload(&service, &[("back", "image/png", &back)])
            .await
            .location,
        "/apply/check"
    );
    assert_eq!(
        citizen.post(&service, "/apply/check", &[]).await.location,
        "/apply/receipt"
    );
    assert!(
        citizen
            .get(&service, "/apply/receipt")
            .await
            .body
            .contains("26-1122-0001"),
        "the number stays"
    );

    // A decision on what was shown before does not count any more.
    maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    let stale = [
        ("verdict", "refuse"),
        ("reason", "face_differs"),
        ("evidence_digest", digest.as_str()),
    ];
    assert!(
        maker
            .post(&service, &path, &stale)
            .await
            .body
            .contains("data-code=\"evidence-changed\"")
    );
    let mut checker = world.officer().await;
    for officer in [&mut maker, &mut checker] {
        officer.get(&service, "/desk?lang=en").await;
        officer
            .post(
                &service,
                &format!("/desk/cases/{case}/lease"),
                &[("act", "take")],
            )
            .await;
        let digest = digest_of(
            &officer
                .get(&service, &format!("/desk/cases/{case}"))
                .await
                .body,
        );
        let fields = [
            ("verdict", "refuse"),
            ("reason", "face_differs"),
            ("evidence_digest", digest.as_str()),
        ];
        assert_eq!(
            officer.post(&service, &path, &fields).await.status,
            StatusCode::SEE_OTHER
        );
    }
    assert!(
        citizen
            .get(&service, "/apply/status")
            .await
            .body
            .contains("data-state=\"rejected\"")
    );
    assert_eq!(
        citizen.post(&service, "/apply/appeal", &[]).await.location,
        "/apply/status"
    );
    assert!(
        citizen
            .get(&service, "/apply/status")
            .await
            .body
            .contains("data-state=\"waiting\"")
    );
    let refused = maker
        .post(
            &service,
            &format!("/desk/cases/{case}/lease"),
            &[("act", "take")],
        )
        .await;
    assert!(refused.body.contains("data-code=\"same-officer\""));
}
