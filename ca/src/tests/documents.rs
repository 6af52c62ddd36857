//! A PDF from its holder's passkey to a file that pyHanko calls valid.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::test::TestRequest;
use base64ct::{Base64UrlUnpadded as B64, Encoding};
use domain::audit::action;
use hsm_bridge::{KeyLabel, KeyStore, Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fixture::{Answer, Authority, public_key, written};
use super::judges;

const ORIGIN: &str = "https://id.example";
const RP_ID: &str = "id.example";
const PASSKEY: &[u8] = b"passkey-of-the-holder";

/// A page with nothing on it.
fn pdf() -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>",
    ];
    let mut file = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = "0000000000 65535 f \n".to_owned();
    for (number, object) in (1..).zip(objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    let start = file.len();
    let trailer = format!(
        "xref\n0 4\n{table}trailer\n<</Size 4/Root 1 0 R/ID[<00112233445566778899aabbccddeeff>\
         <00112233445566778899aabbccddeeff>]>>\nstartxref\n{start}\n%%EOF\n"
    );
    file.extend_from_slice(trailer.as_bytes());
    file
}

struct Holder {
    authority: Authority,
    passkey: Arc<dyn Signer>,
    credential: Value,
    counter: std::cell::Cell<u32>,
}

impl Holder {
    async fn new() -> Self {
        let authority = Authority::new().await;
        let passkey = authority.new_key("test/passkey");
        let body = json!({
            "holder": {
                "name": "Chan Dara", "given_name": "Dara", "family_name": "Chan",
                "organization": "General Department of Taxation",
                "organization_identifier": "NTRKH-L001100000",
            },
            "activation": {
                "credential_id": B64::encode_string(PASSKEY),
                "public_key": public_key(&*passkey),
                "rp_id": RP_ID,
                "origin": ORIGIN,
            },
        });
        let request = || {
            authority
                .post("idp", "/credentials", &body)
                .insert_header(("Idempotency-Key", "dara"))
        };
        let made = authority.send(request()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let again = authority.send(request()).await;
        assert_eq!(
            again.json(),
            made.json(),
            "the same key, the same credential"
        );
        let credential = made.json();
        Self {
            authority,
            passkey,
            credential,
            counter: std::cell::Cell::new(0),
        }
    }

    async fn prepare(&self, level: &str) -> Answer {
        let id = self.credential["id"].as_str().expect("an id");
        let uri = format!(
            "/api/v1/documents?credential={id}&level={level}&reason=Approved&location=Phnom%20Penh"
        );
        let request = TestRequest::post()
            .uri(&uri)
            .insert_header((AUTHORIZATION, self.authority.bearer("idp")))
            .insert_header((CONTENT_TYPE, "application/pdf"))
            .set_payload(pdf());
        self.authority.send(request).await
    }

    /// An assertion over a challenge, as the holder's browser would send it.
    fn assertion(&self, challenge: &str) -> Value {
        self.counter.set(self.counter.get() + 1);
        let client_data = json!({
            "type": "webauthn.get", "challenge": challenge, "origin": ORIGIN, "crossOrigin": false,
        })
        .to_string();
        let mut data = Sha256::digest(RP_ID.as_bytes()).to_vec();
        data.push(0x05);
        data.extend_from_slice(&self.counter.get().to_be_bytes());
        let message = [
            data.clone(),
            Sha256::digest(client_data.as_bytes()).to_vec(),
        ]
        .concat();
        json!({
            "credential_id": B64::encode_string(PASSKEY),
            "client_data_json": B64::encode_string(client_data.as_bytes()),
            "authenticator_data": B64::encode_string(&data),
            "signature": B64::encode_string(&self.passkey.sign(&message).expect("a signature")),
        })
    }

    async fn sign(&self, prepared: &Value, assertion: &Value) -> Answer {
        let path = format!(
            "/documents/{}/signature",
            prepared["id"].as_str().expect("an id")
        );
        self.authority
            .send(self.authority.post("idp", &path, assertion))
            .await
    }
}

#[actix_web::test]
async fn a_signed_pdf_is_valid_for_pyhanko_and_one_changed_byte_is_not() {
    let holder = Holder::new().await;
    for level in ["b-b", "b-t"] {
        let prepared = holder.prepare(level).await;
        assert_eq!(prepared.status, StatusCode::CREATED, "{}", prepared.text());
        let prepared = prepared.json();
        assert_eq!(
            prepared["digest"],
            crate::hex::encode(&Sha256::digest(pdf()))
        );
        let assertion = holder.assertion(prepared["challenge"].as_str().expect("a challenge"));
        let signed = holder.sign(&prepared, &assertion).await;
        assert_eq!(signed.status, StatusCode::OK, "{}", signed.text());
        assert_eq!(signed.content_type, "application/pdf");
        assert!(
            signed.body.starts_with(&pdf()),
            "nothing before the signature was rewritten"
        );
        let twice = holder.sign(&prepared, &assertion).await;
        twice.assert_problem(410, "gone");
        judge(&holder, level, &signed.body);
    }
    assert_eq!(
        holder.authority.audited(action::CA_DOCUMENT_SIGNED).await,
        2
    );
    assert_eq!(
        holder
            .authority
            .audited(action::CA_DOCUMENT_AUTHORISED)
            .await,
        2
    );
}

fn judge(holder: &Holder, level: &str, signed: &[u8]) {
    let signatures = ades::pades::signatures(signed).expect("readable");
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].signer_name.as_deref(), Some("Chan Dara"));
    assert_eq!(signatures[0].reason.as_deref(), Some("Approved"));
    let Some(pyhanko) = judges::find("pyhanko") else {
        return;
    };
    let held = &holder.authority.held;
    let directory = held.directory.path();
    let mut changed = signed.to_vec();
    let at = changed
        .windows(9)
        .position(|window| window == b"/MediaBox")
        .expect("a page");
    changed[at + 12] ^= 1;
    for (name, bytes, expected) in [("signed", signed, true), ("changed", &changed, false)] {
        let file = written(directory, &format!("{level}-{name}.pdf"), bytes);
        let root = held.file("certificates/ca-root-g1.pem");
        let issuer = held.file("certificates/ca-persons-g1.pem");
        let arguments = [
            "sign",
            "validate",
            "--no-revocation-check",
            "--trust",
            &root,
            "--other-certs",
            &issuer,
            "--pretty-print",
            &file,
        ];
        let (content, said) = judges::run(&pyhanko, &arguments);
        assert_eq!(content, expected, "{level} {name}: {said}");
    }
}

