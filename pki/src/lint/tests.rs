use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use x509_cert::ext::pkix::KeyUsages;

use super::*;
use crate::extension;
use crate::fixture::{hierarchy, now, profile, request};
use crate::issue::{SubjectAltName, subordinate};
use crate::profile::{Kind, ProfileName, Revocation};

/// Builds by changed terms, lints by the real ones, and returns the ids found.
fn found(name: ProfileName, change: impl FnOnce(&mut Terms)) -> BTreeSet<&'static str> {
    let profile = profile(name);
    let (issuer, _) = hierarchy().issuer_of(&profile);
    let mut terms = profile.terms().clone();
    change(&mut terms);
    let request = request(&profile, &hierarchy().subject_key, 120);
    let tbs = subordinate(&terms, issuer, request, now()).unwrap();
    let findings = tbs_certificate(&tbs, &profile, Some(&issuer.certificate));
    findings.into_iter().map(|finding| finding.id).collect()
}

#[test]
fn each_departure_from_the_profile_has_its_finding() {
    use ProfileName as P;
    let nocheck = |terms: &mut Terms| terms.revocation = Revocation::NoCheck;
    let cases = [
        (found(P::CitizenAuth, nocheck), "e_extension_missing"),
        (found(P::CitizenAuth, nocheck), "e_extension_not_allowed"),
        (
            found(P::Tsa, |terms| terms.extended_key_usage_critical = false),
            "e_extension_criticality",
        ),
        (
            found(P::Tsa, |terms| terms.policies.clear()),
            "e_extension_missing",
        ),
        (
            found(P::OfficialSign, |terms| {
                terms.key_usage = KeyUsages::KeyCertSign.into();
            }),
            "e_key_usage_contradicts_kind",
        ),
        (
            found(P::OfficialSign, |terms| {
                terms.key_usage = KeyUsages::KeyAgreement.into();
            }),
            "e_key_usage_contradicts_extended_key_usage",
        ),
        (
            found(P::OcspResponder, |terms| {
                terms.extended_key_usage.push(extension::ID_KP_CLIENT_AUTH);
            }),
            "e_extended_key_usage_mixed",
        ),
        (
            found(P::TlsServer, |terms| {
                terms.extended_key_usage = vec![extension::ANY_EXTENDED_KEY_USAGE];
            }),
            "e_extended_key_usage_any",
        ),
        (
            found(P::CitizenAuth, |terms| {
                terms.kind = Kind::Authority { path_len: 0 }
            }),
            "e_basic_constraints_differ",
        ),
        (
            found(P::CitizenAuth, |terms| {
                terms.default_validity = Duration::from_secs(94_608_302);
            }),
            "e_validity_too_long",
        ),
        (
            found(P::CitizenAuth, |terms| {
                terms.revocation = Revocation::Published { ocsp: false };
            }),
            "e_authority_info_access_ocsp",
        ),
        (
            found(P::CitizenAuth, |terms| {
                terms.policies.push(crate::oid::Oid::any_policy());
            }),
            "e_certificate_policies_differ",
        ),
    ];
    for (found, wanted) in cases {
        assert!(found.contains(wanted), "{wanted} not in {found:?}");
    }
}

#[test]
fn a_signer_of_documents_has_the_purpose_of_mail_and_no_mailbox() {
    use ProfileName as P;
    let usage = |name| profile(name).terms().extended_key_usage.clone();
    for name in [P::CitizenSign, P::OfficialSign, P::OneShotSign] {
        let wanted = [
            extension::ID_KP_DOCUMENT_SIGNING,
            extension::ID_KP_EMAIL_PROTECTION,
        ];
        assert_eq!(usage(name), wanted, "{name}");
        let profile = profile(name);
        let (issuer, _) = hierarchy().issuer_of(&profile);
        let mut terms = profile.terms().clone();
        terms.san = self::profile(P::Smime).terms().san;
        let mut request = request(&profile, &hierarchy().subject_key, 122);
        request.san = vec![SubjectAltName::Email("sok@example.gov.kh".to_owned())];
        let tbs = subordinate(&terms, issuer, request, now()).unwrap();
        let findings = tbs_certificate(&tbs, &profile, Some(&issuer.certificate));
        assert!(
            findings
                .iter()
                .any(|finding| finding.id == "e_document_signer_with_mailbox"),
            "{name}: {findings:?}"
        );
    }
    assert_eq!(usage(P::Smime), [extension::ID_KP_EMAIL_PROTECTION]);
}

#[test]
fn unchanged_profiles_have_no_findings() {
    for name in ProfileName::ALL
        .into_iter()
        .filter(|name| *name != ProfileName::Root)
    {
        assert_eq!(found(name, |_| {}), BTreeSet::new(), "{name}");
    }
}

proptest! {
    #[test]
    fn a_changed_octet_never_panics_and_garbage_is_refused(at in 0_usize..700, to in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let profile = profile(ProfileName::CitizenAuth);
        let issuer = &hierarchy().issuing;
        let asked = request(&profile, &hierarchy().subject_key, 121);
        let mut tbs = subordinate(profile.terms(), issuer, asked, now()).unwrap();
        if let Some(octet) = tbs.get_mut(at) {
            *octet = to;
        }
        let _ = tbs_certificate(&tbs, &profile, Some(&issuer.certificate));
        prop_assert!(!tbs_certificate(&bytes, &profile, Some(&issuer.certificate)).is_empty());
    }
}
