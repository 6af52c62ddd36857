//! Checkpoints: the head of the log, signed. A checkpoint stands in the log as a line and beside it in `checkpoint.json`.
//!
//! `checkpoint.json.new` is written before the line and renamed after it, so that one of the two files is always the newest checkpoint
//! of the log, whenever the bridge is interrupted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;

use super::entry::{Entry, Event};
use super::error::AuditError;
use super::finding::{Finding, What};
use super::hash::{Hash, LogId, Witness, parse_hex_bytes, push_hex};
use super::log::{Durability, Log};
use super::record::micros;
use crate::{KeyId, SignatureScheme, SignatureVerifier, Signer};

/// What begins the signed bytes; no other signature of the platform begins so.
const DOMAIN: &[u8] = b"romduol hsm-bridge audit checkpoint 1\0";

/// A checkpoint's line stands at most this many lines after the line it signs, so that a verifier remembers no more hashes.
pub(super) const MAX_DISTANCE: u64 = 65_536;

/// The newest checkpoint, beside the log.
const FILE: &str = "checkpoint.json";
/// A checkpoint whose line is being written.
const PENDING: &str = "checkpoint.json.new";

/// The head of a log, signed with an audit key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// The last line that is covered, and with it all before.
    pub head: Witness,
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// The audit key.
    pub key: KeyId,
    /// How it signed.
    pub scheme: SignatureScheme,
    /// The signature over [`Checkpoint::message`].
    pub signature: Vec<u8>,
}

/// A checkpoint as `checkpoint.json` holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    log: &'a str,
    sequence: u64,
    head: &'a str,
    at_us: u64,
    key_id: &'a str,
    scheme: &'a str,
    signature: &'a str,
}

/// What one of the two files holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Unreadable,
    Checkpoint(Box<Checkpoint>),
}

impl Kept {
    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::Checkpoint(checkpoint) => Some(checkpoint),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

impl Checkpoint {
    /// The signed bytes: the domain, the log's name (16), the number (8, big-endian), the hash (32), the time (8, big-endian).
    pub fn message(log: LogId, head: &Witness, at_us: u64) -> Vec<u8> {
        [
            DOMAIN,
            log.as_bytes(),
            &head.sequence.to_be_bytes(),
            head.hash.as_bytes(),
            &at_us.to_be_bytes(),
        ]
        .concat()
    }

    /// Checks the signature with whichever of `keys` made it; a checkpoint of none of them is foreign.
    pub(super) fn verify(
        &self,
        keys: &[SubjectPublicKeyInfoOwned],
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), What> {
        let key = keys
            .iter()
            .find(|key| KeyId::of(key) == Ok(self.key))
            .ok_or(What::ForeignCheckpoint)?;
        let message = Self::message(self.log, &self.head, self.at_us);
        verifier
            .verify(key, self.scheme, &message, &self.signature)
            .map_err(|_| What::ForgedCheckpoint)
    }

    /// The checkpoint that a line holds.
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        Self::assemble(&Written {
            log: entry.log?,
            sequence: entry.through?,
            head: entry.head?,
            at_us: entry.at_us,
            key_id: entry.key_id?,
            scheme: entry.scheme?,
            signature: entry.signature?,
        })
    }

