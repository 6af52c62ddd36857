//! Signing every shape of file, once and again, at both levels.

use ades::pades::{Coverage, Level, PadesError, Prepared, SignOptions, prepare, signatures};
use hsm_bridge::SignatureScheme;
use hsm_bridge::verify::OpenSslVerifier;
use pki::serial::SerialNumber;
use pki::tsp::{Accuracy, Settings, TimeStampRequest, TimeStamper};

use crate::fixture::{Entity, Pki, TIME_STAMPING};
use crate::{judges, samples};

pub(crate) fn options(entity: &Entity, level: Level) -> SignOptions {
    let at = "2026-11-22T05:06:07Z".parse().unwrap();
    let certificate = entity.certificate.clone();
    SignOptions {
        signer_name: Some("សុខ ដារា".to_owned()),
        reason: Some("Approved (final)".to_owned()),
        location: Some("Phnom Penh".to_owned()),
        ..SignOptions::new(certificate, Vec::new(), entity.signer.scheme(), level, at)
    }
}

/// Signs at B-B through the stored form, as a service does.
pub(crate) fn sign(pdf: &[u8], entity: &Entity, options: &SignOptions) -> Vec<u8> {
    let prepared = prepare(pdf, options).unwrap();
    let prepared = Prepared::decode(&prepared.encode().unwrap()).unwrap();
    let signature = entity.signer.sign(prepared.signed_attributes()).unwrap();
    prepared.check(&signature, &OpenSslVerifier).unwrap();
    prepared.finish(&signature, None).unwrap()
}

/// Signs at B-T with an authority of the same PKI.
pub(crate) fn sign_with_time(pdf: &[u8], entity: &Entity, authority: &Entity) -> Vec<u8> {
    let prepared = prepare(pdf, &options(entity, Level::BT)).unwrap();
    let signature = entity.signer.sign(prepared.signed_attributes()).unwrap();
    let token = token(&prepared, &signature, authority);
    prepared.finish(&signature, Some(&token)).unwrap()
}

fn token(prepared: &Prepared, signature: &[u8], authority: &Entity) -> Vec<u8> {
    let accuracy = Accuracy {
        seconds: 1,
        millis: 0,
        micros: 0,
    };
    let settings = Settings {
        policy: "2.999.2.1".parse().unwrap(),
        accuracy,
        ordering: false,
    };
    let certificate = authority.certificate.clone();
    let stamper = TimeStamper::new(certificate, Vec::new(), settings).unwrap();
    let imprint = prepared.time_stamp_imprint(signature).unwrap();
    let request = TimeStampRequest::new(imprint, [3; 16]);
    let serial = SerialNumber::new(0x41, &[0x17; 16]).unwrap();
    let now = "2026-11-22T05:06:08.250Z".parse().unwrap();
    stamper
        .issue(&request, &serial, now, &*authority.signer)
        .unwrap()
}

#[test]
fn every_shape_is_signed_twice_and_every_judge_agrees() {
    let pki = Pki::new();
    let first = pki.entity("First Official", 11, SignatureScheme::EcdsaP256Sha256, None);
    let second = pki.entity(
        "Second Official",
        12,
        SignatureScheme::EcdsaP256Sha256,
        None,
    );
    let root = pki.root.certificate.pem().unwrap();
    for (shape, pdf) in samples::all() {
        let once = sign(&pdf, &first, &options(&first, Level::BB));
        assert!(once.starts_with(&pdf), "{shape}: what was there must stay");
        let twice = sign(&once, &second, &options(&second, Level::BB));
        assert!(
            twice.starts_with(&once),
            "{shape}: the first signature must stay"
        );

        let found = signatures(&twice).unwrap();
        assert_eq!(found.len(), 2, "{shape}");
        assert_eq!(
            (found[0].field.as_str(), found[1].field.as_str()),
            ("Signature1", "Signature2")
        );
        assert_eq!(found[0].coverage, Coverage::Revision, "{shape}");
        assert_eq!(found[1].coverage, Coverage::WholeFile, "{shape}");
        assert_eq!(found[0].signer_name.as_deref(), Some("សុខ ដារា"));
        assert_eq!(found[0].reason.as_deref(), Some("Approved (final)"));
        assert_eq!(found[0].signed_at.as_deref(), Some("D:20261122050607Z"));
        for (signature, entity) in found.iter().zip([&first, &second]) {
            let verified = signature.verify(&twice, &OpenSslVerifier).unwrap();
            assert_eq!(verified.certificate, entity.certificate);
            assert!(verified.time_stamp.is_none());
        }
        judges::all_agree(shape, &twice, &root, 2);
    }
}

