//! What our own key ceremony makes passes by the rules one would write for it; the files are the public results of one.

use std::time::UNIX_EPOCH;

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Document, Reader};

use super::super::{Authority, CertListRules, TbsError, check_cert_list, check_certificate};
use super::*;

const ROOT: &str = include_str!("house/ca-root-g1.pem");
const PERSONS: &str = include_str!("house/ca-persons-g1.pem");
const OCSP: &str = include_str!("house/ocsp-persons-g1.pem");
const TSA: &str = include_str!("house/tsa-main-g1.pem");
const ROOT_LIST: &[u8] = include_bytes!("house/root-0.crl");
const PERSONS_LIST: &[u8] = include_bytes!("house/persons-0.crl");

/// An hour after the ceremony of 2026-11-22.
fn after() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_369_326)
}

fn certificate(pem: &str) -> Vec<u8> {
    Document::from_pem(pem).unwrap().1.as_bytes().to_vec()
}

/// The signed part of a Certificate or CertificateList.
fn part(whole: &[u8]) -> Vec<u8> {
    let read = |reader: &mut der::SliceReader<'_>| {
        let part = reader.tlv_bytes()?.to_vec();
        reader.tlv_bytes()?;
        reader.tlv_bytes()?;
        Ok::<_, der::Error>(part)
    };
    AnyRef::from_der(whole).unwrap().sequence(read).unwrap()
}

/// The key in a Certificate: version, serial number, algorithm, issuer, validity and subject come before it, extensions after.
fn key(pem: &str) -> SubjectPublicKeyInfoOwned {
    let part = part(&certificate(pem));
    let read = |reader: &mut der::SliceReader<'_>| {
        for _ in 0..6 {
            reader.tlv_bytes()?;
        }
        let key = SubjectPublicKeyInfoOwned::decode(reader)?;
        reader.tlv_bytes()?;
        Ok::<_, der::Error>(key)
    };
    AnyRef::from_der(&part).unwrap().sequence(read).unwrap()
}

fn rules_under(issuer: &str, longest: Duration) -> CertificateRules {
    let authority = Authority::of_certificate(&certificate(issuer)).unwrap();
    let mut rules = CertificateRules::new(longest);
    rules.issuer = Some(authority.name);
    rules.latest_end = Some(authority.end);
    rules
}

fn under(key: &SubjectPublicKeyInfoOwned) -> Signing<'_> {
    Signing {
        scheme: SignatureScheme::for_public_key(key).unwrap(),
        public_key: key,
        now: after(),
    }
}

#[test]
fn authorities_come_from_a_root_that_may_make_them() {
    let root = key(ROOT);
    let persons = part(&certificate(PERSONS));
    let mut rules = rules_under(ROOT, 3651 * DAY);
    let refused = check_certificate(&persons, &rules, &under(&root));
    assert_eq!(refused, Err(TbsError::Authority));
    rules.path_length = Some(0);
    let facts = check_certificate(&persons, &rules, &under(&root)).unwrap();
    assert_eq!((facts.authority, facts.path_length), (true, Some(0)));
    let from_persons = rules_under(PERSONS, 3651 * DAY);
    let other_issuer = check_certificate(&persons, &from_persons, &under(&root));
    assert_eq!(other_issuer, Err(TbsError::Issuer));
    let authority = Authority::of_certificate(&certificate(PERSONS)).unwrap();
    assert_eq!(authority.path_length, None);
}

#[test]
fn services_get_certificates_of_their_purpose() {
    let key = key(PERSONS);
    let mut rules = rules_under(PERSONS, 31 * DAY);
    rules.extended_key_usage = Some(vec![ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9")]);
    rules.extended_key_usage_required = true;
    let ocsp = part(&certificate(OCSP));
    let facts = check_certificate(&ocsp, &rules, &under(&key)).unwrap();
    assert!(!facts.authority && (17..=20).contains(&facts.serial.len()));
    rules.extended_key_usage = Some(vec![ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8")]);
    let refused = check_certificate(&ocsp, &rules, &under(&key));
    assert_eq!(refused, Err(TbsError::ExtendedKeyUsage));
    assert!(Authority::of_certificate(&certificate(TSA)).is_err());
}

#[test]
fn lists_pass_whole_and_as_shards() {
    for (issuer, list) in [(ROOT, ROOT_LIST), (PERSONS, PERSONS_LIST)] {
        let (key, tbs) = (key(issuer), part(list));
        let mut rules = CertListRules {
            issuer: Some(
                Authority::of_certificate(&certificate(issuer))
                    .unwrap()
                    .name,
            ),
            longest: 400 * DAY,
            ..CertListRules::default()
        };
        let passed = check_cert_list(&tbs, &rules, &under(&key)).unwrap();
        assert_eq!(passed.digest, under(&key).scheme.digest(&tbs));
        rules.issuer = Some(IssuerPin::of_name(&name("Other")));
        let refused = check_cert_list(&tbs, &rules, &under(&key));
        assert_eq!(refused, Err(TbsError::Issuer));
    }
}
