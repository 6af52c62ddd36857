use hsm_bridge::verify::OpenSslVerifier;
use std::time::Duration;

use super::*;
use crate::fixture::{NOW, hierarchy, now, profile, request};
use crate::profile::ProfileName;

fn prepared(change: impl FnOnce(&mut Request)) -> Result<Prepared, IssueError> {
    let profile = profile(ProfileName::CitizenAuth);
    let hierarchy = hierarchy();
    let mut request = request(&profile, &hierarchy.subject_key, 100);
    change(&mut request);
    prepare(&profile, &hierarchy.issuing, request, now())
}

fn refused_by(change: impl FnOnce(&mut Request), id: &str) {
    match prepared(change) {
        Err(IssueError::Lint(findings)) => {
            assert!(
                findings.iter().any(|finding| finding.id == id),
                "{findings:?}"
            );
        }
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn the_last_second_counts() {
    let (start, end) = prepared(|_| {}).unwrap().validity();
    let terms = profile(ProfileName::CitizenAuth);
    assert_eq!(end - NOW + 1, terms.terms().default_validity.as_secs());
    assert_eq!(NOW - start, terms.terms().backdate.as_secs());
}

#[test]
fn nothing_outlives_its_issuer() {
    let issuer_end = hierarchy().issuing.certificate.not_after();
    let profile = profile(ProfileName::CitizenAuth);
    let late = crate::time::from_seconds(issuer_end - 1000).unwrap();
    let request_late = request(&profile, &hierarchy().subject_key, 101);
    let cut = prepare(&profile, &hierarchy().issuing, request_late, late).unwrap();
    assert_eq!(cut.validity().1, issuer_end);
    let asked = |end| Validity {
        not_before: late,
        not_after: crate::time::from_seconds(end).unwrap(),
    };
    assert!(prepared(|request| request.validity = Some(asked(issuer_end))).is_ok());
    refused_by(
        |request| request.validity = Some(asked(issuer_end + 1)),
        "e_validity_outlives_issuer",
    );
}

#[test]
fn bad_requests_are_refused_before_a_key_is_touched() {
    refused_by(
        |request| request.subject.country = None,
        "e_subject_attribute_missing",
    );
    refused_by(
        |request| request.subject.organization = Some("X".to_owned()),
        "e_subject_attribute_not_allowed",
    );
    let host = || vec![SubjectAltName::Dns("a.kh".to_owned())];
    refused_by(
        |request| request.san = host(),
        "e_subject_alt_name_kind_not_allowed",
    );
    let mail = SubjectAltName::Email("a@b.kh".to_owned());
    refused_by(
        |request| request.san = vec![mail.clone(), mail],
        "e_subject_alt_name_repeated",
    );
    let short = "1002".parse().unwrap();
    refused_by(|request| request.serial = short, "e_serial_number_shape");
    let long = Validity {
        not_before: now(),
        not_after: now() + Duration::from_secs(95_000_000),
    };
    refused_by(
        |request| request.validity = Some(long),
        "e_validity_too_long",
    );
    let issuer_key = hierarchy().issuing.certificate.public_key().clone();
    refused_by(
        |request| request.public_key = issuer_key,
        "e_public_key_is_the_issuers",
    );
    let backwards = Validity {
        not_before: now(),
        not_after: now() - Duration::from_secs(1),
    };
    let error = prepared(|request| request.validity = Some(backwards)).unwrap_err();
    assert!(matches!(error, IssueError::Validity(_)));
}

#[test]
fn an_end_entity_issues_nothing_and_a_root_is_self_signed() {
    let hierarchy = hierarchy();
    let leaf = hierarchy.issue(&profile(ProfileName::Tsa), 102);
    let issuer = Issuer::new(leaf, hierarchy.issuing.publish.clone());
    let profile_auth = profile(ProfileName::CitizenAuth);
    let asked = request(&profile_auth, hierarchy.root_signer.public_key(), 103);
    assert!(matches!(
        prepare(&profile_auth, &issuer, asked.clone(), now()),
        Err(IssueError::Lint(findings)) if findings.iter().any(|one| one.id == "e_issuer_is_no_authority")
    ));
    assert!(matches!(
        prepare(
            &profile(ProfileName::Root),
            &hierarchy.issuing,
            asked.clone(),
            now()
        ),
        Err(IssueError::Profile(_))
    ));
    assert!(matches!(
        prepare_anchor(&profile_auth, asked, now()),
        Err(IssueError::Profile(_))
    ));
    // pathLenConstraint 0 leaves no room for another authority.
    let below = profile(ProfileName::Issuing);
    let asked = request(&below, &hierarchy.subject_key, 104);
    assert!(matches!(
        prepare(&below, &hierarchy.issuing, asked, now()),
        Err(IssueError::Lint(findings)) if findings.iter().any(|one| one.id == "e_path_length_exceeds_issuers")
    ));
}

#[test]
fn only_the_issuers_own_key_signs() {
    let hierarchy = hierarchy();
    let wrong = hierarchy.subject_signer.as_ref();
    let error = prepared(|_| {})
        .unwrap()
        .sign(wrong, &OpenSslVerifier)
        .unwrap_err();
    assert_eq!(error, IssueError::WrongSigner);
    let signed = prepared(|_| {}).unwrap();
    let tbs = signed.tbs_der().to_vec();
    let certificate = signed
        .sign(hierarchy.issuing_signer.as_ref(), &OpenSslVerifier)
        .unwrap();
    assert_eq!(certificate.tbs_der(), tbs);
    assert_eq!(
        Certificate::from_pem(&certificate.pem().unwrap()).unwrap(),
        certificate
    );
}

/// A token gone wrong: the right key's name, another key's signatures.
struct Impostor;

impl hsm_bridge::Signer for Impostor {
    fn scheme(&self) -> SignatureScheme {
        hierarchy().issuing_signer.scheme()
    }

    fn public_key(&self) -> &spki::SubjectPublicKeyInfoOwned {
        hierarchy().issuing_signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        hierarchy().subject_signer.sign(message)
    }
}

#[test]
fn a_signature_that_does_not_verify_yields_no_certificate() {
    let error = prepared(|_| {})
        .unwrap()
        .sign(&Impostor, &OpenSslVerifier)
        .unwrap_err();
    assert_eq!(error, IssueError::BadSignature);
}
