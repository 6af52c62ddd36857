//! The `hsm-bridge` program with a software token linked in.

use std::process::ExitCode;

fn main() -> ExitCode {
    hsm_bridge_embedded::link();
    hsm_bridge::cli::run()
}
