//! NIST PKITS: every case's verdict must be the expected one, or stand in the list of exceptions,
//! in which an unexpected success fails too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use hsm_bridge::verify::OpenSslVerifier;
use serde::Deserialize;

use super::*;
use crate::crl;

/// 2011-04-15T00:00:00Z, the day the suite is dated.
const NOW: u64 = 1_302_825_600;
const POLICY_ARC: &str = "2.16.840.1.101.3.2.1.48.";
const POLICY_PREFIX: &str = "NIST-test-policy-";

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the suite's own table")]
struct Case {
    test: String,
    title: String,
    certificates: Vec<String>,
    crls: Vec<String>,
    valid: bool,
    user_constrained_policy_set: Option<Vec<String>>,
    initial_policy_set: Option<Vec<String>>,
    #[serde(default)]
    initial_explicit_policy: bool,
    #[serde(default)]
    initial_policy_mapping_inhibit: bool,
    #[serde(default)]
    initial_inhibit_any_policy: bool,
}

#[derive(Deserialize)]
struct Exception {
    title: String,
    reason: String,
}

fn policy(name: &str) -> Oid {
    if name == "anyPolicy" {
        return Oid::any_policy();
    }
    let number = name.strip_prefix(POLICY_PREFIX).unwrap();
    format!("{POLICY_ARC}{number}").parse().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "where test data lies is the tester's to say"
)]
fn data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var("ROMDUOL_TEST_DATA").map_or_else(|_| beside(), PathBuf::from);
    let folder = root.join("pkits");
    folder.is_dir().then_some(folder)
}

/// `Err` tells why the case came out differently from what the suite expects.
fn run(case: &Case, folder: &std::path::Path) -> Result<(), String> {
    let certificate = |name: &String| {
        let der = std::fs::read(folder.join("certs").join(format!("{name}.crt"))).unwrap();
        Certificate::from_der(&der).map_err(|error| format!("{name}: {error}"))
    };
    let parsed: Result<Vec<_>, _> = case.certificates.iter().map(certificate).collect();
    let lists = case.crls.iter().filter_map(|name| {
        let der = std::fs::read(folder.join("crls").join(format!("{name}.crl"))).unwrap();
        crl::parse(&der).ok()
    });
    let lists: Vec<_> = lists.collect();
    let certificates = match parsed {
        Ok(certificates) => certificates,
        Err(error) => return if case.valid { Err(error) } else { Ok(()) },
    };
    let (anchor, rest) = certificates.split_first().unwrap();
    let chain: Vec<_> = rest.iter().rev().cloned().collect();
    let initial = case
        .initial_policy_set
        .iter()
        .flatten()
        .map(|name| policy(name))
        .collect();
    let options = Options {
        initial_policies: initial,
        require_explicit_policy: case.initial_explicit_policy,
        inhibit_policy_mapping: case.initial_policy_mapping_inhibit,
        inhibit_any_policy: case.initial_inhibit_any_policy,
        ..Options::new(Revocation::Crls(&lists))
    };
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let outcome = validate_with(
        &chain,
        std::slice::from_ref(anchor),
        &options,
        now,
        &OpenSslVerifier,
    );
    match (case.valid, outcome) {
        (true, Err(error)) => Err(format!("refused: {error}")),
        (false, Ok(_)) => Err("accepted".to_owned()),
        (false, Err(_)) => Ok(()),
        (true, Ok(valid)) => check_policies(case, &valid.policies),
    }
}

fn check_policies(case: &Case, found: &BTreeSet<Oid>) -> Result<(), String> {
    let default = vec![format!("{POLICY_PREFIX}1")];
    let names = case
        .user_constrained_policy_set
        .as_ref()
        .unwrap_or(&default);
    let expected: BTreeSet<Oid> = names.iter().map(|name| policy(name)).collect();
    if *found == expected {
        Ok(())
    } else {
        Err(format!("policies {found:?}"))
    }
}

#[test]
fn pkits_agrees() {
    let Some(folder) = data() else {
        println!("not run: PKITS (no test data)");
        return;
    };
    let cases = std::fs::read(folder.join("expectations.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    let exceptions: Vec<Exception> =
        serde_json::from_str(include_str!("pkits_exceptions.json")).unwrap();
    let mut exceptions: BTreeMap<String, String> = exceptions
        .into_iter()
        .map(|one| (one.title, one.reason))
        .collect();
    let mut wrong = Vec::new();
    let mut passed = 0;
    for case in &cases {
        let outcome = run(case, &folder);
        let excepted = exceptions.remove(&case.title);
        match (outcome, excepted) {
            (Ok(()), None) => passed += 1,
            (Err(_), Some(_)) => {}
            (Ok(()), Some(reason)) => {
                wrong.push(format!(
                    "{} {}: passes, although {reason}",
                    case.test, case.title
                ));
            }
            (Err(error), None) => wrong.push(format!("{} {}: {error}", case.test, case.title)),
        }
    }
    wrong.extend(
        exceptions
            .into_keys()
            .map(|title| format!("no such case: {title}")),
    );
    println!("PKITS: {passed} of {} cases agree", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
