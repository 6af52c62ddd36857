//! Structures that a CA key is asked to sign.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::Decode;
use openssl::asn1::Asn1Time;
use openssl::x509::X509;
use spki::SubjectPublicKeyInfoOwned;

use crate::SignatureScheme;
use crate::tbs::{
    CertListChecker, CertListRules, CertificateRules, Signing, check_cert_list, check_certificate,
};

const LONG: Duration = Duration::from_hours(24 * 365 * 100);
/// 2026-06-01T00:00:00Z
const NOW: Duration = Duration::from_hours(494_520);
/// A P-256 key of the house, which no seed certifies: up to its point (RFC 5480 §2).
const OWN_KEY: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
/// AlgorithmIdentifier ecdsa-with-SHA256 (RFC 5758 §3.2) and a BIT STRING that holds no signature.
const UNSIGNED: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x03\x00\x30\x00";

/// The widest rules there are.
fn certificate_rules() -> CertificateRules {
    let mut rules = CertificateRules::new(LONG);
    rules.serial_octets = 1..=20;
    rules.drift = LONG;
    rules.path_length = Some(u8::MAX);
    rules
}

fn list_rules() -> CertListRules {
    CertListRules {
        longest: LONG,
        drift: LONG,
        ..CertListRules::default()
    }
}

fn with_signing<T>(work: impl FnOnce(&Signing<'_>) -> T) -> Option<T> {
    let own_key = [OWN_KEY, &[0x11; 64]].concat();
    let public_key = SubjectPublicKeyInfoOwned::from_der(&own_key).ok()?;
    Some(work(&Signing {
        scheme: SignatureScheme::EcdsaP256Sha256,
        public_key: &public_key,
        now: UNIX_EPOCH + NOW,
    }))
}

/// A TBSCertificate that passes says to OpenSSL, where that can read it, what the record says of it; with a byte more it does not pass,
/// and never as a list.
pub fn certificate(bytes: &[u8]) {
    let facts = with_signing(|signing| {
        let facts = check_certificate(bytes, &certificate_rules(), signing).ok()?;
        let longer = [bytes, &[0]].concat();
        assert!(check_certificate(&longer, &certificate_rules(), signing).is_err());
        assert!(check_cert_list(bytes, &list_rules(), signing).is_err());
        Some(facts)
    });
    let Some(Some(facts)) = facts else {
        return;
    };
    let Ok(other) = X509::from_der(&sequence(&[bytes, UNSIGNED].concat())) else {
        return;
    };
    let serial = other.serial_number().to_bn().map(|serial| serial.to_vec());
    let ours: Vec<u8> = facts
        .serial
        .iter()
        .copied()
        .skip_while(|b| *b == 0)
        .collect();
    assert_eq!(serial.ok(), Some(ours));
    assert!(same(other.not_before(), facts.not_before), "{facts:?}");
    assert!(same(other.not_after(), facts.not_after), "{facts:?}");
}

#[cfg(test)]
pub(super) fn is_certificate(bytes: &[u8]) -> bool {
    let checked = with_signing(|signing| check_certificate(bytes, &certificate_rules(), signing));
    checked.is_some_and(|checked| checked.is_ok())
}

#[cfg(test)]
pub(super) fn is_list(bytes: &[u8]) -> bool {
    let checked = with_signing(|signing| check_cert_list(bytes, &list_rules(), signing));
    checked.is_some_and(|checked| checked.is_ok())
}

fn same(theirs: &openssl::asn1::Asn1TimeRef, ours: SystemTime) -> bool {
    let seconds = ours.duration_since(UNIX_EPOCH).map(|since| since.as_secs());
    let Some(ours) = seconds.ok().and_then(|seconds| i64::try_from(seconds).ok()) else {
        // Before 1970: the libraries are not compared there.
        return true;
    };
    Asn1Time::from_unix(ours).is_ok_and(|ours| theirs == &*ours)
}

/// A TBSCertList is found the same whole and in pieces, whose length the first byte says; what passes never passes as a certificate.
pub fn list(bytes: &[u8]) {
    let Some((piece, list)) = bytes.split_first() else {
        return;
    };
    with_signing(|signing| {
        let whole = check_cert_list(list, &list_rules(), signing);
        let announced = u64::try_from(list.len()).unwrap_or(u64::MAX);
        let cut =
            CertListChecker::new(&list_rules(), signing, announced).and_then(|mut checker| {
                list.chunks(usize::from(*piece) + 1)
                    .try_for_each(|chunk| checker.update(chunk))?;
                checker.finish()
            });
        assert_eq!(whole, cut);
        if whole.is_ok() {
            assert!(check_certificate(list, &certificate_rules(), signing).is_err());
        }
    });
}

/// A SEQUENCE of this content.
fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let mut all = vec![0x30, 0x80 | 8];
    // The longest form of a length: OpenSSL reads BER.
    all.extend_from_slice(&length);
    all.extend_from_slice(content);
    all
}
