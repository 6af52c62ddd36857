//! Where cargo put the shared library.

use std::path::PathBuf;

/// The name cargo gives the shared library.
const FILE: &str = if cfg!(target_os = "macos") {
    "libstrict_token.dylib"
} else {
    "libstrict_token.so"
};

/// Finds the shared library beside the running test program or benchmark, or in the folders above it.
///
/// Cargo builds it together with any test that depends on this crate, into `deps`, which is therefore looked at first: the copy beside
/// it is as old as the last `cargo build -p strict-token`, the command that the error names.
pub fn module_file() -> Result<PathBuf, String> {
    let program =
        std::env::current_exe().map_err(|e| format!("where this program lies is unknown: {e}"))?;
    program
        .ancestors()
        .skip(1)
        .take(3)
        .flat_map(|folder| [folder.join("deps").join(FILE), folder.join(FILE)])
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!(
                "{FILE} is not beside {}; run `cargo build -p strict-token` in the same profile and target folder",
                program.display()
            )
        })
}
