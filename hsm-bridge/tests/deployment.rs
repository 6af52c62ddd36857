//! The units that are shipped, scored by systemd itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// The highest exposures that pass, in tenths: 0.0 is nothing, 10.0 is a service without any protection. What is seen stands in
/// `docs/deployment/hsm-bridge.md`; releases of systemd differ by a few tenths. The gate has the network, which counts for most of its.
const BRIDGE: u32 = 10;
const GATE: u32 = 15;

#[test]
fn the_unit_of_the_bridge_scores_as_its_page_says() {
    scores("hsm-bridge.service", BRIDGE);
}

#[test]
fn the_unit_of_the_gate_scores_as_its_page_says() {
    scores("hsm-bridge-gate.service", GATE);
}

fn scores(name: &str, threshold: u32) {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/deployment")
        .join(name);
    let threshold = format!("--threshold={threshold}");
    let scored = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", &threshold])
        .arg(&unit)
        .output();
    let scored = match scored {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("not run: systemd-analyze is not installed");
            return;
        }
        other => other.unwrap(),
    };
    let complained = String::from_utf8_lossy(&scored.stderr);
    if complained.contains("unrecognized option") {
        println!("not run: systemd-analyze is older than 250 and scores no file");
        return;
    }
    let said = String::from_utf8_lossy(&scored.stdout);
    assert!(scored.status.success(), "{said}{complained}");
    assert!(said.contains("Overall exposure level"), "{said}");
    // An unknown or misspelt setting is ignored by systemd, with a word about it.
    assert!(!complained.contains(&format!("{name}:")), "{complained}");
}
