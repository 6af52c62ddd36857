//! A process, a folder and a token for each test: a module has one life per process, and reads its configuration once.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hsm_bridge::testing::{self, KRYOPTIC_FILE, MODULE_VARIABLE, write_configuration};
use strict_token::{CONFIG_VARIABLE, Control, Settings};

/// What the package with the token linked in calls its shared library.
pub(crate) const LINKED_MODULE: &str = "libhsm_bridge_embedded.so";
/// The package whose tests are about the token that it links in.
const LINKING_PACKAGE: &str = "hsm-bridge-embedded";
/// The control file of the strict token, in a test's folder.
pub(crate) const CONTROL_FILE: &str = "control";
/// The settings of the strict token, in a test's folder.
const SETTINGS_FILE: &str = "strict.toml";

/// The module that a suite is about, bare or wrapped: the one that the environment names; else the linked-in token, where the suite
/// is built beside it, whose OpenSSL verifies what it signs; else SoftHSM.
pub(crate) fn module() -> PathBuf {
    if std::env::var_os(MODULE_VARIABLE).is_none() && env!("CARGO_PKG_NAME") == LINKING_PACKAGE {
        // Cargo puts it where it puts the tests that it is built for.
        return std::env::current_exe()
            .unwrap()
            .with_file_name(LINKED_MODULE);
    }
    testing::module()
}

/// Writes what the tokens of a folder read: for SoftHSM and kryoptic, and for the strict token that wraps the suite's module.
pub(crate) fn furnish(folder: &Path, strict: impl FnOnce(&mut Settings)) {
    write_configuration(folder).unwrap();
    Control::create(&folder.join(CONTROL_FILE)).unwrap();
    let mut settings = Settings::new(module(), folder.join(CONTROL_FILE));
    strict(&mut settings);
    settings.write(&folder.join(SETTINGS_FILE)).unwrap();
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) passed: bool,
    pub(crate) said: String,
}

/// Runs one test of this very program in a process of its own, with the tokens of a furnished folder and more variables.
pub(crate) fn again(test: &str, folder: &Path, variables: &[(&str, &OsStr)]) -> Ended {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"))
        .env("KRYOPTIC_CONF", folder.join(KRYOPTIC_FILE))
        .env(CONFIG_VARIABLE, folder.join(SETTINGS_FILE))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ended.stdout);
    Ended {
        passed: ended.status.success() && out.contains("1 passed"),
        said: format!(
            "{}\n{out}\n{}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr)
        ),
    }
}
