//! Structures built octet by octet, so that every one of them can be wrong.

mod certificate;
mod house;
mod list;
mod openssl;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::Decode;
use spki::SubjectPublicKeyInfoOwned;

use super::{CertificateRules, IssuerPin, Signing};
use crate::SignatureScheme;

const DAY: Duration = Duration::from_hours(24);
const ECDSA_SHA256: &str = "300a06082a8648ce3d040302";
const ECDSA_SHA384: &str = "300a06082a8648ce3d040303";

/// 2026-06-01T00:00:00Z
fn now() -> SystemTime {
    const DAYS: u32 = 20_605;
    UNIX_EPOCH + DAYS * DAY
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut all = vec![tag];
    match content.len() {
        short @ 0..0x80 => all.push(u8::try_from(short).unwrap()),
        long => {
            let bytes = long.to_be_bytes();
            let bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            all.push(0x80 | u8::try_from(bytes.len()).unwrap());
            all.extend(bytes);
        }
    }
    all.extend_from_slice(content);
    all
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// `CN=` and the text.
fn name(text: &str) -> Vec<u8> {
    let pair = sequence(&[&hex("0603550403"), &tlv(0x0c, text.as_bytes())]);
    sequence(&[&tlv(0x31, &pair)])
}

fn utc(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

/// A P-256 key whose point is this octet over and over; nothing here looks for the curve.
fn spki(fill: u8) -> Vec<u8> {
    point(&[&[4], [fill; 64].as_slice()].concat())
}

fn point(octets: &[u8]) -> Vec<u8> {
    let algorithm = hex("301306072a8648ce3d020106082a8648ce3d030107");
    sequence(&[&algorithm, &tlv(0x03, &[&[0], octets].concat())])
}

/// An extension below 2.5.29.
fn extension(arc: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&[6, 3, 0x55, 0x1d, arc], flag, &tlv(0x04, value)])
}

const KEY_USAGE: u8 = 15;
const CRL_NUMBER: u8 = 20;
const BASIC_CONSTRAINTS: u8 = 19;
const CRL_REASON: u8 = 21;
const DISTRIBUTION_POINT: u8 = 28;
const AUTHORITY_KEY: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

fn own_key() -> SubjectPublicKeyInfoOwned {
    SubjectPublicKeyInfoOwned::from_der(&spki(0x11)).unwrap()
}

fn signing(key: &SubjectPublicKeyInfoOwned) -> Signing<'_> {
    Signing {
        scheme: SignatureScheme::EcdsaP256Sha256,
        public_key: key,
        now: now(),
    }
}

fn rules() -> CertificateRules {
    let mut rules = CertificateRules::new(400 * DAY);
    rules.issuer = Some(IssuerPin::of_name(&name("House CA")));
    rules
}