#[test]
fn linearised_and_compressed_files_are_signed() {
    let pki = Pki::new();
    let official = pki.entity("Official", 40, SignatureScheme::EcdsaP256Sha256, None);
    let root = pki.root.certificate.pem().unwrap();
    let shapes = ["table", "form and arrays apart"];
    for (shape, pdf) in samples::all()
        .into_iter()
        .filter(|(s, _)| shapes.contains(s))
    {
        for how in [&["--linearize"][..], &["--object-streams=generate"]] {
            let Some(pdf) = judges::rewritten(&pdf, how) else {
                return;
            };
            let what = format!("{shape} {how:?}");
            let once = sign(&pdf, &official, &options(&official, Level::BB));
            let twice = sign(&once, &official, &options(&official, Level::BB));
            let found = signatures(&twice).unwrap();
            assert_eq!(found.len(), 2, "{what}");
            assert_eq!(found[0].coverage, Coverage::Revision, "{what}");
            for signature in &found {
                signature.verify(&twice, &OpenSslVerifier).unwrap();
            }
            judges::all_agree(&what, &twice, &root, 2);
        }
    }
}

#[test]
fn every_scheme_signs() {
    let pki = Pki::new();
    let root = pki.root.certificate.pem().unwrap();
    let pdf = samples::letter(samples::Xref::Table, "", "", &[]);
    for (serial, scheme) in (20..).zip(SignatureScheme::ALL) {
        let entity = pki.entity("Official", serial, scheme, None);
        let signed = sign(&pdf, &entity, &options(&entity, Level::BB));
        let found = signatures(&signed).unwrap();
        let verified = found[0].verify(&signed, &OpenSslVerifier).unwrap();
        assert_eq!(verified.scheme, scheme);
        judges::pyhanko_agrees(&format!("{scheme:?}"), &signed, &root, 1);
    }
}

#[test]
fn a_time_stamp_makes_level_b_t() {
    let pki = Pki::new();
    let official = pki.entity("Official", 30, SignatureScheme::EcdsaP256Sha256, None);
    let authority = pki.entity(
        "Time",
        31,
        SignatureScheme::RsaPkcs1Sha256,
        Some(TIME_STAMPING),
    );
    let pdf = samples::letter(samples::Xref::Stream, "", "", &[]);
    let signed = sign_with_time(&pdf, &official, &authority);
    let found = signatures(&signed).unwrap();
    let verified = found[0].verify(&signed, &OpenSslVerifier).unwrap();
    let time_stamp = verified.time_stamp.unwrap();
    assert_eq!(
        time_stamp.gen_time,
        "2026-11-22T05:06:08.25Z".parse().unwrap()
    );
    assert_eq!(time_stamp.certificate, authority.certificate);
    let said = judges::all_agree("B-T", &signed, &pki.root.certificate.pem().unwrap(), 1);
    assert!(said.is_none_or(|said| said.contains("TIMESTAMP_TOKEN<INTACT:TRUSTED>")));
}

#[test]
fn a_promised_time_stamp_is_not_dropped_in_silence() {
    let pki = Pki::new();
    let official = pki.entity("Official", 32, SignatureScheme::EcdsaP256Sha256, None);
    let authority = pki.entity(
        "Time",
        33,
        SignatureScheme::EcdsaP256Sha256,
        Some(TIME_STAMPING),
    );
    let pdf = samples::letter(samples::Xref::Table, "", "", &[]);
    let prepared = prepare(&pdf, &options(&official, Level::BT)).unwrap();
    let signature = official.signer.sign(prepared.signed_attributes()).unwrap();
    let without = prepared.clone().finish(&signature, None);
    assert!(matches!(without, Err(PadesError::TimeStampMissing)));
    let other = token(&prepared, b"another signature", &authority);
    let swapped = prepared.finish(&signature, Some(&other));
    assert!(matches!(swapped, Err(PadesError::TimeStampMismatch)));
}

#[test]
fn too_little_space_is_said_before_signing() {
    let pki = Pki::new();
    let official = pki.entity("Official", 34, SignatureScheme::EcdsaP256Sha256, None);
    let authority = pki.entity(
        "Time",
        35,
        SignatureScheme::EcdsaP256Sha256,
        Some(TIME_STAMPING),
    );
    let pdf = samples::letter(samples::Xref::Table, "", "", &[]);
    let small = SignOptions {
        contents_bytes: Some(100),
        ..options(&official, Level::BB)
    };
    let refused = prepare(&pdf, &small);
    assert!(matches!(
        refused,
        Err(PadesError::ContentsTooSmall { available: 100, .. })
    ));
    // A token larger than announced fails without harm.
    let narrow = SignOptions {
        time_stamp_bytes: 64,
        ..options(&official, Level::BT)
    };
    let prepared = prepare(&pdf, &narrow).unwrap();
    let signature = official.signer.sign(prepared.signed_attributes()).unwrap();
    let token = token(&prepared, &signature, &authority);
    let refused = prepared.finish(&signature, Some(&token));
    assert!(matches!(refused, Err(PadesError::ContentsTooSmall { .. })));
}

