//! The strict token on a SoftHSM token of its own; each test has a process to itself, since a module has one life per process.
#![expect(dead_code, reason = "each test program uses its own part of the calls")]

pub(crate) mod module;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strict_token::{CONFIG_VARIABLE, Control, Settings};

pub(crate) use module::{Module, PIN};

/// Names the folder of its token to a process that runs one test alone.
const FOLDER_VARIABLE: &str = "STRICT_TOKEN_TEST_FOLDER";
/// Where Debian's package `softhsm2` puts the module.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// What a test finds in its own process.
pub(crate) struct Stage {
    pub(crate) control: Control,
    pub(crate) module: Module,
}

/// Runs `body` in a process of its own, with a strict token of these knobs.
pub(crate) fn alone(test: &str, knobs: &str, body: impl FnOnce(Stage)) {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        body(Stage {
            control: Control::open(&Path::new(&folder).join("control")).unwrap(),
            module: Module::load(),
        });
        return;
    }
    let folder = prepare(knobs);
    let ended = command(folder.path(), test).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Runs `body` in a process of its own as [`alone`] does, and `watch` meanwhile in this one, which may kill the other.
pub(crate) fn watched(
    test: &str,
    body: impl FnOnce(Stage),
    watch: impl FnOnce(&Control, std::process::Child),
) {
    if std::env::var_os(FOLDER_VARIABLE).is_some() {
        return alone(test, "", body);
    }
    let folder = prepare("");
    let control = Control::open(&folder.path().join("control")).unwrap();
    let child = command(folder.path(), test).spawn().unwrap();
    watch(&control, child);
}

/// A folder with SoftHSM's configuration, a control file and settings.
fn prepare(knobs: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    fs::create_dir(at("tokens")).unwrap();
    fs::write(
        at("softhsm2.conf"),
        format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            at("tokens").display()
        ),
    )
    .unwrap();
    Control::create(&at("control")).unwrap();
    let mut settings = Settings::new(SOFTHSM, at("control"));
    settings.knobs = toml::from_str(knobs).unwrap();
    settings.write(&at("strict.toml")).unwrap();
    folder
}

/// This very program again, for one test alone, with the settings in its environment.
fn command(folder: &Path, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER_VARIABLE, folder)
        .env(CONFIG_VARIABLE, folder.join("strict.toml"))
        .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"));
    command
}
