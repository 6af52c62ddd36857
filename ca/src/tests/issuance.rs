//! Issuing: intent first, one certificate per idempotency key, no key for two holders.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actix_web::http::StatusCode;
use domain::audit::action;
use futures_util::future::join_all;
use hsm_bridge::activation::{Assertion, HeldKeys, Holder, Holders};
use hsm_bridge::{
    Health, KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme, Signer,
};
use store::Store;
use store::ca::CertificateRow;

use super::fixture::{Authority, public_key, tls_request, written};
use super::judges;
use crate::issuance::recovery;

#[actix_web::test]
async fn a_certificate_chains_to_the_root_and_can_be_read_back() {
    let authority = Authority::new().await;
    let key = authority.new_key("test/tls");
    let made = authority.tls_certificate(&public_key(&*key)).await;
    let serial = made["serial"].as_str().expect("a serial number").to_owned();
    let read = authority
        .send(authority.get("idp", &format!("/certificates/{serial}")))
        .await;
    assert_eq!(read.json(), made);
    assert_eq!(made["status"], "good");
    for name in [
        action::CA_CERTIFICATE_INTENDED,
        action::CA_CERTIFICATE_ISSUED,
    ] {
        assert_eq!(authority.audited(name).await, 1, "{name}");
    }
    let Some(openssl) = judges::find("openssl") else {
        return;
    };
    let directory = authority.held.directory.path();
    let leaf = written(
        directory,
        "leaf.pem",
        made["certificate"].as_str().unwrap().as_bytes(),
    );
    let chain = written(
        directory,
        "chain.pem",
        made["chain"][0].as_str().unwrap().as_bytes(),
    );
    let root = authority.held.file("certificates/ca-root-g1.pem");
    let arguments = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "localhost",
        "-CAfile",
        &root,
        "-untrusted",
        &chain,
        &leaf,
    ];
    let (content, said) = judges::run(&openssl, &arguments);
    assert!(content, "{said}");
}

#[actix_web::test]
async fn a_request_by_csr_needs_proof_of_possession() {
    let authority = Authority::new().await;
    let Some(openssl) = judges::find("openssl") else {
        return;
    };
    let directory = authority
        .held
        .directory
        .path()
        .to_string_lossy()
        .into_owned();
    let (csr, key) = (format!("{directory}/r.csr"), format!("{directory}/r.key"));
    let arguments = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &key,
        "-subj",
        "/CN=ignored",
        "-out",
        &csr,
    ];
    let (content, said) = judges::run(&openssl, &arguments);
    assert!(content, "{said}");
    let pem = std::fs::read_to_string(&csr).expect("a request");
    let mut body = tls_request("");
    body.as_object_mut()
        .expect("an object")
        .remove("public_key");
    body["csr"] = pem.clone().into();
    let made = authority
        .send(authority.post("idp", "/certificates", &body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());

    let (label, mut der) = der::pem::decode_vec(pem.as_bytes()).expect("PEM");
    let last = der.len() - 1;
    der[last] ^= 1;
    let spoiled = der::pem::encode_string(label, der::pem::LineEnding::LF, &der).expect("PEM");
    body["csr"] = spoiled.into();
    let refused = authority
        .send(authority.post("idp", "/certificates", &body))
        .await;
    refused.assert_problem(422, "key-refused");
}

#[actix_web::test]
async fn fifty_at_once_under_one_key_get_one_certificate() {
    let authority = Authority::new().await;
    let body = tls_request(&public_key(&*authority.new_key("test/tls")));
    let requests = (0..50).map(|_| {
        let request = authority.post("idp", "/certificates", &body);
        authority.send(request.insert_header(("Idempotency-Key", "one")))
    });
    let answers = join_all(requests).await;
    let serials: std::collections::BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
            answer.json()["serial"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(serials.len(), 1);
    assert_eq!(authority.audited(action::CA_CERTIFICATE_ISSUED).await, 1);
    assert_eq!(authority.audited(action::CA_CERTIFICATE_INTENDED).await, 1);

    let mut other = body.clone();
    other["subject"] = serde_json::json!({ "common_name": "localhost", "country": "KH" });
    let request = authority.post("idp", "/certificates", &other);
    let answer = authority
        .send(request.insert_header(("Idempotency-Key", "one")))
        .await;
    answer.assert_problem(409, "idempotency-mismatch");
    let request = authority.post("ocsp", "/certificates", &body);
    let answer = authority
        .send(request.insert_header(("Idempotency-Key", "one")))
        .await;
    assert_eq!(
        answer.status,
        StatusCode::CREATED,
        "keys of two callers do not meet"
    );
}

#[actix_web::test]
async fn a_key_is_certified_for_one_holder_and_never_after_a_compromise() {
    let authority = Authority::new().await;
    let key = public_key(&*authority.new_key("test/tls"));
    let made = authority.tls_certificate(&key).await;
    authority.tls_certificate(&key).await;
    let mut other = tls_request(&key);
    other["subject"]["country"] = "KH".into();
    let refused = authority
        .send(authority.post("idp", "/certificates", &other))
        .await;
    refused.assert_problem(422, "key-refused");

    let path = format!(
        "/certificates/{}/revocation",
        made["serial"].as_str().unwrap()
    );
    let reason = serde_json::json!({ "reason": "keyCompromise" });
    let revoked = authority.send(authority.post("idp", &path, &reason)).await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.text());
    let refused = authority
        .send(authority.post("idp", "/certificates", &tls_request(&key)))
        .await;
    refused.assert_problem(422, "key-refused");
}

