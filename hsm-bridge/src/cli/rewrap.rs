//! A new generation of the key that wraps sealed keys.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use hsm_bridge::KeyStoreError;
use hsm_bridge::daemon;

use super::ConfigFile;

/// What `rewrap` needs to know.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Name of the token in the configuration; may be left out when there is one.
    #[arg(long)]
    token: Option<String>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is to the left of the room that hands clocks out"
)]
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, KeyStoreError> {
    let config = arguments.file.load()?;
    let Some(done) = daemon::rewrap(&config, arguments.token.as_deref(), SystemTime::now())? else {
        println!("hsm-bridge: the token has sealed no key");
        return Ok(ExitCode::SUCCESS);
    };
    for (_, error) in &done.failed {
        println!("hsm-bridge: {error}");
    }
    println!(
        "hsm-bridge: bridge/sealed/g{} wraps {} keys now, {} of them since before, {} could not be rewrapped",
        done.generation,
        done.rewrapped + done.before,
        done.before,
        done.failed.len()
    );
    if done.failed.is_empty() && done.generation > 1 {
        println!(
            "hsm-bridge: copies of files from before still open under bridge/sealed/g{}; `admin draft destroy-secret --label bridge/sealed/g{} --purpose key-encryption` orders its end",
            done.generation - 1,
            done.generation - 1
        );
    }
    Ok(if done.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
