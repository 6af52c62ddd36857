//! Sealed files named by the SHA-256 of their sealed content. All calls block.
//!
//! A file is complete or absent: it is written beside its place, flushed, renamed, and the folder flushed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Largest sealed file read back: the largest file taken, and room for what sealing adds.
const MAX_SEALED: u64 = super::MAX_BYTES as u64 * 2;

/// A folder of sealed files; cheap to clone.
#[derive(Debug, Clone)]
pub struct EvidenceFiles(PathBuf);

/// A file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The folder or disk.
    #[error("evidence file: {0}")]
    Io(#[from] io::Error),
    /// The content is not what its name says.
    #[error("evidence file is damaged")]
    Damaged,
}

impl EvidenceFiles {
    /// Opens the folder and makes it, for our own user only, where it is missing.
    pub fn open(folder: &Path) -> Result<Self, FileError> {
        private_folder(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Stores sealed content durably and returns its name.
    pub fn write(&self, sealed: &[u8]) -> Result<[u8; 32], FileError> {
        let digest: [u8; 32] = Sha256::digest(sealed).into();
        let path = self.path(&digest);
        let folder = path.parent().unwrap_or(&self.0);
        private_folder(folder)?;
        // The nonce inside makes every sealed content new, so this name is nobody else's.
        let beside = path.with_extension("part");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(sealed)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(digest)
    }

    /// Reads sealed content back and compares it with its name.
    pub fn read(&self, digest: &[u8; 32]) -> Result<Vec<u8>, FileError> {
        let mut sealed = Vec::new();
        File::open(self.path(digest))?
            .take(MAX_SEALED + 1)
            .read_to_end(&mut sealed)?;
        let found: [u8; 32] = Sha256::digest(&sealed).into();
        if found == *digest {
            Ok(sealed)
        } else {
            Err(FileError::Damaged)
        }
    }

    /// Removes a file; a missing one is no error.
    pub fn remove(&self, digest: &[u8; 32]) -> Result<(), FileError> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn path(&self, digest: &[u8; 32]) -> PathBuf {
        let name = super::hex(digest);
        let (folder, _) = name.split_at_checked(2).unwrap_or((&name, ""));
        self.0.join(folder).join(&name)
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    match folder.parent() {
        Some(parent) if parent.is_dir() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
