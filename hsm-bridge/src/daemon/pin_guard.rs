//! One attempt per PIN: what became of the PIN in a file is remembered, across restarts, by the identity of that file's content.
//!
//! Nothing about the PIN itself is kept, not even a hash: a short PIN would be found from it. A version is the file's inode, size and
//! time of writing, so writing the file anew is the operator's act that allows another attempt; what backups and tidiers do to its mode,
//! owner and links is none. A systemd credential is written anew at every start of the service, whoever starts it: only its size counts,
//! and the act is to remove what is remembered here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::LoginMode;
use crate::KeyStoreError;

/// What became of a version of the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// It was offered, and nothing more is known: the process may have ended in between.
    Offered,
    /// The token accepted it.
    Accepted,
    /// It was accepted once and is being offered again.
    OfferedAgain,
    /// The token refused it.
    Refused,
    /// The token is locked.
    Locked,
}

/// Identity of the content of a PIN file. The device it lies on is no part of it: many have another number after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    inode: u64,
    size: u64,
    written_s: i64,
    written_ns: i64,
}

impl Version {
    /// The version of an open file, by what it is to a login.
    pub(super) fn of(file: &File, login: LoginMode) -> io::Result<Self> {
        let found = file.metadata()?;
        if login == LoginMode::Credential {
            return Ok(Self {
                inode: 0,
                size: found.size(),
                written_s: 0,
                written_ns: 0,
            });
        }
        Ok(Self {
            inode: found.ino(),
            size: found.size(),
            written_s: found.mtime(),
            written_ns: found.mtime_nsec(),
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    version: Version,
    outcome: Outcome,
}

/// The memory of one token's PIN.
#[derive(Debug)]
pub(super) struct PinGuard {
    file: PathBuf,
}

impl PinGuard {
    /// The guard of a token, which remembers in a folder.
    pub(super) fn new(folder: &Path, token: &str) -> Self {
        Self {
            file: folder.join(format!("{token}.pin.json")),
        }
    }

    /// Whether an attempt with this version is allowed.
    pub(super) fn check(&self, version: Version) -> Result<(), KeyStoreError> {
        self.next(version).map(|_| ())
    }

    /// Allows one attempt with this version, and notes it before it is made: it is on the disk when this returns.
    pub(super) fn offer(&self, version: Version) -> Result<(), KeyStoreError> {
        let outcome = self.next(version)?;
        self.remember(&Memory { version, outcome })
    }

    /// What is to be noted of another attempt.
    fn next(&self, version: Version) -> Result<Outcome, KeyStoreError> {
        match self.remembered()? {
            Some(memory) if memory.version == version => match memory.outcome {
                Outcome::Accepted | Outcome::OfferedAgain => Ok(Outcome::OfferedAgain),
                Outcome::Refused | Outcome::Offered => Err(KeyStoreError::PinRefused),
                Outcome::Locked => Err(KeyStoreError::PinLocked),
            },
            _ => Ok(Outcome::Offered),
        }
    }

    /// Notes that the token was opened, could not be opened for a reason that says nothing about the PIN, or refused it.
    pub(super) fn settle(
        &self,
        version: Version,
        result: Result<(), &KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        let outcome = match result {
            Ok(()) => Outcome::Accepted,
            Err(KeyStoreError::PinRefused) => Outcome::Refused,
            Err(KeyStoreError::PinLocked) => Outcome::Locked,
            Err(_) => return self.withdraw(version),
        };
        self.remember(&Memory { version, outcome })
    }

    /// The PIN was not offered after all.
    fn withdraw(&self, version: Version) -> Result<(), KeyStoreError> {
        match self.remembered()? {
            Some(memory) if memory.version == version => match memory.outcome {
                Outcome::Offered => fs::remove_file(&self.file).map_err(|e| self.wrong(&e)),
                Outcome::OfferedAgain => self.remember(&Memory {
                    version,
                    outcome: Outcome::Accepted,
                }),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn wrong(&self, error: &dyn std::fmt::Display) -> KeyStoreError {
        KeyStoreError::Configuration(format!("{}: {error}", self.file.display()))
    }

    fn remembered(&self) -> Result<Option<Memory>, KeyStoreError> {
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| self.wrong(&e)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    /// Replaces the memory so that a crash leaves the old one or the new one.
    fn remember(&self, memory: &Memory) -> Result<(), KeyStoreError> {
        // A person's look at the token may write beside the daemon.
        let draft = self
            .file
            .with_extension(format!("{}.new", std::process::id()));
        let written = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            let folder = match self.file.parent() {
                Some(folder) if folder != Path::new("") => File::open(folder)?,
                _ => File::open(".")?,
            };
            // Written by root, it is still for the daemon to read.
            let (owner, own) = (folder.metadata()?, file.metadata()?);
            if (owner.uid(), owner.gid()) != (own.uid(), own.gid()) {
                fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
            file.write_all(&serde_json::to_vec(memory)?)?;
            file.sync_all()?;
            fs::rename(&draft, &self.file)?;
            // What is not on the disk would be offered again after a power cut.
            folder.sync_all()
        };
        written().map_err(|e| self.wrong(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(folder: &Path, pin: &str) -> Version {
        let path = folder.join("pin");
        let draft = folder.join("draft");
        fs::write(&draft, pin).unwrap();
        fs::rename(&draft, &path).unwrap();
        Version::of(&File::open(path).unwrap(), LoginMode::PinFile).unwrap()
    }

    #[test]
    fn a_refused_pin_is_never_offered_again_until_the_file_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let first = version(folder.path(), "1111");
        let guard = || PinGuard::new(folder.path(), "main");
        guard().offer(first).unwrap();
        guard()
            .settle(first, Err(&KeyStoreError::PinRefused))
            .unwrap();
        for _ in 0..3 {
            assert_eq!(guard().offer(first), Err(KeyStoreError::PinRefused));
        }
        let second = version(folder.path(), "2222 ");
        guard().offer(second).unwrap();
        guard().settle(second, Ok(())).unwrap();
        guard().offer(second).unwrap();
    }

    #[test]
    fn an_attempt_that_was_never_settled_counts_unless_the_pin_was_good_before() {
        let folder = tempfile::tempdir().unwrap();
        let version = version(folder.path(), "1111");
        let guard = PinGuard::new(folder.path(), "main");
        guard.offer(version).unwrap();
        assert_eq!(guard.offer(version), Err(KeyStoreError::PinRefused));
        let absent = KeyStoreError::TokenUnavailable("gone".to_owned());
        guard.settle(version, Err(&absent)).unwrap();
        guard.offer(version).unwrap();
        guard.settle(version, Ok(())).unwrap();
        guard.offer(version).unwrap();
        guard.offer(version).unwrap();
        guard
            .settle(version, Err(&KeyStoreError::PinLocked))
            .unwrap();
        assert_eq!(guard.offer(version), Err(KeyStoreError::PinLocked));
    }

    #[test]
    fn what_leaves_the_content_alone_allows_no_other_attempt() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let first = version(folder.path(), "1111");
        let path = folder.path().join("pin");
        let again = || Version::of(&File::open(&path).unwrap(), LoginMode::PinFile).unwrap();
        let guard = PinGuard::new(folder.path(), "main");
        guard.offer(first).unwrap();
        guard
            .settle(first, Err(&KeyStoreError::PinRefused))
            .unwrap();
        // A tidier of modes, and a backup of hard links.
        for mode in [0o400, 0o600] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::hard_link(&path, folder.path().join("backup")).unwrap();
        assert_eq!(guard.offer(again()), Err(KeyStoreError::PinRefused));
        fs::write(&path, "22222").unwrap();
        guard.offer(again()).unwrap();
    }
}