    fn assemble(written: &Written<'_>) -> Option<Self> {
        Some(Self {
            log: LogId::parse(written.log)?,
            head: Witness {
                sequence: written.sequence,
                hash: Hash::parse(written.head)?,
            },
            at_us: written.at_us,
            key: written.key_id.parse().ok()?,
            scheme: SignatureScheme::from_jose_alg(written.scheme)?,
            signature: parse_hex_bytes(written.signature)?,
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let checkpoint = Self::assemble(&serde_json::from_slice(bytes).ok()?)?;
        (checkpoint.encode().ok()? == bytes).then_some(checkpoint)
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let digits = Digits::of(self);
        let mut bytes = serde_json::to_vec(&Written {
            log: &digits.log,
            sequence: self.head.sequence,
            head: &digits.head,
            at_us: self.at_us,
            key_id: &digits.key,
            scheme: self.scheme.jose_alg(),
            signature: &digits.signature,
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A checkpoint's bytes as text.
struct Digits {
    log: String,
    head: String,
    key: String,
    signature: String,
}

impl Digits {
    fn of(checkpoint: &Checkpoint) -> Self {
        let mut signature = Vec::new();
        push_hex(&mut signature, &checkpoint.signature);
        Self {
            log: checkpoint.log.to_string(),
            head: checkpoint.head.hash.to_string(),
            key: checkpoint.key.to_string(),
            signature: String::from_utf8(signature).unwrap_or_default(),
        }
    }
}

fn load(path: &Path) -> io::Result<Kept> {
    match fs::read(path) {
        Ok(bytes) => Ok(
            Checkpoint::parse(&bytes).map_or(Kept::Unreadable, |checkpoint| {
                Kept::Checkpoint(Box::new(checkpoint))
            }),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::Nothing),
        Err(error) => Err(error),
    }
}

/// The newest finished checkpoint beside the log, and the one that was being written.
pub(super) fn kept(folder: &Path) -> Result<(Kept, Kept), Finding> {
    load(&folder.join(FILE))
        .and_then(|newest| Ok((newest, load(&folder.join(PENDING))?)))
        .map_err(|e| Finding::folder(What::Unreadable(format!("{FILE}: {e}"))))
}

/// Ends what an interruption left half done: a pending checkpoint becomes the newest when its line is in the log, else it goes away.
pub(super) fn finish_pending(folder: &Path, its_line_is_there: bool) -> io::Result<()> {
    let pending: PathBuf = folder.join(PENDING);
    if its_line_is_there {
        fs::rename(pending, folder.join(FILE))?;
    } else {
        fs::remove_file(pending)?;
    }
    File::open(folder)?.sync_all()
}

impl Log {
    /// Signs the head of the log and keeps the signature in the log and beside it, on the disk. The log goes on meanwhile.
    ///
    /// A refusal of the signer leaves the log as it was; an error of the system ends it, as one of [`Log::append`] does.
    pub fn checkpoint(
        &self,
        signer: &dyn Signer,
        at: SystemTime,
    ) -> Result<Checkpoint, AuditError> {
        let _one_at_a_time = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = KeyId::of(signer.public_key()).map_err(AuditError::Signer)?;
        let head = self.head();
        let at_us = at.duration_since(UNIX_EPOCH).map_or(0, micros);
        let signature = signer
            .sign(&Checkpoint::message(self.id, &head, at_us))
            .map_err(AuditError::Signer)?;
        let checkpoint = Checkpoint {
            log: self.id,
            head,
            at_us,
            key,
            scheme: signer.scheme(),
            signature,
        };
        self.keep(&checkpoint)
            .map_err(|e| self.poison(&self.folder.join(PENDING), &e))?;
        self.append_checkpoint(&checkpoint, at)?;
        finish_pending(&self.folder, true).map_err(|e| self.poison(&self.folder.join(FILE), &e))?;
        Ok(checkpoint)
    }

    fn keep(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.folder.join(PENDING))?;
        file.write_all(&checkpoint.encode()?)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }

    fn append_checkpoint(&self, checkpoint: &Checkpoint, at: SystemTime) -> Result<(), AuditError> {
        let digits = Digits::of(checkpoint);
        let entry = Entry {
            event: Event::Checkpoint,
            log: Some(&digits.log),
            key_id: Some(&digits.key),
            scheme: Some(checkpoint.scheme.jose_alg()),
            through: Some(checkpoint.head.sequence),
            head: Some(&digits.head),
            signature: Some(&digits.signature),
            ..Entry::default()
        };
        let mut writer = self.writer();
        if writer.head.sequence - checkpoint.head.sequence >= MAX_DISTANCE {
            return Err(AuditError::Overtaken);
        }
        let written = self.write(&mut writer, entry, at);
        drop(writer);
        self.settle(written?, Durability::Synced).map(|_| ())
    }
}
