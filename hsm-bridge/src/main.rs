//! The `hsm-bridge` program: the daemon, and what people need to look after a token.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
