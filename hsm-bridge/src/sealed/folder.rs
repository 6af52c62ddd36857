//! The folder of sealed keys: a file each, spread over 4096 folders by the first digits of the key's id.
//!
//! A file's name carries the key's id and a digest of its label, so that a start reads names alone, however many keys there are. A file
//! is written beside its place, brought to the disk and then moved, so it is there whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::file::MAX_FILE;
use crate::{KeyId, KeyLabel, KeyStoreError};

/// Digits of an id that name its folder.
const FAN_DIGITS: usize = 3;
/// Ends the names of files that are being written.
const UNDER_WAY: &str = ".tmp";

/// Stands for a label in memory and in names; two labels of one digest do not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LabelDigest(u128);

impl LabelDigest {
    pub(super) fn of(label: &KeyLabel) -> Self {
        let digest = Sha256::digest(label.as_str());
        Self(
            digest
                .iter()
                .take(16)
                .fold(0, |number, byte| number << 8 | u128::from(*byte)),
        )
    }
}

/// The name of one key's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) id: KeyId,
    pub(super) label: LabelDigest,
}

impl Name {
    fn text(self) -> String {
        format!("{}-{:032x}", self.id, self.label.0)
    }

    fn parse(text: &OsStr) -> Option<Self> {
        let (id, label) = text.to_str()?.split_once('-')?;
        let name = Self {
            id: id.parse().ok()?,
            label: LabelDigest(u128::from_str_radix(label, 16).ok()?),
        };
        // One name has one notation.
        (name.text().as_str() == text).then_some(name)
    }
}

/// The folder of one token's keys; nothing is made before the first key is.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn wrong(&self, what: &str, error: &io::Error) -> KeyStoreError {
        KeyStoreError::Configuration(format!(
            "sealed keys in {}: {what}: {error}",
            self.0.display()
        ))
    }

    fn leaf(&self, id: KeyId) -> PathBuf {
        self.0
            .join(id.to_string().get(..FAN_DIGITS).unwrap_or_default())
    }

    /// Gives every name to `each`, and removes what was being written when an earlier process ended; for the one process that writes.
    pub(super) fn scan(
        &self,
        each: impl FnMut(Name) -> Result<(), KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        self.walk(each, |path| fs::remove_file(path))
    }

    /// Gives every name to `each` and changes nothing, whoever writes meanwhile.
    pub(super) fn look(
        &self,
        each: impl FnMut(Name) -> Result<(), KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        self.walk(each, |_| Ok(()))
    }

    fn walk(
        &self,
        mut each: impl FnMut(Name) -> Result<(), KeyStoreError>,
        under_way: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<(), KeyStoreError> {
        let wrong = |e: io::Error| self.wrong("reading", &e);
        let leaves = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(wrong)?,
        };
        for leaf in leaves {
            let leaf = leaf.map_err(wrong)?.path();
            // The names first: what `each` does to a file may bring its name up again.
            let mut names = Vec::new();
            for entry in fs::read_dir(&leaf).map_err(wrong)? {
                let entry = entry.map_err(wrong)?;
                let text = entry.file_name();
                match Name::parse(&text) {
                    Some(name) if self.leaf(name.id) == leaf => names.push(name),
                    _ if text.to_str().is_some_and(|text| text.ends_with(UNDER_WAY)) => {
                        under_way(&entry.path()).map_err(wrong)?;
                    }
                    _ => {
                        tracing::warn!(file = %entry.path().display(), "not a sealed key; it is left alone");
                    }
                }
            }
            names.into_iter().try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// The content of a file; a missing one is [`KeyStoreError::KeyRefused`], since its name was known.
    pub(super) fn read(&self, name: Name) -> Result<Vec<u8>, KeyStoreError> {
        let path = self.leaf(name.id).join(name.text());
        let read = || {
            let mut bytes = Vec::new();
            let limit = u64::try_from(MAX_FILE)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            File::open(&path)?.take(limit).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e: io::Error| {
            KeyStoreError::KeyRefused(format!("{}: its file cannot be read: {e}", name.id))
        })
    }

    /// Writes a file, or replaces it, and brings it to the disk.
    pub(super) fn write(&self, name: Name, bytes: &[u8]) -> Result<(), KeyStoreError> {
        let leaf = self.leaf(name.id);
        let work = || {
            if !leaf.is_dir() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&leaf)?;
                sync(&self.0)?;
                if let Some(above) = self.0.parent() {
                    sync(above)?;
                }
            }
            let beside = leaf.join(format!("{}{UNDER_WAY}", name.id));
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            // Written by an operator, it is still for the worker to read.
            let (owner, own) = (fs::metadata(&leaf)?, file.metadata()?);
            if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
                fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, leaf.join(name.text()))?;
            sync(&leaf)
        };
        work().map_err(|e| self.wrong("writing", &e))
    }

    /// Removes a file for good; one that is gone already is no error.
    pub(super) fn remove(&self, name: Name) -> Result<(), KeyStoreError> {
        let leaf = self.leaf(name.id);
        let work = || {
            match fs::remove_file(leaf.join(name.text())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            sync(&leaf)
        };
        work().map_err(|e| self.wrong("removing", &e))
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
