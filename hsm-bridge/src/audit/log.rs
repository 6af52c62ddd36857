//! The log as it is written: one mutex in which a line is numbered, chained and handed to the system.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::MAX_LINE_BYTES;
use super::commit::Commit;
use super::entry::Entry;
use super::error::AuditError;
use super::hash::{Hash, LogId, Witness, push_hex};
use super::medium::Medium;
use super::record::{Digits, Record, micros};
use super::segment;

/// The appender whose line fills this many bytes brings them to the disk, also when nobody waits for it: a loss of power costs no more
/// than this, and closing a segment never waits for a whole one.
const SYNC_BEHIND_BYTES: u64 = 4 * 1024 * 1024;

/// How long a line must last before [`Log::append`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The system has it: it survives the death of the process by any signal.
    Buffered,
    /// The disk has it: it survives a loss of power.
    Synced,
}

/// The number of a line; lines are numbered from 1 for as long as the log exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub(super) u64);

impl Sequence {
    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A log that is open for writing; the only one of its folder, on all of the machine.
pub struct Log {
    pub(super) folder: PathBuf,
    pub(super) id: LogId,
    pub(super) medium: Box<dyn Medium>,
    segment_bytes: u64,
    writer: Mutex<Writer>,
    commit: Commit,
    poisoned: AtomicBool,
    /// Checkpoints are made one at a time.
    pub(super) sealing: Mutex<()>,
    /// The folder, locked for as long as the log is open.
    _lock: File,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("folder", &self.folder)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Where the next line goes.
pub(super) struct Writer {
    pub(super) file: Arc<File>,
    pub(super) segment: u64,
    /// Bytes in the segment.
    pub(super) length: u64,
    /// Number and hash of the last line; number 0 before the first.
    pub(super) head: Witness,
    /// Bytes written since somebody was last told to sync.
    behind: u64,
    line: Vec<u8>,
    prev: Vec<u8>,
    digits: Digits,
}

impl Writer {
    /// Continues a segment after its last line.
    pub(super) fn after(file: File, segment: u64, length: u64, head: Witness) -> Self {
        let mut prev = Vec::with_capacity(64);
        push_hex(&mut prev, head.hash.as_bytes());
        Self {
            file: Arc::new(file),
            segment,
            length,
            head,
            behind: 0,
            line: Vec::with_capacity(MAX_LINE_BYTES + 1),
            prev,
            digits: Digits::default(),
        }
    }

    /// Puts the entry's line into `self.line`.
    fn encode(&mut self, entry: Entry<'_>, at: SystemTime) -> Result<(), AuditError> {
        self.line.clear();
        Entry {
            sequence: self.head.sequence + 1,
            at_us: at.duration_since(UNIX_EPOCH).map_or(0, micros),
            prev: std::str::from_utf8(&self.prev).unwrap_or_default(),
            ..entry
        }
        .encode(&mut self.line);
        if self.line.len() > MAX_LINE_BYTES {
            return Err(AuditError::TooLong);
        }
        self.line.push(b'\n');
        Ok(())
    }

    /// Takes the line in `self.line` for written.
    fn advance(&mut self) {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        self.head = Witness {
            sequence: self.head.sequence + 1,
            hash: Hash::of(line),
        };
        self.prev.clear();
        push_hex(&mut self.prev, self.head.hash.as_bytes());
        self.length += self.line_bytes();
        self.behind += self.line_bytes();
    }

    fn line_bytes(&self) -> u64 {
        u64::try_from(self.line.len()).unwrap_or(u64::MAX)
    }
}

/// What opening a log finds or makes.
pub(super) struct Parts {
    pub(super) folder: PathBuf,
    pub(super) id: LogId,
    pub(super) medium: Box<dyn Medium>,
    pub(super) segment_bytes: u64,
    pub(super) writer: Writer,
    pub(super) lock: File,
}

impl Log {
    pub(super) fn from_parts(parts: Parts) -> Self {
        Self {
            folder: parts.folder,
            id: parts.id,
            medium: parts.medium,
            segment_bytes: parts.segment_bytes,
            writer: Mutex::new(parts.writer),
            commit: Commit::default(),
            poisoned: AtomicBool::new(false),
            sealing: Mutex::new(()),
            _lock: parts.lock,
        }
    }

