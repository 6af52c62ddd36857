//! Programs that nobody here wrote, and what they say.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where `name` is: on the path, or in the project's Python environment. Without it the caller does not run, in words.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([local])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        eprintln!("not run: {name} is not installed");
    }
    found
}

/// Runs a program and gives whether it was content, and all it said.
pub(super) fn run(program: &Path, arguments: &[&str]) -> (bool, String) {
    let output: Output = Command::new(program)
        .args(arguments)
        .output()
        .expect("a program that runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}
