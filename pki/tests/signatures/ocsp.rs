//! OCSP: OpenSSL asks and judges, we answer; and every way in which requests come over GET.

use der::{Decode, Encode};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use jiff::{SignedDuration, Timestamp};
use pki::Certificate;
use pki::ocsp::{
    CertId, CertIdHash, CertStatus, IssuerHashes, MAX_NONCE_BYTES, Nonce, OcspError,
    OcspResponseStatus, Request, RequestBuilder, ResponseBuilder, SingleResponse, error_response,
    parse_response,
};
use proptest::prelude::*;
use x509_cert::ext::pkix::CrlReason;

use crate::fixture::{Desk, Entity, Pki, judge};

const OCSP_SIGNING: der::oid::ObjectIdentifier =
    der::oid::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");

struct Scene {
    pki: Pki,
    responder: Entity,
    citizen: Entity,
}

fn scene() -> Scene {
    let pki = Pki::new();
    let scheme = SignatureScheme::EcdsaP256Sha256;
    let responder = pki.entity("Status", 5, scheme, Some(OCSP_SIGNING));
    let citizen = pki.entity("Citizen", 6, scheme, None);
    Scene {
        pki,
        responder,
        citizen,
    }
}

/// The judges compare with the real clock, so the answers are as of the real now.
#[expect(
    clippy::disallowed_methods,
    reason = "OpenSSL checks freshness against the real clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn answer(request: &Request, status: CertStatus, scene: &Scene) -> Vec<u8> {
    let mut builder = ResponseBuilder::new(&scene.responder.certificate, now());
    for cert_id in &request.cert_ids {
        builder = builder.single(SingleResponse {
            cert_id: cert_id.clone(),
            status,
            this_update: now() - SignedDuration::from_mins(1),
            next_update: Some(now() + SignedDuration::from_hours(1)),
            archive_cutoff: None,
        });
    }
    let certificates = [scene.responder.certificate.clone()];
    builder
        .nonce(request.nonce.clone())
        .sign(&*scene.responder.signer, &certificates)
        .unwrap()
}

fn id(scene: &Scene, hash: CertIdHash, certificate: &Certificate) -> CertId {
    CertId::new(
        hash,
        &scene.pki.root.certificate,
        &certificate.serial().unwrap(),
    )
    .unwrap()
}

#[test]
fn openssl_asks_and_accepts_every_answer() {
    let scene = scene();
    let at = now() - SignedDuration::from_hours(5);
    let revoked = CertStatus::Revoked {
        at,
        reason: Some(CrlReason::KeyCompromise),
    };
    let cases = [
        (CertStatus::Good, "citizen.pem: good"),
        (revoked, "citizen.pem: revoked"),
        (CertStatus::Unknown, "citizen.pem: unknown"),
        (CertStatus::NotIssued, "Reason: certificateHold"),
    ];
    for hash in ["-sha1", "-sha256"] {
        for (status, said_of_it) in cases {
            let desk = Desk::new();
            desk.put("root.pem", scene.pki.root.certificate.pem().unwrap());
            desk.put("citizen.pem", scene.citizen.certificate.pem().unwrap());
            let asks = [
                "ocsp",
                "-issuer",
                "root.pem",
                hash,
                "-cert",
                "citizen.pem",
                "-reqout",
                "req.der",
            ];
            if desk.openssl_agrees(&asks).is_none() {
                return;
            }
            let request = Request::parse(&std::fs::read(desk.path("req.der")).unwrap()).unwrap();
            assert!(request.nonce.is_some());
            let hashes = IssuerHashes::of(&scene.pki.root.certificate).unwrap();
            assert!(request.cert_ids[0].is_of(&hashes));
            let serial = scene.citizen.certificate.serial().unwrap();
            assert_eq!(request.cert_ids[0].serial(), Some(serial));
            desk.put("resp.der", answer(&request, status, &scene));
            let said = desk.openssl_agrees(&[
                "ocsp",
                "-no_nonce",
                "-issuer",
                "root.pem",
                hash,
                "-cert",
                "citizen.pem",
                "-reqin",
                "req.der",
                "-respin",
                "resp.der",
                "-CAfile",
                "root.pem",
            ]);
            let said = said.unwrap();
            assert!(said.contains("Response verify OK"), "{said}");
            assert!(said.contains(said_of_it), "{said}");
            assert!(!said.contains("WARNING"), "{said}");
            let lint = [
                "lint",
                "-s",
                "WARNING",
                "--document-format",
                "DER",
                "resp.der",
            ];
            if let Some((ok, said)) = judge(&desk.path(""), "lint_ocsp_response", &lint) {
                assert!(ok, "pkilint\n{said}");
            }
        }
    }
}

