//! A list gets one verdict, however it is cut.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256, Sha384};

use super::super::{
    CertListChecker, CertListRules, CheckedList, TbsError, check_cert_list, check_certificate,
};
use super::*;
use crate::scheme::Digest;

#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    issuer: Vec<u8>,
    times: Vec<u8>,
    entries: Option<Vec<Vec<u8>>>,
    extensions: Vec<Vec<u8>>,
}

fn entry(serial: &[u8], extensions: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(0x02, serial), &utc("260101000000Z"), extensions])
}

fn good() -> Parts {
    let reason = sequence(&[&extension(CRL_REASON, false, &hex("0a0101"))]);
    Parts {
        version: hex("020101"),
        algorithm: hex(ECDSA_SHA256),
        issuer: name("House CA"),
        times: [utc("260531235500Z"), utc("260607235500Z")].concat(),
        entries: Some(
            (1u8..40)
                .map(|n| {
                    let reason: &[u8] = if n % 3 == 0 { &reason } else { &[] };
                    entry(&[n; 17], reason)
                })
                .collect(),
        ),
        extensions: vec![
            extension(AUTHORITY_KEY, false, &hex("30048002aabb")),
            extension(CRL_NUMBER, false, &hex("02020101")),
        ],
    }
}

impl Parts {
    fn encode(&self) -> Vec<u8> {
        let entries = self
            .entries
            .as_ref()
            .map_or(Vec::new(), |entries| tlv(0x30, &entries.concat()));
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            tlv(0xa0, &tlv(0x30, &self.extensions.concat()))
        };
        sequence(&[
            &self.version,
            &self.algorithm,
            &self.issuer,
            &self.times,
            &entries,
            &extensions,
        ])
    }

    fn check(&self) -> Result<CheckedList, TbsError> {
        check_cert_list(&self.encode(), &list_rules(), &signing(&own_key()))
    }
}

fn list_rules() -> CertListRules {
    CertListRules {
        issuer: Some(IssuerPin::of_name(&name("House CA"))),
        ..CertListRules::default()
    }
}

fn refused(change: impl FnOnce(&mut Parts)) -> TbsError {
    let mut parts = good();
    change(&mut parts);
    parts.check().unwrap_err()
}

/// The verdict when the list comes in pieces of these sizes, over and over.
fn in_pieces(bytes: &[u8], announced: usize, sizes: &[usize]) -> Result<CheckedList, TbsError> {
    let key = own_key();
    let announced = u64::try_from(announced).unwrap();
    let mut checker = CertListChecker::new(&list_rules(), &signing(&key), announced)?;
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        if checker.update(piece).is_err() {
            break;
        }
        rest = after;
    }
    checker.finish()
}

#[test]
fn an_honest_list_passes_with_the_digest_of_all_its_octets() {
    let whole = good().encode();
    let passed = good().check().unwrap();
    assert_eq!(
        passed.digest,
        Some(Digest::Sha256(Sha256::digest(&whole).into()))
    );
    assert_eq!(
        (passed.facts.entries, passed.facts.number.as_slice()),
        (39, [1, 1].as_slice())
    );
    assert_eq!(
        passed.facts.next_update,
        now() + 7 * DAY - Duration::from_mins(5)
    );
    let mut none_revoked = good();
    none_revoked.entries = None;
    assert_eq!(none_revoked.check().unwrap().facts.entries, 0);
}

#[test]
fn the_digest_is_that_of_the_scheme() {
    let mut parts = good();
    parts.algorithm = hex(ECDSA_SHA384);
    let (whole, key) = (parts.encode(), own_key());
    let mut signing = signing(&key);
    signing.scheme = SignatureScheme::EcdsaP384Sha384;
    let passed = check_cert_list(&whole, &list_rules(), &signing).unwrap();
    assert_eq!(
        passed.digest,
        Some(Digest::Sha384(Sha384::digest(&whole).into()))
    );
    parts.algorithm = hex("300506032b6570");
    signing.scheme = SignatureScheme::Ed25519;
    let passed = check_cert_list(&parts.encode(), &list_rules(), &signing).unwrap();
    assert_eq!(passed.digest, None);
}

