//! Running the gate, and what is told of it to people.

use std::path::Path;
use std::process::ExitCode;

use hsm_bridge::KeyStoreError;
use hsm_bridge::daemon::{self, GateConfig, Standing};

/// Runs the gate, or looks at what it needs.
pub(super) fn run(file: &Path, check: bool) -> Result<ExitCode, KeyStoreError> {
    let config = GateConfig::load(file, std::env::vars())?;
    if !check {
        daemon::run_gate(&config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut wrong = 0;
    for finding in daemon::check_gate(&config) {
        let word = match finding.standing {
            Standing::Right => "ok",
            Standing::Soon => "SOON",
            Standing::Wrong => "WRONG",
        };
        wrong += usize::from(finding.standing == Standing::Wrong);
        println!("hsm-bridge: {word:<5} {}", finding.text);
    }
    match wrong {
        0 => println!("hsm-bridge: everything is in place"),
        1 => println!("hsm-bridge: one thing is wrong"),
        more => println!("hsm-bridge: {more} things are wrong"),
    }
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