#[test]
fn our_reader_agrees_and_refuses_the_wrong_signer() {
    let scene = scene();
    let nonce = Nonce::new(vec![7; 32]).unwrap();
    let request = RequestBuilder::new()
        .cert_id(id(&scene, CertIdHash::Sha256, &scene.citizen.certificate))
        .cert_id(id(&scene, CertIdHash::Sha1, &scene.responder.certificate))
        .nonce(nonce.clone());
    let request = Request::parse(&request.to_der().unwrap()).unwrap();
    let der = answer(&request, CertStatus::NotIssued, &scene);
    let response = parse_response(&der).unwrap();
    let root = &scene.pki.root.certificate;
    response.verify(root, now(), &OpenSslVerifier).unwrap();
    assert_eq!(response.nonce, Some(nonce));
    assert!(response.extended_revoke);
    assert_eq!(response.singles.len(), 2);
    assert_eq!(response.singles[1].cert_id, request.cert_ids[1]);
    let hold = Some(CrlReason::CertificateHold);
    let expected = CertStatus::Revoked {
        at: Timestamp::UNIX_EPOCH,
        reason: hold,
    };
    assert_eq!(response.singles[0].status, expected);

    let stranger = Pki::new();
    assert!(
        response
            .verify(&stranger.root.certificate, now(), &OpenSslVerifier)
            .is_err()
    );
    let later = "2046-01-01T00:00:00Z".parse().unwrap();
    let expired = response.verify(root, later, &OpenSslVerifier);
    assert!(matches!(expired, Err(OcspError::Signer("not valid now"))));
    // A certificate without the OCSP usage is no responder, though the CA issued it.
    let impostor = ResponseBuilder::new(&scene.citizen.certificate, now())
        .single(SingleResponse {
            cert_id: request.cert_ids[0].clone(),
            status: CertStatus::Good,
            this_update: now(),
            next_update: None,
            archive_cutoff: Some(now()),
        })
        .sign(
            &*scene.citizen.signer,
            std::slice::from_ref(&scene.citizen.certificate),
        )
        .unwrap();
    let refused = parse_response(&impostor)
        .unwrap()
        .verify(root, now(), &OpenSslVerifier);
    assert!(matches!(refused, Err(OcspError::Signer(_))));
}

#[test]
fn get_paths_come_in_many_spellings() {
    let scene = scene();
    let ids: Vec<CertId> = (0..40)
        .map(|n| {
            let serial = pki::serial::SerialNumber::new(1 + n, &[0xfb ^ n; 16]).unwrap();
            CertId::new(CertIdHash::Sha1, &scene.pki.root.certificate, &serial).unwrap()
        })
        .collect();
    let mut special = 0;
    for id in ids {
        let request = RequestBuilder::new().cert_id(id);
        let der = request.to_der().unwrap();
        let parsed = Request::parse(&der).unwrap();
        let plain = base64(&der);
        let encoded = plain
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        let lower = encoded.replace("%2B", "%2b").replace("%2F", "%2f");
        let spellings = [
            plain.clone(),
            encoded,
            lower,
            plain.trim_end_matches('=').to_owned(),
            plain.replace('+', "-").replace('/', "_"),
            plain.replace('+', " "),
            plain.replace('+', "%20"),
            format!("/{plain}"),
            format!("//{plain}"),
        ];
        for spelling in spellings {
            assert_eq!(
                Request::parse_path(&spelling).unwrap(),
                parsed,
                "{spelling}"
            );
        }
        special += usize::from(plain.contains("//") || plain.contains('+'));
    }
    assert!(special > 5, "the spellings must have been needed");
    for wrong in ["", "/", "%", "%2", "%zz", "MF", "MFEw!", "é", "%ff%ff"] {
        assert!(Request::parse_path(wrong).is_err(), "{wrong}");
    }
    let long = "M".repeat(3000);
    assert!(matches!(
        Request::parse_path(&long),
        Err(OcspError::TooLarge(_))
    ));
}