#[test]
fn every_field_is_held_against_the_rules() {
    let old = refused(|parts| parts.version = hex("020100"));
    assert_eq!(old, TbsError::Version);
    let certificate = refused(|parts| parts.version = hex("a003020102"));
    assert_eq!(certificate, TbsError::Version);
    let other = refused(|parts| parts.algorithm = hex(ECDSA_SHA384));
    assert_eq!(other, TbsError::Algorithm);
    assert_eq!(refused(|parts| parts.issuer = name("x")), TbsError::Issuer);
    for (this, next, error) in [
        ("260520000000Z", "260607000000Z", TbsError::Beginning),
        ("260605000000Z", "260607000000Z", TbsError::Beginning),
        ("260531000000Z", "260531235959Z", TbsError::End),
        ("260602000000Z", "260601120000Z", TbsError::End),
        ("260531000000Z", "260611000000Z", TbsError::Validity),
        ("260531000000", "260607000000Z", TbsError::Malformed("time")),
    ] {
        let found = refused(|parts| parts.times = [utc(this), utc(next)].concat());
        assert_eq!(found, error, "{this} {next}");
    }
    let endless = refused(|parts| parts.times = utc("260531235500Z"));
    assert_eq!(endless, TbsError::TooLong("nextUpdate"));
}

#[test]
fn every_entry_is_read() {
    let reason_twice = {
        let reason = extension(CRL_REASON, false, &hex("0a0101"));
        sequence(&[&reason, &reason])
    };
    let issuer = sequence(&[&extension(29, true, &hex("3000"))]);
    let long = sequence(&[&extension(99, false, &tlv(0x04, &[0; 1100]))]);
    for (bad, error) in [
        (entry(&[0x80; 17], &[]), TbsError::Serial),
        (entry(&[0], &[]), TbsError::Serial),
        (entry(&[1; 21], &[]), TbsError::Serial),
        (entry(&[1; 17], &reason_twice), TbsError::Duplicate),
        (entry(&[1; 17], &issuer), TbsError::Critical),
        (entry(&[1; 17], &long), TbsError::TooLong("entry")),
        (
            entry(&[1; 17], &hex("3000")),
            TbsError::Malformed("no extension in the list of them"),
        ),
        (hex("0500"), TbsError::Malformed("encoding")),
        (hex("1f0500"), TbsError::Malformed("entry")),
        (sequence(&[&hex("020101")]), TbsError::Malformed("encoding")),
    ] {
        for at in [0, 20, 39] {
            let found = refused(|parts| {
                parts.entries.as_mut().unwrap().insert(at, bad.clone());
            });
            assert_eq!(found, error, "at {at}");
        }
    }
    let empty = refused(|parts| parts.entries = Some(Vec::new()));
    assert_eq!(empty, TbsError::Malformed("revokedCertificates"));
}

#[test]
fn the_lists_own_extensions_are_complete_and_known() {
    let none = refused(|parts| parts.extensions.clear());
    assert_eq!(none, TbsError::Missing("crlExtensions"));
    let no_number = refused(|parts| drop(parts.extensions.pop()));
    assert_eq!(no_number, TbsError::Missing("cRLNumber"));
    let no_key = refused(|parts| drop(parts.extensions.remove(0)));
    assert_eq!(no_key, TbsError::Missing("authorityKeyIdentifier"));
    let negative =
        refused(|parts| parts.extensions[1] = extension(CRL_NUMBER, false, &hex("0201ff")));
    assert_eq!(negative, TbsError::Malformed("cRLNumber"));
    let delta = refused(|parts| parts.extensions.push(extension(27, true, &hex("020101"))));
    assert_eq!(delta, TbsError::Critical);
    let indirect = hex("30038401ff");
    let indirect = refused(|parts| {
        parts
            .extensions
            .push(extension(DISTRIBUTION_POINT, true, &indirect));
    });
    assert_eq!(indirect, TbsError::Indirect);
    let mut shard = good();
    let point = hex("300fa00da00b8609687474703a2f2f782f");
    shard
        .extensions
        .push(extension(DISTRIBUTION_POINT, true, &point));
    assert!(shard.check().is_ok());
    let mut first = good();
    first.extensions[1] = extension(CRL_NUMBER, false, &hex("020100"));
    assert_eq!(first.check().unwrap().facts.number, [0]);
}

