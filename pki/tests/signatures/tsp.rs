//! Time-stamps: our authority against OpenSSL's client and our own.

use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use pki::cms::DigestAlgorithm;
use pki::oid::Oid;
use pki::serial::SerialNumber;
use pki::tsp::{
    Accuracy, MessageImprint, PkiFailureInfo, Settings, TimeStampRequest, TimeStamper, TspError,
    verify_response,
};
use proptest::prelude::*;

use crate::fixture::{Desk, Entity, Pki, TIME_STAMPING};

const DATA: &[u8] = b"the letter";

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn settings() -> Settings {
    let accuracy = Accuracy {
        seconds: 1,
        millis: 500,
        micros: 0,
    };
    Settings {
        policy: oid("2.999.2.1"),
        accuracy,
        ordering: false,
    }
}

fn authority(pki: &Pki, scheme: SignatureScheme) -> (Entity, TimeStamper) {
    let entity = pki.entity("Time", 7, scheme, Some(TIME_STAMPING));
    let chain = vec![pki.root.certificate.clone()];
    let stamper = TimeStamper::new(entity.certificate.clone(), chain, settings()).unwrap();
    (entity, stamper)
}

fn serial() -> SerialNumber {
    SerialNumber::new(0x41, &[0xab; 16]).unwrap()
}

fn now() -> jiff::Timestamp {
    "2026-11-22T05:06:07.120Z".parse().unwrap()
}

fn request(digest: DigestAlgorithm) -> TimeStampRequest {
    let imprint = MessageImprint::new(digest, &digest.digest(&[DATA])).unwrap();
    TimeStampRequest::new(imprint, [0; 16])
}

#[test]
fn openssl_accepts_our_tokens() {
    let pki = Pki::new();
    let (entity, stamper) = authority(&pki, SignatureScheme::EcdsaP256Sha256);
    for hash in ["-sha256", "-sha384", "-sha512"] {
        for extra in [
            &["-cert"][..],
            &["-cert", "-no_nonce"],
            &["-cert", "-tspolicy", "2.999.2.1"],
        ] {
            let desk = Desk::new();
            desk.put("data", DATA);
            desk.put("other", b"other");
            desk.put("root.pem", pki.root.certificate.pem().unwrap());
            let mut query = vec!["ts", "-query", "-data", "data", hash, "-out", "q.tsq"];
            query.extend(extra);
            if desk.openssl_agrees(&query).is_none() {
                return;
            }
            let asked = std::fs::read(desk.path("q.tsq")).unwrap();
            let asked = TimeStampRequest::parse(&asked).unwrap();
            let response = stamper
                .respond(&asked, &serial(), now(), &*entity.signer)
                .unwrap();
            desk.put("r.tsr", &response);
            let verify = [
                "ts",
                "-verify",
                "-in",
                "r.tsr",
                "-CAfile",
                "root.pem",
                "-queryfile",
            ];
            let said = desk
                .openssl_agrees(&[&verify[..], &["q.tsq"]].concat())
                .unwrap();
            assert!(said.contains("Verification: OK"), "{said}");
            desk.openssl_refuses(&[
                "ts", "-verify", "-in", "r.tsr", "-CAfile", "root.pem", "-data", "other",
            ]);
            let text = desk
                .openssl_agrees(&["ts", "-reply", "-in", "r.tsr", "-text"])
                .unwrap();
            assert!(text.contains("05:06:07.12 2026 GMT"), "{text}");
            assert!(text.contains("0x01 seconds, 0x01F4 millis"), "{text}");
        }
    }
}

#[test]
fn every_scheme_stamps() {
    for scheme in SignatureScheme::ALL {
        let (entity, stamper) = authority(&Pki::new(), scheme);
        let asked = request(DigestAlgorithm::Sha256);
        let response = stamper
            .respond(&asked, &serial(), now(), &*entity.signer)
            .unwrap();
        let token = verify_response(&response, &asked, &OpenSslVerifier).unwrap();
        assert_eq!(token.gen_time, now());
        assert_eq!(token.policy, oid("2.999.2.1"));
        assert_eq!(token.certificates().len(), 2);
    }
}

