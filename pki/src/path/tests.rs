use std::time::Duration;

use hsm_bridge::verify::OpenSslVerifier;

use super::*;
use crate::crl::{CrlBuilder, RevokedEntry};
use crate::extension::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use crate::fixture::{hierarchy, now, profile, serial};
use crate::issue::Issuer;
use crate::profile::ProfileName;

const LIFE: Duration = Duration::from_hours(1);

fn chain(leaf: Certificate) -> [Certificate; 2] {
    [leaf, hierarchy().issuing.certificate.clone()]
}

fn anchors() -> [Certificate; 1] {
    [hierarchy().root.certificate.clone()]
}

fn list(issuer: &Issuer, signer: &dyn hsm_bridge::Signer, seeds: &[u8]) -> CertificateList {
    let shard = seeds
        .first()
        .map_or(0, |seed| issuer.publish.shard(&serial(*seed)));
    let entries = seeds.iter().map(|seed| RevokedEntry {
        serial: serial(*seed),
        revoked_at: now(),
        reason: CrlReason::KeyCompromise,
    });
    let builder = CrlBuilder {
        issuer,
        shard,
        number: 1,
        this_update: now(),
        next_update: now() + LIFE,
    };
    builder
        .build(entries)
        .unwrap()
        .sign(signer, &OpenSslVerifier)
        .unwrap()
}

#[test]
fn validity_is_inclusive_at_both_ends() {
    let leaf = hierarchy().issue(&profile(ProfileName::OneShotSign), 160);
    let (first, last) = (leaf.not_before(), leaf.not_after());
    let chain = chain(leaf);
    let at = |second| {
        let now = time::from_seconds(second).unwrap();
        let anchors = anchors();
        validate(
            &chain,
            &anchors,
            Revocation::NotChecked,
            now,
            &OpenSslVerifier,
        )
        .map(|_| ())
    };
    assert_eq!(at(last), Ok(()));
    assert_eq!(
        at(last + 1),
        Err(PathError::Certificate {
            depth: 0,
            fault: Fault::Expired
        })
    );
    assert!(first >= hierarchy().issuing.certificate.not_before());
    assert_eq!(at(first), Ok(()));
    assert!(at(first - 1).is_err());
}

#[test]
fn revocation_needs_a_fresh_list_of_the_right_shard() {
    let hierarchy = hierarchy();
    let leaf = hierarchy.issue(&profile(ProfileName::CitizenAuth), 161);
    let chain = chain(leaf);
    let anchors = anchors();
    let check = |lists: &[CertificateList], now| {
        validate(
            &chain,
            &anchors,
            Revocation::Crls(lists),
            now,
            &OpenSslVerifier,
        )
        .map(|_| ())
    };
    let root = list(&hierarchy.root, hierarchy.root_signer.as_ref(), &[]);
    let signer = hierarchy.issuing_signer.as_ref();
    let unknown = Err(PathError::Certificate {
        depth: 0,
        fault: Fault::RevocationUnknown,
    });
    assert_eq!(check(std::slice::from_ref(&root), now()), unknown);
    let revoked = list(&hierarchy.issuing, signer, &[161]);
    let outcome = check(&[root.clone(), revoked], now());
    assert!(matches!(
        outcome,
        Err(PathError::Certificate {
            depth: 0,
            fault: Fault::Revoked {
                reason: CrlReason::KeyCompromise,
                ..
            }
        })
    ));
    let shard = hierarchy.issuing.publish.shard(&serial(161));
    let seed_in = |same: bool| {
        (162..=255_u8)
            .find(|seed| (hierarchy.issuing.publish.shard(&serial(*seed)) == shard) == same)
            .unwrap()
    };
    let good = list(&hierarchy.issuing, signer, &[seed_in(true)]);
    let foreign = list(&hierarchy.issuing, signer, &[seed_in(false)]);
    assert_eq!(check(&[root.clone(), good.clone()], now()), Ok(()));
    assert_eq!(check(&[root.clone(), foreign], now()), unknown);
    assert!(check(&[root, good], now() + LIFE + Duration::from_secs(1)).is_err());
}

#[test]
fn purpose_policy_and_work_are_limited() {
    let leaf = hierarchy().issue(&profile(ProfileName::CitizenAuth), 163);
    let chain = chain(leaf);
    let anchors = anchors();
    let check = |options: &Options<'_>| {
        validate_with(&chain, &anchors, options, now(), &OpenSslVerifier)
            .map(|valid| valid.policies)
    };
    let mut options = Options::new(Revocation::NotChecked);
    options.extended_key_usage = Some(ID_KP_CLIENT_AUTH);
    let own = crate::fixture::policies().person_authentication();
    assert_eq!(check(&options), Ok(BTreeSet::from([own.clone()])));
    options.extended_key_usage = Some(ID_KP_SERVER_AUTH);
    assert!(matches!(
        check(&options),
        Err(PathError::Certificate {
            depth: 0,
            fault: Fault::ExtendedKeyUsage
        })
    ));
    options.extended_key_usage = None;
    options.require_explicit_policy = true;
    options.initial_policies = BTreeSet::from([crate::fixture::policies().entity()]);
    assert!(matches!(
        check(&options),
        Err(PathError::Certificate {
            fault: Fault::Policy,
            ..
        })
    ));
    options.initial_policies = BTreeSet::from([own]);
    assert!(check(&options).is_ok());
    options.budget.signatures = 1;
    assert_eq!(check(&options), Err(PathError::Budget));
}

#[test]
fn a_certificate_of_another_hierarchy_has_no_path() {
    let leaf = hierarchy().issue(&profile(ProfileName::CitizenAuth), 164);
    let alone = [leaf];
    let anchors = anchors();
    let outcome = validate(
        &alone,
        &anchors,
        Revocation::NotChecked,
        now(),
        &OpenSslVerifier,
    );
    assert_eq!(outcome.map(|_| ()), Err(PathError::NoPath));
    let none = validate(
        &[],
        &anchors,
        Revocation::NotChecked,
        now(),
        &OpenSslVerifier,
    );
    assert_eq!(none.map(|_| ()), Err(PathError::Empty));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn a_changed_octet_never_panics_and_never_passes(at in 0_usize..700, flip in 1_u8..=255) {
        let leaf = hierarchy().issue(&profile(ProfileName::CitizenAuth), 165);
        let mut der = leaf.der().to_vec();
        let at = at % der.len();
        der[at] ^= flip;
        if let Ok(changed) = Certificate::from_der(&der) {
            let anchors = anchors();
            let chain = chain(changed);
            let outcome =
                validate(&chain, &anchors, Revocation::NotChecked, now(), &OpenSslVerifier);
            proptest::prop_assert!(outcome.is_err());
        }
    }
}
