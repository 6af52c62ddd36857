//! The folders of a worker with a user of its own: made and handed over by the supervisor, who alone can.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, lchown};
use std::path::Path;

use crate::KeyStoreError;
use crate::daemon::config::TokenSettings;

/// Mode of the folder of a log.
const PRIVATE: u32 = 0o700;
/// What lets others walk through a folder to one that is theirs.
const WALK: u32 = 0o011;
/// Mode of the folder above it, which every worker must be able to walk through and to sync.
const SHARED: u32 = 0o755;

/// Makes the folder of a token's log and gives it to the user its worker runs under, with a log that is in it already.
///
/// A folder that belongs to that user is left alone: what lies in it was made by a worker, which is not to be obeyed about owners.
pub(in crate::daemon) fn hand_over(
    audit_folder: &Path,
    token: &TokenSettings,
) -> Result<(), KeyStoreError> {
    if token.uid.is_none() && token.gid.is_none() {
        return Ok(());
    }
    let folder = audit_folder.join(&token.name);
    give(audit_folder, &folder, token.uid, token.gid).map_err(|e| {
        KeyStoreError::Configuration(format!(
            "giving {} to the user of token '{}': {e}",
            folder.display(),
            token.name
        ))
    })
}

/// Does the same for a folder of the token's own, sealed keys or used orders, which lies below the folder of the daemon's own state.
pub(in crate::daemon) fn hand_over_private(
    state_folder: &Path,
    folder: &Path,
    token: &TokenSettings,
) -> Result<(), KeyStoreError> {
    if token.uid.is_none() && token.gid.is_none() {
        return Ok(());
    }
    let work = || {
        open_to(state_folder, WALK)?;
        let above = folder.parent().unwrap_or(state_folder);
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(above)?;
        give(above, folder, token.uid, token.gid)
    };
    work().map_err(|e: io::Error| {
        KeyStoreError::Configuration(format!(
            "giving {} to the user of token '{}': {e}",
            folder.display(),
            token.name
        ))
    })
}

/// Adds bits to a folder's mode.
fn open_to(folder: &Path, bits: u32) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & bits == bits {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode | bits))
}

fn give(above: &Path, folder: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    open_to(above, SHARED)?;
    match DirBuilder::new().mode(PRIVATE).create(folder) {
        Ok(()) => File::open(above)?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let is = |wanted: Option<u32>, found| wanted.is_none_or(|wanted| wanted == found);
    if is(uid, found.uid()) && is(gid, found.gid()) {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(PRIVATE))?;
    give_content(folder, uid, gid)?;
    chown(folder, uid, gid)
}

/// Links are given, never followed.
fn give_content(folder: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_content(&entry.path(), uid, gid)?;
        }
        lchown(entry.path(), uid, gid)?;
    }
    Ok(())
}