#[actix_web::test]
async fn an_authority_key_is_never_certified_again() {
    let authority = Authority::new().await;
    let key = public_key(&*authority.signer("ca/persons/g1"));
    let refused = authority
        .send(authority.post("idp", "/certificates", &tls_request(&key)))
        .await;
    refused.assert_problem(422, "key-refused");
}

#[actix_web::test]
async fn what_the_profile_forbids_is_refused_in_its_words() {
    let authority = Authority::new().await;
    let key = public_key(&*authority.new_key("test/key"));
    for (name, change) in [
        ("no name", serde_json::json!({ "san": [] })),
        (
            "foreign attribute",
            serde_json::json!({ "subject": { "common_name": "localhost", "surname": "x" } }),
        ),
        (
            "chosen serialNumber",
            serde_json::json!({ "subject": { "common_name": "localhost", "serial_number": "1" } }),
        ),
    ] {
        let mut body = tls_request(&key);
        for (member, value) in change.as_object().expect("an object") {
            body[member.as_str()] = value.clone();
        }
        let answer = authority
            .send(authority.post("idp", "/certificates", &body))
            .await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{name}: {}",
            answer.text()
        );
        answer.assert_problem(422, "profile-violation");
    }
    assert_eq!(
        authority.audited(action::CA_CERTIFICATE_INTENDED).await,
        0,
        "nothing was intended"
    );
}

