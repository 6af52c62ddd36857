//! Every rule refuses what breaks it, and only that.

use std::time::UNIX_EPOCH;

use const_oid::ObjectIdentifier;
use proptest::prelude::*;

use super::super::{Authority, CertListRules, TbsError, check_cert_list, check_certificate};
use super::*;

/// A TBSCertificate in parts.
#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    algorithm: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    public_key: Vec<u8>,
    unique: Vec<u8>,
    extensions: Vec<Vec<u8>>,
}

fn validity(begin: &str, end: &str) -> Vec<u8> {
    sequence(&[&utc(begin), &utc(end)])
}

fn good() -> Parts {
    Parts {
        version: hex("a003020102"),
        serial: tlv(0x02, &[0x5a; 18]),
        algorithm: hex(ECDSA_SHA256),
        issuer: name("House CA"),
        validity: validity("260531235500Z", "270531235459Z"),
        public_key: spki(0x22),
        unique: Vec::new(),
        extensions: vec![
            extension(AUTHORITY_KEY, false, &hex("30048002aabb")),
            extension(KEY_USAGE, true, &hex("03020780")),
            extension(BASIC_CONSTRAINTS, true, &hex("3000")),
            extension(EXTENDED_KEY_USAGE, false, &hex("300a06082b06010505070302")),
        ],
    }
}

/// An authority with this path length.
fn authority(path_length: &[u8]) -> Parts {
    let mut parts = good();
    let constraints = sequence(&[&[1, 1, 0xff], path_length]);
    parts.extensions = vec![
        extension(KEY_USAGE, true, &hex("03020106")),
        extension(BASIC_CONSTRAINTS, true, &constraints),
    ];
    parts
}

impl Parts {
    fn encode(&self) -> Vec<u8> {
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            tlv(0xa3, &tlv(0x30, &self.extensions.concat()))
        };
        sequence(&[
            &self.version,
            &self.serial,
            &self.algorithm,
            &self.issuer,
            &self.validity,
            &name("Sok Dara"),
            &self.public_key,
            &self.unique,
            &extensions,
        ])
    }

    fn under(&self, rules: &CertificateRules) -> Result<(), TbsError> {
        check_certificate(&self.encode(), rules, &signing(&own_key())).map(|_| ())
    }
}

fn refused(change: impl FnOnce(&mut Parts)) -> TbsError {
    let mut parts = good();
    change(&mut parts);
    parts.under(&rules()).unwrap_err()
}

#[test]
fn an_honest_certificate_passes_and_its_facts_are_told() {
    let key = own_key();
    let facts = check_certificate(&good().encode(), &rules(), &signing(&key)).unwrap();
    assert_eq!(facts.serial, [0x5a; 18]);
    assert!(!facts.authority && facts.path_length.is_none());
    assert_eq!(facts.key_id, crate::KeyId::of_der(&spki(0x22)));
    assert!(facts.not_before < now() && now() + 364 * DAY < facts.not_after);
}

#[test]
fn other_versions_and_other_structures_are_refused() {
    for version in [
        "a003020101",
        "a003020100",
        "020101",
        "a00402020002",
        "800102",
    ] {
        let error = refused(|parts| parts.version = hex(version));
        assert_eq!(error, TbsError::Version, "{version}");
    }
    assert_eq!(
        refused(|parts| parts.version = Vec::new()),
        TbsError::Version
    );
    let missing = refused(|parts| parts.extensions.clear());
    assert_eq!(missing, TbsError::Missing("all of them"));
    let unique = refused(|parts| parts.unique = hex("8102000a"));
    assert_eq!(unique, TbsError::Malformed("extensions"));
}

#[test]
fn serial_numbers_are_positive_minimal_and_of_the_length_in_the_rule() {
    let long_with_sign = [[0x00, 0x80].as_slice(), &[1; 19]].concat();
    for serial in [
        vec![0x80; 10],
        vec![0],
        vec![],
        vec![0x5a; 7],
        vec![0x5a; 21],
        [[0x00, 0x5a].as_slice(), &[1; 10]].concat(),
        long_with_sign,
    ] {
        let error = refused(|parts| parts.serial = tlv(0x02, &serial));
        assert_eq!(error, TbsError::Serial, "{serial:02x?}");
    }
    let enumerated = refused(|parts| parts.serial = tlv(0x0a, &[0x5a; 18]));
    assert_eq!(enumerated, TbsError::Serial);
    for length in [8, 20] {
        let mut parts = good();
        parts.serial = tlv(0x02, &vec![0x7f; length]);
        assert_eq!(parts.under(&rules()), Ok(()));
    }
}

#[test]
fn the_algorithm_inside_is_the_one_that_signs() {
    for other in [
        ECDSA_SHA384,
        "300d06092a864886f70d01010b0500",
        "300506032b6570",
    ] {
        let error = refused(|parts| parts.algorithm = hex(other));
        assert_eq!(error, TbsError::Algorithm, "{other}");
    }
    let with_null = refused(|parts| parts.algorithm = hex("300c06082a8648ce3d0403020500"));
    assert_eq!(with_null, TbsError::Algorithm);
}

