//! The `idp` program.

fn main() -> std::process::ExitCode {
    service::cli::run::<idp::serve::Idp>()
}
