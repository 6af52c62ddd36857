//! The status service.

fn main() -> std::process::ExitCode {
    service::cli::run::<ocsp::Ocsp>()
}