#[actix_web::test]
async fn an_assertion_over_anything_else_signs_nothing() {
    let holder = Holder::new().await;
    let first = holder.prepare("b-b").await.json();
    let second = holder.prepare("b-b").await.json();
    assert_ne!(first["challenge"], second["challenge"]);
    let for_first = holder.assertion(first["challenge"].as_str().expect("a challenge"));
    holder
        .sign(&second, &for_first)
        .await
        .assert_problem(403, "proof-refused");
    let mut spoiled = for_first.clone();
    spoiled["signature"] = B64::encode_string(b"no signature").into();
    holder
        .sign(&first, &spoiled)
        .await
        .assert_problem(403, "proof-refused");
    let mut foreign = for_first.clone();
    foreign["credential_id"] = B64::encode_string(b"another").into();
    holder
        .sign(&first, &foreign)
        .await
        .assert_problem(403, "proof-refused");
    assert_eq!(
        holder.authority.audited(action::CA_DOCUMENT_REFUSED).await,
        3
    );
    assert_eq!(holder.sign(&first, &for_first).await.status, StatusCode::OK);
    holder
        .sign(&second, &for_first)
        .await
        .assert_problem(403, "proof-refused");
}

#[actix_web::test]
async fn a_counter_that_does_not_grow_is_refused() {
    let holder = Holder::new().await;
    let first = holder.prepare("b-b").await.json();
    let assertion = holder.assertion(first["challenge"].as_str().expect("a challenge"));
    assert_eq!(holder.sign(&first, &assertion).await.status, StatusCode::OK);
    let second = holder.prepare("b-b").await.json();
    holder.counter.set(0);
    let assertion = holder.assertion(second["challenge"].as_str().expect("a challenge"));
    holder
        .sign(&second, &assertion)
        .await
        .assert_problem(403, "proof-refused");
}

