//! The program `ca`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::cli::run::<ca::CertificateAuthority>()
}