#[test]
fn nonces_have_one_to_128_bytes() {
    assert!(Nonce::new(vec![]).is_err());
    assert!(Nonce::new(vec![0; MAX_NONCE_BYTES + 1]).is_err());
    let scene = scene();
    for length in [1, 32, MAX_NONCE_BYTES] {
        let nonce = Nonce::new(vec![9; length]).unwrap();
        let request = RequestBuilder::new()
            .cert_id(id(&scene, CertIdHash::Sha1, &scene.citizen.certificate))
            .nonce(nonce.clone());
        let parsed = Request::parse(&request.to_der().unwrap()).unwrap();
        assert_eq!(parsed.nonce, Some(nonce));
    }
}

#[test]
fn errors_are_five_bytes_and_read_as_themselves() {
    for status in [
        OcspResponseStatus::MalformedRequest,
        OcspResponseStatus::InternalError,
        OcspResponseStatus::TryLater,
        OcspResponseStatus::SigRequired,
        OcspResponseStatus::Unauthorized,
    ] {
        let der = error_response(status);
        assert_eq!(der.len(), 5);
        let read = parse_response(&der);
        assert!(matches!(read, Err(OcspError::NotSuccessful(s)) if s == status));
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding;
    base64ct::Base64::encode_string(bytes)
}

fn any_request() -> Vec<u8> {
    // Hashes and serial are of no known issuer: the shape is what mutations start from.
    let cert_id = [
        &[0x30, 0x4d, 0x30, 0x0d, 0x06, 0x09][..],
        &[
            0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        ],
        &[0x04, 0x20],
        &[1; 32],
        &[0x04, 0x1a],
        &[2; 26],
    ]
    .concat();
    [&[0x30, 0x53, 0x30, 0x51, 0x30, 0x4f], cert_id.as_slice()].concat()
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        let _ = Request::parse(&bytes);
        let _ = Request::parse_path(&text);
        let _ = parse_response(&bytes);
        let _ = CertId::parse(&bytes);
    }

    #[test]
    fn mutations_never_panic(changes in proptest::collection::vec((0usize..90, any::<u8>()), 1..6)) {
        let mut der = any_request();
        for (position, byte) in changes {
            if let Some(place) = der.get_mut(position) {
                *place = byte;
            }
        }
        let _ = Request::parse(&der);
    }

    #[test]
    fn a_cert_id_is_repeated_byte_for_byte(serial in proptest::collection::vec(any::<u8>(), 1..19), null in any::<bool>()) {
        let algorithm = spki::AlgorithmIdentifierOwned {
            oid: der::oid::ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            parameters: null.then(der::Any::null),
        };
        let hash = der::asn1::OctetString::new(vec![3; 20]).unwrap();
        // A first octet of one keeps the INTEGER minimal, as DER wants it.
        let serial = der::asn1::Int::new(&[&[1], serial.as_slice()].concat()).unwrap();
        let body = [
            algorithm.to_der().unwrap(), hash.to_der().unwrap(), hash.to_der().unwrap(),
            serial.to_der().unwrap(),
        ].concat();
        let id = der::Any::new(der::Tag::Sequence, body).unwrap().to_der().unwrap();
        let cert_id = CertId::parse(&id).unwrap();
        prop_assert_eq!(cert_id.as_der(), id.as_slice());
        let request = RequestBuilder::new().cert_id(cert_id.clone()).to_der().unwrap();
        prop_assert_eq!(&Request::parse(&request).unwrap().cert_ids[0], &cert_id);
        prop_assert!(der::Any::from_der(&request).is_ok());
    }
}