#[actix_web::test]
async fn a_document_waits_five_minutes_and_no_longer() {
    let holder = Holder::new().await;
    let prepared = holder.prepare("b-b").await.json();
    let assertion = holder.assertion(prepared["challenge"].as_str().expect("a challenge"));
    holder.authority.clock.advance(Duration::from_mins(5));
    holder
        .sign(&prepared, &assertion)
        .await
        .assert_problem(410, "gone");
    assert_eq!(
        crate::cleaning::documents(&holder.authority.app)
            .await
            .expect("cleaned"),
        1
    );
    assert_eq!(
        crate::cleaning::documents(&holder.authority.app)
            .await
            .expect("cleaned"),
        0
    );
    let id = prepared["id"].as_str().expect("an id").to_owned();
    let row = holder
        .authority
        .app
        .store
        .read(move |r| r.find_document(&id))
        .await
        .unwrap();
    assert_eq!(row.expect("a row").bytes, None);
}

#[actix_web::test]
async fn a_revoked_credential_signs_nothing_any_more() {
    let holder = Holder::new().await;
    let prepared = holder.prepare("b-b").await.json();
    let assertion = holder.assertion(prepared["challenge"].as_str().expect("a challenge"));
    let serial = holder.credential["serial"]
        .as_str()
        .expect("a serial number");
    let path = format!("/certificates/{serial}/revocation");
    let body = json!({ "reason": "privilegeWithdrawn" });
    let revoked = holder
        .authority
        .send(holder.authority.post("idp", &path, &body))
        .await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.text());
    holder
        .sign(&prepared, &assertion)
        .await
        .assert_problem(409, "conflict");
    holder.prepare("b-b").await.assert_problem(409, "conflict");
}

#[actix_web::test]
async fn without_a_time_stamp_there_is_no_signature_of_a_lower_level() {
    let holder = Holder::new().await;
    let prepared = holder.prepare("b-t").await.json();
    let label = KeyLabel::parse("tsa/main/g1").expect("a label");
    let token = &holder.authority.token;
    let key = token.find(&label).expect("a search").expect("a key");
    token.destroy(key).expect("destroyed");
    let assertion = holder.assertion(prepared["challenge"].as_str().expect("a challenge"));
    let answer = holder.sign(&prepared, &assertion).await;
    answer.assert_problem(503, "unavailable");
    assert_eq!(
        holder.authority.audited(action::CA_DOCUMENT_SIGNED).await,
        0
    );
    holder
        .sign(&prepared, &assertion)
        .await
        .assert_problem(410, "gone");
}

#[actix_web::test]
async fn files_that_are_no_pdf_and_too_many_at_once_are_refused() {
    let holder = Holder::new().await;
    let id = holder.credential["id"].as_str().expect("an id");
    let send = |body: Vec<u8>, kind: &'static str, uri: String| {
        let request = TestRequest::post()
            .uri(&uri)
            .insert_header((AUTHORIZATION, holder.authority.bearer("idp")))
            .insert_header((CONTENT_TYPE, kind))
            .set_payload(body);
        holder.authority.send(request)
    };
    let uri = format!("/api/v1/documents?credential={id}&level=b-b");
    let bad = send(b"%PDF-1.7 nothing".to_vec(), "application/pdf", uri.clone()).await;
    bad.assert_problem(422, "document-refused");
    let bad = send(pdf(), "text/plain", uri.clone()).await;
    bad.assert_problem(415, "unsupported-media-type");
    let other = "/api/v1/documents?credential=018f0000-0000-7000-8000-000000000000&level=b-b";
    send(pdf(), "application/pdf", other.to_owned())
        .await
        .assert_problem(404, "not-found");
    for _ in 0..holder.authority.app.config.signing.max_waiting_documents {
        assert_eq!(holder.prepare("b-b").await.status, StatusCode::CREATED);
    }
    holder.prepare("b-b").await.assert_problem(409, "conflict");
}