#[actix_web::test]
async fn a_responder_renews_its_own_certificate_by_its_key_alone() {
    let authority = Authority::new().await;
    let persons = authority.app.hierarchy.issuing[0].id;
    let body = serde_json::json!({
        "profile": "ocsp-responder",
        "issuer": persons,
        "public_key": public_key(&*authority.signer("ocsp/persons/g1")),
    });
    let made = authority
        .send(authority.post("ocsp", "/certificates", &body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["issuer"], persons.to_string());
}

/// A door to the token behind which something happens at every signature.
struct Trapdoor {
    token: Holders,
    trap: Arc<OnceLock<Trap>>,
}

type Trap = Box<dyn Fn() -> Result<(), KeyStoreError> + Send + Sync>;

impl KeyStore for Trapdoor {
    fn generate(&self, label: &KeyLabel, kind: KeyAlgorithm) -> Result<KeyId, KeyStoreError> {
        self.token.generate(label, kind)
    }
    fn find(&self, label: &KeyLabel) -> Result<Option<KeyId>, KeyStoreError> {
        self.token.find(label)
    }
    fn signer(
        &self,
        id: KeyId,
        scheme: Option<SignatureScheme>,
    ) -> Result<Box<dyn Signer>, KeyStoreError> {
        let inner = self.token.signer(id, scheme)?;
        Ok(Box::new(TrapSigner {
            inner,
            trap: Arc::clone(&self.trap),
        }))
    }
    fn destroy(&self, id: KeyId) -> Result<(), KeyStoreError> {
        self.token.destroy(id)
    }
}

impl HeldKeys for Trapdoor {
    fn generate_held(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        holder: &Holder,
    ) -> Result<KeyId, KeyStoreError> {
        self.token.generate_held(label, algorithm, holder)
    }
    fn activate(
        &self,
        key: KeyId,
        context: &[u8],
        digests: &[&[u8]],
    ) -> Result<[u8; 32], KeyStoreError> {
        self.token.activate(key, context, digests)
    }
    fn sign_held(
        &self,
        key: KeyId,
        scheme: SignatureScheme,
        message: &[u8],
        assertion: &Assertion<'_>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        self.token.sign_held(key, scheme, message, assertion)
    }
}

impl Health for Trapdoor {
    fn health(&self) -> Result<(), KeyStoreError> {
        self.token.health()
    }
}

struct TrapSigner {
    inner: Box<dyn Signer>,
    trap: Arc<OnceLock<Trap>>,
}

impl Signer for TrapSigner {
    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
    fn public_key(&self) -> &spki::SubjectPublicKeyInfoOwned {
        self.inner.public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let signature = self.inner.sign(message)?;
        self.trap.get().map_or(Ok(()), |trap| trap())?;
        Ok(signature)
    }
}

async fn trapped() -> (Authority, Arc<OnceLock<Trap>>) {
    let trap = Arc::new(OnceLock::new());
    let inner = Arc::clone(&trap);
    let authority = Authority::with_door(move |token| {
        Arc::new(Trapdoor {
            token: Holders::new(token),
            trap: inner,
        })
    })
    .await;
    (authority, trap)
}

/// Puts a row under the serial number of the pending intent, so that storing the new certificate must fail.
fn occupy_serial(store: Store, event: Arc<Mutex<Option<domain::audit::AuditEvent>>>) -> Trap {
    let runtime = tokio::runtime::Handle::current();
    Box::new(move || {
        let event = event.lock().expect("a lock").take();
        let Some(event) = event else { return Ok(()) };
        let store = store.clone();
        runtime
            .block_on(store.write(event, |w| {
                let intent = w.list_pending_intents(i64::MAX)?.remove(0);
                w.insert_certificate(&CertificateRow {
                    serial: intent.serial,
                    issuer: intent.issuer,
                    shard: 0,
                    profile: intent.profile,
                    intent: None,
                    caller: "test".to_owned(),
                    spki_hash: vec![9; 32],
                    holder_hash: vec![9; 32],
                    certificate: vec![0x30, 0],
                    not_before: 0,
                    not_after: 1,
                    status: "good".to_owned(),
                    reason: None,
                    revoked_at: None,
                    created_at: 0,
                    keep_until: i64::MAX,
                })
            }))
            .map(|_| ())
            .map_err(|error| KeyStoreError::BadRequest(error.to_string()))
    })
}

#[actix_web::test]
async fn a_failure_after_signing_leaves_the_intent_and_hands_nothing_out() {
    let (authority, trap) = trapped().await;
    let app = &authority.app;
    let caller = crate::auth::Caller::system();
    let event = caller.event(&app.sources, action::CA_CERTIFICATE_ISSUED, "test:occupied");
    let filled = trap.set(occupy_serial(
        app.store.clone(),
        Arc::new(Mutex::new(Some(event))),
    ));
    assert!(filled.is_ok());
    let body = tls_request(&public_key(&*authority.new_key("test/tls")));
    let request = authority.post("idp", "/certificates", &body);
    let answer = authority
        .send(request.insert_header(("Idempotency-Key", "k")))
        .await;
    answer.assert_problem(500, "internal");
    let pending = app
        .store
        .read(|r| r.list_pending_intents(i64::MAX))
        .await
        .expect("intents");
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].idempotency_key.as_deref(), Some("k"));
    assert!(
        !pending[0].tbs.is_empty(),
        "what was to be signed is on record"
    );

    assert_eq!(
        recovery::abandon_old_intents(app).await.expect("recovery"),
        0,
        "too young"
    );
    authority.clock.advance(Duration::from_secs(31));
    assert_eq!(
        recovery::abandon_old_intents(app).await.expect("recovery"),
        1
    );
    assert_eq!(authority.audited(action::CA_CERTIFICATE_ABANDONED).await, 1);
    let request = authority.post("idp", "/certificates", &body);
    let answer = authority
        .send(request.insert_header(("Idempotency-Key", "k")))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_ne!(
        answer.json()["serial"],
        pending[0].serial,
        "the serial number is not used again"
    );
}

#[actix_web::test]
async fn a_token_that_fails_ends_the_intent_on_record() {
    let (authority, trap) = trapped().await;
    let failing: Trap = Box::new(|| Err(KeyStoreError::Deadline));
    assert!(trap.set(failing).is_ok());
    let key = public_key(&*authority.new_key("test/tls"));
    let answer = authority
        .send(authority.post("idp", "/certificates", &tls_request(&key)))
        .await;
    answer.assert_problem(503, "unavailable");
    assert_eq!(authority.audited(action::CA_CERTIFICATE_FAILED).await, 1);
    let pending = authority
        .app
        .store
        .read(|r| r.list_pending_intents(i64::MAX))
        .await;
    assert!(pending.expect("intents").is_empty());
}

#[actix_web::test]
async fn a_dropped_request_is_carried_out_all_the_same() {
    let (authority, trap) = trapped().await;
    let (reached, mut is_reached) = tokio::sync::mpsc::unbounded_channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let slow: Trap = Box::new(move || {
        let _ = reached.send(());
        let _ = wait.lock().expect("a lock").recv();
        Ok(())
    });
    assert!(trap.set(slow).is_ok());
    let body = tls_request(&public_key(&*authority.new_key("test/tls")));
    let mut ended = authority.app.issuance_ended.subscribe();
    {
        let request = authority.post("idp", "/certificates", &body);
        let request = authority.send(request.insert_header(("Idempotency-Key", "k")));
        tokio::pin!(request);
        tokio::select! {
            _ = &mut request => unreachable!("the signature waits"),
            reached = is_reached.recv() => assert!(reached.is_some()),
        }
    }
    drop(go);
    ended.changed().await.expect("the work ended");
    let request = authority.post("idp", "/certificates", &body);
    let answer = authority
        .send(request.insert_header(("Idempotency-Key", "k")))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(authority.audited(action::CA_CERTIFICATE_ISSUED).await, 1);
}
