use std::time::Duration;

use hsm_bridge::verify::OpenSslVerifier;
use proptest::prelude::*;

use super::*;
use crate::extension;
use crate::fixture::{NOW, hierarchy, now, serial};

fn builder(shard: u16) -> CrlBuilder<'static> {
    CrlBuilder {
        issuer: &hierarchy().issuing,
        shard,
        number: 1,
        this_update: now(),
        next_update: now() + Duration::from_hours(1),
    }
}

fn entry(seed: u8, reason: CrlReason) -> RevokedEntry {
    RevokedEntry {
        serial: serial(seed),
        revoked_at: now(),
        reason,
    }
}

#[test]
fn what_is_built_is_read_back() {
    let entries = [
        entry(3, CrlReason::Unspecified),
        entry(9, CrlReason::Superseded),
    ];
    let signer = hierarchy().issuing_signer.as_ref();
    let list = builder(2)
        .build(entries)
        .unwrap()
        .sign(signer, &OpenSslVerifier)
        .unwrap();
    let issuer = list.issuer().clone();
    assert_eq!(list.len(), 2);
    assert_eq!(list.number().unwrap().unwrap().as_bytes(), [1]);
    assert_eq!(
        (list.this_update(), list.next_update()),
        (NOW, Some(NOW + 3600))
    );
    let found = list.find(&issuer, serial(9).as_bytes()).unwrap();
    assert_eq!(
        *found,
        Entry {
            revoked_at: NOW,
            reason: CrlReason::Superseded
        }
    );
    let unspecified = list.find(&issuer, serial(3).as_bytes()).unwrap();
    assert_eq!(unspecified.reason, CrlReason::Unspecified);
    assert!(list.find(&issuer, serial(4).as_bytes()).is_none());
    assert_eq!(
        CertificateList::from_pem(&list.pem().unwrap())
            .unwrap()
            .der(),
        list.der()
    );
}

#[test]
fn the_shard_equals_the_certificates_distribution_point() {
    let hierarchy = hierarchy();
    let profile = crate::fixture::profile(crate::profile::ProfileName::CitizenAuth);
    let certificate = hierarchy.issue(&profile, 140);
    let (_, points) = certificate
        .extension::<x509_cert::ext::pkix::CrlDistributionPoints>()
        .unwrap()
        .unwrap();
    let shard = hierarchy.issuing.publish.shard(&serial(140));
    let signer = hierarchy.issuing_signer.as_ref();
    let list = builder(shard)
        .build([])
        .unwrap()
        .sign(signer, &OpenSslVerifier)
        .unwrap();
    assert!(list.is_empty());
    let scope = list.issuing_distribution_point().unwrap();
    assert_eq!(scope.distribution_point, points.0[0].distribution_point);
    let url = hierarchy
        .issuing
        .publish
        .crl(hierarchy.issuing.id().unwrap(), shard);
    assert_eq!(
        scope.distribution_point,
        Some(extension::full_name(&url).unwrap())
    );
}

#[test]
fn disorder_is_refused() {
    let twice = [
        entry(3, CrlReason::Unspecified),
        entry(3, CrlReason::Unspecified),
    ];
    assert_eq!(builder(0).build(twice).unwrap_err(), CrlError::Unsorted);
    let down = [
        entry(4, CrlReason::Unspecified),
        entry(3, CrlReason::Unspecified),
    ];
    assert_eq!(builder(0).build(down).unwrap_err(), CrlError::Unsorted);
    assert_eq!(builder(4).build([]).unwrap_err(), CrlError::Shard);
    let mut endless = builder(0);
    endless.next_update = endless.this_update;
    assert_eq!(endless.build([]).unwrap_err(), CrlError::Times);
    let wrong = hierarchy().root_signer.as_ref();
    let error = builder(0)
        .build([])
        .unwrap()
        .sign(wrong, &OpenSslVerifier)
        .unwrap_err();
    assert_eq!(error, CrlError::WrongSigner);
}

#[test]
fn reasons_survive_their_notations() {
    for reason in CrlReason::ALL {
        assert_eq!(CrlReason::from_code(reason.code()), Ok(reason));
        assert_eq!(reason.as_str().parse(), Ok(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
    assert_eq!(CrlReason::from_code(7), Err(reason::UnknownReason));
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let _ = parse(&bytes);
        let _ = CertificateList::from_pem(&text);
    }
}