#[test]
fn a_waiting_field_is_used_and_others_are_left_alone() {
    let pki = Pki::new();
    let official = pki.entity("Official", 36, SignatureScheme::EcdsaP256Sha256, None);
    let pdf = samples::with_waiting_field();
    let with = |name: &str| SignOptions {
        field_name: Some(name.to_owned()),
        ..options(&official, Level::BB)
    };
    for wrong in ["office", "a.b", ""] {
        assert!(prepare(&pdf, &with(wrong)).is_err(), "{wrong}");
    }
    let first = sign(&pdf, &official, &with("deputy"));
    let second = sign(&first, &official, &with("minister"));
    let again = prepare(&second, &with("minister"));
    assert!(matches!(again, Err(PadesError::Field(name)) if name == "minister"));
    let found = signatures(&second).unwrap();
    let fields: Vec<_> = found.iter().map(|s| s.field.as_str()).collect();
    assert_eq!(fields, ["deputy", "minister"]);
    assert_eq!(found[0].coverage, Coverage::Revision);
    for signature in &found {
        signature.verify(&second, &OpenSslVerifier).unwrap();
    }
    judges::all_agree(
        "waiting field",
        &second,
        &pki.root.certificate.pem().unwrap(),
        2,
    );
}

#[test]
fn preparing_twice_gives_the_same_bytes() {
    let pki = Pki::new();
    let official = pki.entity("Official", 37, SignatureScheme::EcdsaP256Sha256, None);
    for (shape, pdf) in samples::all() {
        let once = prepare(&pdf, &options(&official, Level::BT)).unwrap();
        let twice = prepare(&pdf, &options(&official, Level::BT)).unwrap();
        assert_eq!(once, twice, "{shape}");
        assert_eq!(once.digest(), twice.digest());
    }
}

#[test]
fn a_stored_signature_that_was_touched_is_refused() {
    let pki = Pki::new();
    let official = pki.entity("Official", 38, SignatureScheme::EcdsaP256Sha256, None);
    let pdf = samples::letter(samples::Xref::Table, "", "", &[]);
    let stored = prepare(&pdf, &options(&official, Level::BB))
        .unwrap()
        .encode()
        .unwrap();
    assert!(Prepared::decode(&stored).is_ok());
    let last = stored.len() - 1;
    for position in [0, 9, 20, last - 3, last] {
        let mut changed = stored.clone();
        changed[position] ^= 1;
        assert!(Prepared::decode(&changed).is_err(), "byte {position}");
    }
    for length in 0..60 {
        assert!(Prepared::decode(&stored[..length]).is_err());
    }
}

#[test]
fn what_cannot_be_signed_safely_is_refused() {
    let pki = Pki::new();
    let official = pki.entity("Official", 39, SignatureScheme::EcdsaP256Sha256, None);
    let refuse = |pdf: &[u8]| prepare(pdf, &options(&official, Level::BB)).unwrap_err();
    let good = samples::letter(samples::Xref::Table, "", "", &[]);
    assert!(matches!(refuse(b""), PadesError::Malformed(_)));
    assert!(matches!(refuse(b"%PDF-1.7\n"), PadesError::Malformed(_)));
    assert!(matches!(
        refuse(&[b"junk\n", good.as_slice()].concat()),
        PadesError::Malformed(_)
    ));
    let broken = String::from_utf8_lossy(&good).replace("startxref\n", "startxref\n9");
    assert!(matches!(
        refuse(broken.as_bytes()),
        PadesError::Malformed(_)
    ));
    let locked = samples::letter(
        samples::Xref::Table,
        "/Perms<</DocMDP 6 0 R>>",
        "",
        &["<</Type/Sig/Reference[<</TransformMethod/DocMDP/TransformParams<</P 1>>>>]>>"],
    );
    assert!(matches!(refuse(&locked), PadesError::ChangesForbidden));
    let text = SignOptions {
        reason: Some("x".repeat(600)),
        ..options(&official, Level::BB)
    };
    assert!(matches!(prepare(&good, &text), Err(PadesError::Text(_))));
    if let Some(encrypted) = judges::rewritten(&good, &["--encrypt", "", "owner", "256", "--"]) {
        assert!(matches!(refuse(&encrypted), PadesError::Encrypted));
    }
}