#[test]
fn the_issuer_is_the_pinned_one() {
    let other = refused(|parts| parts.issuer = name("House CA 2"));
    assert_eq!(other, TbsError::Issuer);
    let mut free = rules();
    free.issuer = None;
    let mut parts = good();
    parts.issuer = name("House CA 2");
    assert_eq!(parts.under(&free), Ok(()));
}

#[test]
fn validity_is_near_now_short_enough_and_within_the_life_of_the_key() {
    for (begin, end, error) in [
        ("260520000000Z", "270501000000Z", TbsError::Beginning),
        ("260604000000Z", "270501000000Z", TbsError::Beginning),
        ("260531235500Z", "260531235959Z", TbsError::End),
        ("260602000000Z", "260601120000Z", TbsError::End),
        ("260531235500Z", "270801000000Z", TbsError::Validity),
        ("260531235500", "270531235459Z", TbsError::Malformed("time")),
        ("2605312355Z", "270531235459Z", TbsError::Malformed("time")),
        (
            "260531235500Z",
            "270531235459+0000",
            TbsError::Malformed("time"),
        ),
        (
            "260531235560Z",
            "270531235459Z",
            TbsError::Malformed("time"),
        ),
    ] {
        let found = refused(|parts| parts.validity = validity(begin, end));
        assert_eq!(found, error, "{begin} {end}");
    }
    let early_generalized = sequence(&[&utc("260531235500Z"), &tlv(0x18, b"20270531235459Z")]);
    let found = refused(|parts| parts.validity = early_generalized);
    assert_eq!(found, TbsError::Malformed("time"));
    let mut bounded = rules();
    bounded.latest_end = Some(now() + 300 * DAY);
    assert_eq!(good().under(&bounded), Err(TbsError::KeyEnd));
    bounded.latest_end = Some(now() + 364 * DAY + DAY);
    assert_eq!(good().under(&bounded), Ok(()));
    let mut long = CertificateRules::new(30 * 366 * DAY);
    long.latest_end = Some(UNIX_EPOCH + Duration::from_secs(2_600_000_000));
    let mut parts = good();
    parts.validity = sequence(&[&utc("260531235500Z"), &tlv(0x18, b"20510101000000Z")]);
    assert_eq!(parts.under(&long), Ok(()));
}

#[test]
fn no_authority_comes_from_a_key_that_makes_none() {
    let none = hex("");
    let zero = hex("020100");
    for parts in [authority(&none), authority(&zero)] {
        assert_eq!(parts.under(&rules()), Err(TbsError::Authority));
    }
    for usage in ["03020204", "03020102", "03020106", "03020186"] {
        let error = refused(|parts| parts.extensions[1] = extension(KEY_USAGE, true, &hex(usage)));
        assert_eq!(error, TbsError::KeyUsage, "{usage}");
    }
    let odd = refused(|parts| {
        parts.extensions[2] = extension(BASIC_CONSTRAINTS, true, &hex("3003020100"));
    });
    assert_eq!(odd, TbsError::Malformed("basicConstraints"));
    let false_written = refused(|parts| {
        parts.extensions[2] = extension(BASIC_CONSTRAINTS, true, &hex("3003010100"));
    });
    assert_eq!(false_written, TbsError::Malformed("basicConstraints"));
    let loose_true = refused(|parts| {
        parts.extensions[2] = extension(BASIC_CONSTRAINTS, true, &hex("3003010101"));
    });
    assert_eq!(loose_true, TbsError::Malformed("basicConstraints"));
}

#[test]
fn an_authority_is_bounded_in_depth() {
    let mut root = rules();
    root.path_length = Some(1);
    for (path_length, verdict) in [
        ("020100", Ok(())),
        ("020101", Ok(())),
        ("020102", Err(TbsError::Authority)),
        ("", Err(TbsError::Authority)),
    ] {
        assert_eq!(authority(&hex(path_length)).under(&root), verdict);
    }
    let mut no_usage = authority(&hex("020100"));
    no_usage.extensions.remove(0);
    assert_eq!(no_usage.under(&root), Err(TbsError::KeyUsage));
    let mut not_critical = authority(&hex("020100"));
    not_critical.extensions[1] = extension(BASIC_CONSTRAINTS, false, &hex("30060101ff020100"));
    assert_eq!(not_critical.under(&root), Err(TbsError::Authority));
    // A rule that allows authorities still allows other certificates.
    assert_eq!(good().under(&root), Ok(()));
}

#[test]
fn extensions_are_known_when_critical_and_never_twice() {
    let unknown = refused(|parts| parts.extensions.push(extension(99, true, &hex("0500"))));
    assert_eq!(unknown, TbsError::Critical);
    let mut parts = good();
    parts.extensions.push(extension(99, false, &hex("0500")));
    assert_eq!(parts.under(&rules()), Ok(()));
    let twice = refused(|parts| parts.extensions.push(parts.extensions[2].clone()));
    assert_eq!(twice, TbsError::Duplicate);
    let not_der = refused(|parts| parts.extensions.push(extension(99, false, &hex("300500"))));
    assert_eq!(not_der, TbsError::Malformed("extension"));
    let many = refused(|parts| {
        parts.extensions = (100..=127)
            .chain(0..10)
            .map(|arc| extension(arc, false, &hex("0500")))
            .collect();
    });
    assert_eq!(many, TbsError::TooLong("extensions"));
}

