//! The `hsm-bridge` program: the daemon, and what people need to look after a token.

use std::process::ExitCode;

fn main() -> ExitCode {
    hsm_bridge::cli::run()
}