#[test]
fn a_client_notices_every_difference() {
    let pki = Pki::new();
    let (entity, stamper) = authority(&pki, SignatureScheme::EcdsaP256Sha256);
    let asked = request(DigestAlgorithm::Sha256);
    let response = stamper
        .respond(&asked, &serial(), now(), &*entity.signer)
        .unwrap();
    let refused = |asked: &TimeStampRequest| {
        matches!(
            verify_response(&response, asked, &OpenSslVerifier),
            Err(TspError::Mismatch(_))
        )
    };
    let imprint = MessageImprint::new(DigestAlgorithm::Sha256, &[7; 32]).unwrap();
    assert!(refused(&TimeStampRequest {
        imprint,
        ..asked.clone()
    }));
    assert!(refused(&TimeStampRequest {
        nonce: None,
        ..asked.clone()
    }));
    let policy = Some(oid("2.999.9"));
    assert!(refused(&TimeStampRequest {
        policy,
        ..asked.clone()
    }));
    let without = TimeStampRequest {
        cert_req: false,
        ..asked.clone()
    };
    let bare = stamper
        .respond(&without, &serial(), now(), &*entity.signer)
        .unwrap();
    assert!(bare.len() < response.len());
    assert!(verify_response(&bare, &without, &OpenSslVerifier).is_err());
}

#[test]
fn what_cannot_be_served_is_said_in_the_protocols_form() {
    let pki = Pki::new();
    let (entity, stamper) = authority(&pki, SignatureScheme::EcdsaP256Sha256);
    let failure = |der: &[u8]| TimeStampRequest::parse(der).unwrap_err().failure;
    assert_eq!(failure(b"x"), PkiFailureInfo::BadDataFormat);
    assert_eq!(failure(&vec![0x30; 5000]), PkiFailureInfo::BadDataFormat);
    let good = request(DigestAlgorithm::Sha256).to_der().unwrap();
    let mut version = good.clone();
    version[if good[1] < 0x80 { 4 } else { 5 }] = 2;
    assert_eq!(failure(&version), PkiFailureInfo::BadRequest);

    let policy = Some(oid("2.999.9"));
    let other = TimeStampRequest {
        policy,
        ..request(DigestAlgorithm::Sha256)
    };
    let error = stamper
        .respond(&other, &serial(), now(), &*entity.signer)
        .unwrap_err();
    assert_eq!(error.rejection().failure, PkiFailureInfo::UnacceptedPolicy);

    let desk = Desk::new();
    desk.put("data", DATA);
    desk.put("r.tsr", error.rejection().to_response().unwrap());
    let Some((_, said)) = crate::fixture::judge(
        desk.path("").as_path(),
        "openssl",
        &["ts", "-reply", "-in", "r.tsr", "-text"],
    ) else {
        return;
    };
    assert!(
        said.contains("the requested TSA policy is not supported"),
        "{said}"
    );
    desk.openssl_agrees(&["ts", "-query", "-data", "data", "-sha1", "-out", "weak.tsq"]);
    let weak = std::fs::read(desk.path("weak.tsq")).unwrap();
    assert_eq!(failure(&weak), PkiFailureInfo::BadAlg);
}

#[test]
fn only_a_time_stamping_certificate_makes_an_authority() {
    let pki = Pki::new();
    let entity = pki.entity("Not Time", 9, SignatureScheme::EcdsaP256Sha256, None);
    let made = TimeStamper::new(entity.certificate.clone(), Vec::new(), settings());
    assert!(matches!(made, Err(TspError::Certificate)));
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = TimeStampRequest::parse(&bytes);
        let _ = pki::tsp::TimeStampToken::parse(&bytes);
        let asked = request(DigestAlgorithm::Sha256);
        prop_assert!(verify_response(&bytes, &asked, &OpenSslVerifier).is_err());
    }

    #[test]
    fn mutated_requests_never_panic(position in 0usize..70, byte in any::<u8>()) {
        let mut der = request(DigestAlgorithm::Sha256).to_der().unwrap();
        if let Some(place) = der.get_mut(position) {
            *place = byte;
        }
        if let Ok(parsed) = TimeStampRequest::parse(&der) {
            prop_assert_eq!(parsed.imprint.hash.len(), parsed.imprint.digest.length());
        }
    }
}
