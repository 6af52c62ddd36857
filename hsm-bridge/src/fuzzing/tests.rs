use std::fs;
use std::path::Path;

use super::*;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 11] = [
    ("request", request),
    ("reply", reply),
    ("stream", stream),
    ("policy", policy),
    ("certificate", certificate),
    ("list", list),
    ("audit_line", audit_line),
    ("order", order),
    ("approvals", approvals),
    ("administrator", administrator),
    ("evidence", evidence),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/fuzz")
}

/// The seeds of a target, and what once was found with it.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder().join("seeds").join(target)).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn every_target_holds_for_its_seeds_and_for_each_of_them_cut_short() {
    for (name, target) in TARGETS {
        let program = folder().join(format!("fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("fuzzing::{name}(")), "{name}");
        let seeds = seeds(name);
        assert!(seeds.len() > 1, "{name}");
        for seed in seeds {
            target(&seed);
            for length in 0..seed.len().min(2_000) {
                target(&seed[..length]);
            }
        }
    }
}

#[test]
fn each_kind_of_seed_is_let_pass_so_that_its_oracle_is_asked() {
    use crate::wire::{ReplyFrame, RequestFrame};

    let every = |target: &str, passes: &dyn Fn(&[u8]) -> bool| {
        for seed in seeds(target) {
            assert!(passes(&seed), "{target}: {seed:02x?}");
        }
    };
    every("request", &|seed| RequestFrame::decode(seed).is_ok());
    every("reply", &|seed| ReplyFrame::decode(seed).is_ok());
    every("policy", &|seed| {
        crate::policy::Policy::parse(std::str::from_utf8(seed).unwrap()).is_ok()
    });
    every("audit_line", &|seed| {
        crate::audit::line_reads(seed).is_some()
    });
    every("order", &|seed| crate::admin::Order::parse(seed).is_ok());
    every("approvals", &|seed| {
        let (order, file) = seed.split_at(orders::ORDER_LENGTH);
        crate::admin::Approvals::parse(file, order).is_ok()
    });
    every("administrator", &|seed| {
        crate::admin::Administrator::from_pem("sok", seed).is_ok()
    });
    every("evidence", &|seed| {
        crate::pkcs11::import_told_in(seed).is_some()
    });
    every("certificate", &to_be_signed::is_certificate);
    every("list", &|seed| to_be_signed::is_list(&seed[1..]));
}

#[test]
fn an_oracle_that_is_lied_to_says_so() {
    let Some(mut seed) = seeds("list").pop() else {
        panic!("no seed");
    };
    let piece = seed.remove(0);
    assert!(to_be_signed::is_list(&seed));
    seed.push(piece);
    assert!(!to_be_signed::is_list(&seed));
}
