//! What the gate gives up once it listens: capabilities, files but those of its certificates, every other network connection.

use std::path::{Path, PathBuf};

use landlock::{
    Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rustix::thread::CapabilitySet;

use super::files::{LEVEL, SYSTEM, reading};
use super::{calls, privileges, wrong};
use crate::KeyStoreError;

/// Takes them, before there is a second thread. The folders of the files stay readable, since a renewal puts a new file in the place of
/// the old.
pub(in crate::daemon) fn gate<'a>(
    files: impl Iterator<Item = &'a Path>,
) -> Result<(), KeyStoreError> {
    privileges::drop(false, CapabilitySet::empty())?;
    let folder = |file: &Path| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders: Vec<PathBuf> = files.map(folder).collect();
    folders.extend(SYSTEM.iter().map(PathBuf::from).filter(|it| it.exists()));
    let failed = |e: landlock::RulesetError| wrong("Landlock", &e);
    let mut ruleset = Ruleset::default()
        .scope(Scope::from_all(LEVEL))
        .and_then(|it| it.handle_access(AccessNet::from_all(LEVEL)))
        .and_then(|it| it.handle_access(AccessFs::from_all(LEVEL)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    for path in folders {
        let named = |e: &dyn std::fmt::Display| wrong(&path.display().to_string(), e);
        let opened = PathFd::new(&path).map_err(|e| named(&e))?;
        let access = if path.is_dir() {
            reading()
        } else {
            reading() & AccessFs::from_file(LEVEL)
        };
        ruleset = ruleset
            .add_rule(PathBeneath::new(opened, access))
            .map_err(|e| named(&e))?;
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    calls::refuse(false)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::warn!("Landlock is not in force");
    }
    tracing::info!(landlock = ?status.ruleset, "confined");
    Ok(())
}