    /// The log's name.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// The last line: what a witness elsewhere should remember.
    pub fn head(&self) -> Witness {
        self.writer().head
    }

    /// Whether the log takes more; once it does not, it must be opened anew.
    pub fn is_sound(&self) -> bool {
        !self.poisoned.load(Ordering::Relaxed)
    }

    /// Writes a record and returns its number when it lasts as asked. Lines stand in the order of their numbers, whoever appends.
    ///
    /// After an error what the record is about must not happen, or its result must not be given out; all errors but
    /// [`AuditError::TooLong`] are for good, until the log is opened anew.
    pub fn append(
        &self,
        record: &Record<'_>,
        at: SystemTime,
        durability: Durability,
    ) -> Result<Sequence, AuditError> {
        let mut writer = self.writer();
        let mut digits = std::mem::take(&mut writer.digits);
        digits.fill(record);
        let written = self.write(&mut writer, record.entry(&digits), at);
        writer.digits = digits;
        drop(writer);
        self.settle(written?, durability)
    }

    /// Returns when every line written so far is on the disk.
    pub fn sync(&self) -> Result<(), AuditError> {
        let written = self.head().sequence;
        self.sync_through(written)
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers, chains and hands over one line; true when it is this caller's turn to sync.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        entry: Entry<'_>,
        at: SystemTime,
    ) -> Result<(Sequence, bool), AuditError> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(AuditError::Poisoned);
        }
        writer.encode(entry, at)?;
        if writer.length > 0 && writer.length + writer.line_bytes() > self.segment_bytes {
            self.turn(writer)
                .map_err(|e| self.poison(&segment::path(&self.folder, writer.segment + 1), &e))?;
        }
        self.medium
            .write(&writer.file, &writer.line)
            .map_err(|e| self.poison(&segment::path(&self.folder, writer.segment), &e))?;
        writer.advance();
        let due = writer.behind >= SYNC_BEHIND_BYTES;
        if due {
            writer.behind = 0;
        }
        Ok((Sequence(writer.head.sequence), due))
    }

    /// Waits for the disk where that was asked for, or is due.
    pub(super) fn settle(
        &self,
        (sequence, due): (Sequence, bool),
        durability: Durability,
    ) -> Result<Sequence, AuditError> {
        if due || durability == Durability::Synced {
            self.sync_through(sequence.0)?;
        }
        Ok(sequence)
    }

    /// Goes on in a new segment. The old one is on the disk before the new one has a name, so that no loss of power makes a hole.
    fn turn(&self, writer: &mut Writer) -> io::Result<()> {
        self.medium.sync(&writer.file)?;
        let next = writer.segment + 1;
        writer.file = Arc::new(self.medium.create(&self.folder, &segment::name(next))?);
        writer.segment = next;
        writer.length = 0;
        Ok(())
    }

    fn sync_through(&self, sequence: u64) -> Result<(), AuditError> {
        self.commit.wait(sequence, || {
            let writer = self.writer();
            let (file, written, segment) = (
                Arc::clone(&writer.file),
                writer.head.sequence,
                writer.segment,
            );
            drop(writer);
            self.medium
                .sync(&file)
                .map(|()| written)
                .map_err(|e| self.poison(&segment::path(&self.folder, segment), &e))
        })
    }

    /// Refuses everything from now on: what a failed write or sync left on the disk is not known.
    pub(super) fn poison(&self, path: &Path, error: &io::Error) -> AuditError {
        self.poisoned.store(true, Ordering::Relaxed);
        tracing::error!(%error, path = %path.display(), "the audit log cannot be written; no key is used until it can");
        AuditError::io(path, error)
    }
}