#[test]
fn nothing_follows_the_extensions_inside_the_list() {
    // The parts after the outermost header, as they are, and one value more.
    let whole = good().encode();
    let content = &whole[4..];
    let longer = sequence(&[content, &hex("0500")]);
    let error = TbsError::Malformed("after crlExtensions");
    assert_eq!(in_pieces(&longer, longer.len(), &[64]), Err(error));
    let undelivered = &longer[..longer.len() - 2];
    assert_eq!(in_pieces(undelivered, longer.len(), &[64]), Err(error));
}

#[test]
fn a_list_longer_than_the_rule_is_refused_before_a_byte_of_it() {
    let mut small = list_rules();
    small.largest = 100;
    let error = CertListChecker::new(&small, &signing(&own_key()), 101).unwrap_err();
    assert_eq!(error, TbsError::TooLong("list"));
}

#[test]
fn memory_stays_within_one_value() {
    let key = own_key();
    // An entry that claims the rest of the list is refused at its header, not gathered.
    let mut parts = good();
    parts.entries = Some(vec![tlv(0x30, &vec![0; 200_000])]);
    let whole = parts.encode();
    let announced = u64::try_from(whole.len()).unwrap();
    let mut checker = CertListChecker::new(&list_rules(), &signing(&key), announced).unwrap();
    let read = whole
        .chunks(7)
        .take_while(|piece| checker.update(piece).is_ok())
        .count();
    assert!(read * 7 < 200, "{read}");
    assert_eq!(checker.finish(), Err(TbsError::TooLong("entry")));
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_the_pieces(
        sizes in proptest::collection::vec(1usize..70, 1..9),
        flip in proptest::option::of((0usize..1400, 0u8..8)),
    ) {
        let mut bytes = good().encode();
        if let Some((at, bit)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        let whole = in_pieces(&bytes, bytes.len(), &[bytes.len()]);
        prop_assert_eq!(in_pieces(&bytes, bytes.len(), &sizes), whole.clone());
        prop_assert_eq!(in_pieces(&bytes, bytes.len(), &[1]), whole.clone());
        prop_assert!(flip.is_some() || whole.is_ok());
        prop_assert!(check_certificate(&bytes, &rules(), &signing(&own_key())).is_err());
    }

    #[test]
    fn cut_or_lengthened_it_is_refused(
        cut in 0usize..1400,
        more in proptest::collection::vec(any::<u8>(), 1..60),
        size in 1usize..200,
        honest_about_it: bool,
    ) {
        let bytes = good().encode();
        let cut = cut.min(bytes.len() - 1);
        let announced = if honest_about_it { cut } else { bytes.len() };
        prop_assert!(in_pieces(&bytes[..cut], announced, &[size]).is_err());
        let longer = [bytes.as_slice(), &more].concat();
        let announced = if honest_about_it { longer.len() } else { bytes.len() };
        prop_assert_eq!(in_pieces(&longer, announced, &[size]), Err(TbsError::Length));
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
        prop_assert!(in_pieces(&bytes, bytes.len(), &[size]).is_err());
        let wrapped = tlv(0x30, &[hex("020101"), bytes].concat());
        prop_assert!(in_pieces(&wrapped, wrapped.len(), &[size]).is_err());
    }
}
