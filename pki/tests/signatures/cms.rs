//! SignedData: ours verifies here and at OpenSSL (with its CAdES checks); theirs verifies here.

use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use pki::cms::{self, CmsError, Content, DigestAlgorithm, ID_DATA, Signed, SignedData};
use proptest::prelude::*;

use crate::fixture::{Desk, Entity, Pki};

const TEXT: &[u8] = b"Rice is planted in the rain.\n";

fn sign(entity: &Entity, content: Content<'_>, at: Option<jiff::Timestamp>) -> Vec<u8> {
    let prepared = cms::prepare(&cms::Options {
        content_type: ID_DATA,
        content,
        scheme: entity.signer.scheme(),
        signer: &entity.certificate,
        embed_certificates: true,
        chain: &[],
        signing_time: at,
    })
    .unwrap();
    // What waits in a database comes back the same.
    let stored = serde_json::to_vec(&prepared).unwrap();
    let prepared: cms::Prepared = serde_json::from_slice(&stored).unwrap();
    let signature = entity.signer.sign(prepared.signed_attributes()).unwrap();
    prepared.check(&signature, &OpenSslVerifier).unwrap();
    prepared.finish(&signature, None).unwrap()
}

fn digest(scheme: SignatureScheme) -> Vec<u8> {
    DigestAlgorithm::of(scheme).unwrap().digest(&[TEXT])
}

#[test]
fn every_scheme_verifies_here_and_at_openssl() {
    let pki = Pki::new();
    for (serial, scheme) in (10..).zip(SignatureScheme::ALL) {
        let entity = pki.entity("Official", serial, scheme, None);
        let der = sign(&entity, Content::Detached(&digest(scheme)), None);
        let parsed = SignedData::parse(&der).unwrap();
        let signers = parsed.verify(
            Signed::Detached(&[&TEXT[..7], &TEXT[7..]]),
            &OpenSslVerifier,
        );
        let signers = signers.unwrap();
        assert_eq!(signers[0].certificate, &entity.certificate);
        assert_eq!(signers[0].scheme, scheme);
        assert_eq!(signers[0].info.signing_time().unwrap(), None);
        let changed = parsed.verify(Signed::Detached(&[b"Rice"]), &OpenSslVerifier);
        assert!(matches!(changed, Err(CmsError::Digest)));

        let desk = Desk::new();
        desk.put("sig.der", &der);
        desk.put("text", TEXT);
        desk.put("other", b"other");
        desk.put("root.pem", pki.root.certificate.pem().unwrap());
        let mut arguments = vec![
            "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "sig.der", "-CAfile",
            "root.pem", "-purpose", "any", "-content",
        ];
        arguments.push("other");
        desk.openssl_refuses(&arguments);
        arguments.pop();
        arguments.push("text");
        // OpenSSL 3.0 gives no digest for Ed25519 in CMS; newer ones do.
        if scheme != SignatureScheme::Ed25519 {
            let said = desk.openssl_agrees(&arguments);
            assert!(said.is_none_or(|said| said.contains("CAdES Verification successful")));
        }
    }
}

#[test]
fn attached_content_and_signing_time_come_back() {
    let pki = Pki::new();
    let entity = pki.entity("Official", 2, SignatureScheme::EcdsaP256Sha256, None);
    let at: jiff::Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
    let der = sign(&entity, Content::Attached(TEXT), Some(at));
    let parsed = SignedData::parse(&der).unwrap();
    assert_eq!(parsed.content.as_deref(), Some(TEXT));
    let signers = parsed.verify(Signed::Attached, &OpenSslVerifier).unwrap();
    assert_eq!(signers[0].info.signing_time().unwrap(), Some(at));
    assert!(
        parsed
            .verify(Signed::Detached(&[TEXT]), &OpenSslVerifier)
            .is_err()
    );
}

#[test]
fn openssl_signatures_verify_here() {
    let desk = Desk::new();
    desk.put("text", TEXT);
    let made = desk.openssl_agrees(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=Judge",
        "-days",
        "30",
    ]);
    if made.is_none() {
        return;
    }
    desk.openssl_agrees(&[
        "cms", "-sign", "-cades", "-binary", "-md", "sha256", "-in", "text", "-signer", "cert.pem",
        "-inkey", "key.pem", "-outform", "DER", "-out", "sig.der",
    ]);
    let der = std::fs::read(desk.path("sig.der")).unwrap();
    let parsed = SignedData::parse(&der).unwrap();
    let signers = parsed
        .verify(Signed::Detached(&[TEXT]), &OpenSslVerifier)
        .unwrap();
    assert_eq!(signers.len(), 1);
    assert!(signers[0].info.signing_time().unwrap().is_some());
}

#[test]
fn a_scheme_that_does_not_fit_the_key_is_refused() {
    let pki = Pki::new();
    let entity = pki.entity("Official", 3, SignatureScheme::EcdsaP256Sha256, None);
    let options = |scheme, hash| cms::Options {
        content_type: ID_DATA,
        content: Content::Detached(hash),
        scheme,
        signer: &entity.certificate,
        embed_certificates: true,
        chain: &[],
        signing_time: None,
    };
    let wrong = cms::prepare(&options(SignatureScheme::RsaPkcs1Sha256, &[0; 32]));
    assert!(matches!(wrong, Err(CmsError::Scheme)));
    let short = cms::prepare(&options(SignatureScheme::EcdsaP256Sha256, &[0; 31]));
    assert!(matches!(short, Err(CmsError::Digest)));
}

#[test]
fn no_changed_byte_verifies() {
    let pki = Pki::new();
    let entity = pki.entity("Official", 4, SignatureScheme::EcdsaP256Sha256, None);
    let der = sign(
        &entity,
        Content::Detached(&digest(entity.signer.scheme())),
        None,
    );
    for position in 0..der.len() {
        let mut changed = der.clone();
        changed[position] ^= 1;
        let Ok(parsed) = SignedData::parse(&changed) else {
            continue;
        };
        let verdict = parsed.verify(Signed::Detached(&[TEXT]), &OpenSslVerifier);
        assert!(verdict.is_err(), "byte {position}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = SignedData::parse(&bytes);
    }
}