#[test]
fn nothing_of_before_rfc_5280_makes_an_authority() {
    // sslCA, emailCA and objCA of Netscape's certificate type, beside no basicConstraints and no keyUsage.
    let netscape = [hex("06096086480186f8420101"), tlv(0x04, &hex("03020007"))].concat();
    let netscape = tlv(0x30, &netscape);
    let bare = |extra: Vec<u8>| {
        refused(|parts| {
            parts.extensions.drain(1..3);
            parts.extensions.push(extra);
        })
    };
    assert_eq!(bare(netscape), TbsError::Superseded);
    // basicConstraints as drafted: a BIT STRING whose first bit is an authority's.
    assert_eq!(
        bare(extension(10, false, &hex("300403020780"))),
        TbsError::Superseded
    );
}

#[test]
fn purposes_stay_within_the_list() {
    let client_auth = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
    let mut bounded = rules();
    bounded.extended_key_usage = Some(vec![client_auth]);
    bounded.extended_key_usage_required = true;
    assert_eq!(good().under(&bounded), Ok(()));
    let mut ocsp = good();
    let both = hex("301406082b0601050507030206082b06010505070309");
    ocsp.extensions[3] = extension(EXTENDED_KEY_USAGE, false, &both);
    assert_eq!(ocsp.under(&bounded), Err(TbsError::ExtendedKeyUsage));
    assert_eq!(ocsp.under(&rules()), Ok(()));
    let mut any = good();
    any.extensions[3] = extension(EXTENDED_KEY_USAGE, false, &hex("30060604551d2500"));
    assert_eq!(any.under(&bounded), Err(TbsError::ExtendedKeyUsage));
    let mut none = good();
    none.extensions.pop();
    assert_eq!(none.under(&bounded), Err(TbsError::ExtendedKeyUsage));
    bounded.extended_key_usage_required = false;
    assert_eq!(none.under(&bounded), Ok(()));
    let mut empty = good();
    empty.extensions[3] = extension(EXTENDED_KEY_USAGE, false, &hex("3000"));
    assert_eq!(
        empty.under(&rules()),
        Err(TbsError::Malformed("extKeyUsage"))
    );
}

#[test]
fn the_signing_key_is_certified_in_no_form() {
    let own = refused(|parts| parts.public_key = spki(0x11));
    assert_eq!(own, TbsError::OwnKey);
    for first in [2, 3, 6] {
        let other_form = [&[first], [0x11; 32].as_slice()].concat();
        let found = refused(|parts| parts.public_key = point(&other_form));
        assert_eq!(found, TbsError::OwnKey);
    }
}

#[test]
fn an_authoritys_certificate_bounds_its_rules() {
    let whole = |parts: &Parts| sequence(&[&parts.encode(), &hex(ECDSA_SHA256), &hex("030100")]);
    let facts = Authority::of_certificate(&whole(&authority(&hex("020101")))).unwrap();
    assert_eq!(facts.name, IssuerPin::of_name(&name("Sok Dara")));
    assert_eq!(facts.path_length, Some(0));
    let last = Authority::of_certificate(&whole(&authority(&hex("020100")))).unwrap();
    assert_eq!(last.path_length, None);
    let error = Authority::of_certificate(&whole(&good())).unwrap_err();
    assert_eq!(error, TbsError::Authority);
}

proptest! {
    #[test]
    fn what_passes_is_der_and_no_list(at in 0usize..400, bit in 0u8..8) {
        let (whole, key) = (good().encode(), own_key());
        let list_rules = CertListRules::default();
        prop_assert!(check_cert_list(&whole, &list_rules, &signing(&key)).is_err());
        let mut bent = whole.clone();
        if let Some(byte) = bent.get_mut(at) {
            *byte ^= 1 << bit;
        }
        if let Ok(facts) = check_certificate(&bent, &rules(), &signing(&key)) {
            prop_assert!(!facts.authority);
        }
        prop_assert!(check_cert_list(&bent, &list_rules, &signing(&key)).is_err());
    }

    #[test]
    fn cut_or_lengthened_it_is_refused(cut in 0usize..300, more in proptest::collection::vec(any::<u8>(), 1..20)) {
        let (whole, key) = (good().encode(), own_key());
        let cut = cut.min(whole.len() - 1);
        prop_assert!(check_certificate(&whole[..cut], &rules(), &signing(&key)).is_err());
        let longer = [whole.as_slice(), &more].concat();
        prop_assert!(check_certificate(&longer, &rules(), &signing(&key)).is_err());
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = own_key();
        prop_assert!(check_certificate(&bytes, &rules(), &signing(&key)).is_err());
        prop_assert!(check_certificate(&tlv(0x30, &bytes), &rules(), &signing(&key)).is_err());
        prop_assert!(Authority::of_certificate(&bytes).is_err());
    }
}
