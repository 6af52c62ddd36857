//! Opening a log: made when there is none, otherwise locked, checked at its end, and cleared of what an interruption left half done.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::SEGMENT_BYTES;
use super::checkpoint::{self, Kept};
use super::entry::{Entry, Event};
use super::error::AuditError;
use super::finding::{Finding, What};
use super::hash::{Hash, LogId};
use super::log::{Durability, Log, Parts, Writer};
use super::medium::{Disk, Medium};
use super::segment::{self, Lines, Next, Span};
use super::tail::{self, BEFORE_ALL, FORMAT, Tail};

/// How often the lock is asked for: a verifier holds it for the moment it takes to see that nobody writes.
const LOCK_ATTEMPTS: u32 = 1000;

/// What begins the name of a file that holds a torn line; its number and hash follow.
const ASIDE: &str = "torn-";

/// How a log is written, where tests want it otherwise.
pub(super) struct Settings {
    pub(super) segment_bytes: u64,
    pub(super) medium: Box<dyn Medium>,
}

impl Log {
    /// Opens the log in `folder`, or makes it and names it `fresh`, which must be random.
    ///
    /// The last lines are checked against each other and against `checkpoint.json`; a log that is not as it was left is
    /// [`AuditError::Damaged`] and not touched. Closed segments may have been moved away, but for the newest of them, once there is a
    /// checkpoint, which then names the log. A half-written last line is moved aside and recorded. Nobody else can open the log
    /// before this one is dropped.
    pub fn open(folder: &Path, fresh: LogId, at: SystemTime) -> Result<Self, AuditError> {
        let settings = Settings {
            segment_bytes: SEGMENT_BYTES,
            medium: Box::new(Disk),
        };
        Self::open_with(folder, fresh, at, settings)
    }

    pub(super) fn open_with(
        folder: &Path,
        fresh: LogId,
        at: SystemTime,
        settings: Settings,
    ) -> Result<Self, AuditError> {
        let wrong = |e: io::Error| AuditError::io(folder, e);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(wrong)?;
        let lock = lock(folder)?;
        let (newest, pending) = checkpoint::kept(folder)?;
        let segments = segment::span(folder)?;
        let (tail, writer) = if segments.last == 0 {
            if let Kept::Unreadable | Kept::Checkpoint(_) = newest {
                return Err(Finding::folder(What::Empty).into());
            }
            make(folder, &*settings.medium).map_err(wrong)?
        } else {
            let tail = tail::check(folder, segments, &newest)?;
            let writer = resume(folder, segments.last, &tail).map_err(wrong)?;
            (tail, writer)
        };
        let log = Self::from_parts(Parts {
            folder: folder.to_owned(),
            id: tail.id.unwrap_or(fresh),
            medium: settings.medium,
            segment_bytes: settings.segment_bytes,
            writer,
            lock,
        });
        if tail.id.is_none() {
            log.name_itself(at)?;
        }
        log.record_torn(&tail, at)?;
        if pending != Kept::Nothing {
            let there = has_line(folder, segments, pending.checkpoint())?;
            checkpoint::finish_pending(folder, there).map_err(wrong)?;
        }
        log.sync()?;
        Ok(log)
    }

    fn name_itself(&self, at: SystemTime) -> Result<(), AuditError> {
        let id = self.id.to_string();
        self.append_entry(
            Entry {
                event: Event::Created,
                log: Some(&id),
                format: Some(FORMAT),
                ..Entry::default()
            },
            at,
        )
    }

    /// Records each torn line that was moved aside and is not recorded yet.
    fn record_torn(&self, tail: &Tail, at: SystemTime) -> Result<(), AuditError> {
        let wrong = |e: io::Error| AuditError::io(&self.folder, e);
        for item in fs::read_dir(&self.folder).map_err(wrong)? {
            let file = item.map_err(wrong)?;
            let Some((number, hash)) = file.file_name().to_str().and_then(aside) else {
                continue;
            };
            let known =
                |(sequence, recorded): &(u64, Hash)| *sequence >= number && *recorded == hash;
            if number < tail.first || tail.recorded.iter().any(known) {
                continue;
            }
            let length = file.metadata().map_err(wrong)?.len();
            tracing::warn!(length, %hash, "the audit log ended in a half-written line; it was moved aside");
            let hash = hash.to_string();
            self.append_entry(
                Entry {
                    event: Event::Torn,
                    length: Some(length),
                    hash: Some(&hash),
                    ..Entry::default()
                },
                at,
            )?;
        }
        Ok(())
    }

    fn append_entry(&self, entry: Entry<'_>, at: SystemTime) -> Result<(), AuditError> {
        let mut writer = self.writer();
        let written = self.write(&mut writer, entry, at);
        drop(writer);
        self.settle(written?, Durability::Synced).map(|_| ())
    }
}

/// Locks the folder itself, so that there is no lock file to lose.
fn lock(folder: &Path) -> Result<File, AuditError> {
    let held = File::open(folder).map_err(|e| AuditError::io(folder, e))?;
    for _ in 0..LOCK_ATTEMPTS {
        match flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(held),
            Err(Errno::WOULDBLOCK) => std::thread::yield_now(),
            Err(error) => return Err(AuditError::io(folder, error)),
        }
    }
    Err(AuditError::InUse(folder.display().to_string()))
}

/// Whether somebody has the log open for writing.
pub(super) fn is_open(folder: &Path) -> io::Result<bool> {
    match flock(File::open(folder)?, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn make(folder: &Path, medium: &dyn Medium) -> io::Result<(Tail, Writer)> {
    let file = medium.create(folder, &segment::name(1))?;
    // A relative path of one segment has the empty path as its parent.
    if let Some(parent) = folder.parent().filter(|parent| *parent != Path::new("")) {
        File::open(parent)?.sync_all()?;
    }
    let tail = Tail {
        id: None,
        head: BEFORE_ALL,
        length: 0,
        torn: Vec::new(),
        first: 1,
        recorded: Vec::new(),
    };
    Ok((tail, Writer::after(file, 1, 0, BEFORE_ALL)))
}

/// Moves a torn line aside and continues behind the last whole one.
fn resume(folder: &Path, segments: u64, tail: &Tail) -> io::Result<Writer> {
    let file = OpenOptions::new()
        .append(true)
        .open(segment::path(folder, segments))?;
    if !tail.torn.is_empty() {
        let name = format!("{ASIDE}{}-{}", tail.head.sequence + 1, Hash::of(&tail.torn));
        let mut aside = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(folder.join(name))?;
        aside.write_all(&tail.torn)?;
        aside.sync_all()?;
        File::open(folder)?.sync_all()?;
        file.set_len(tail.length)?;
        file.sync_all()?;
    }
    Ok(Writer::after(file, segments, tail.length, tail.head))
}

/// Number and hash in the name of a file that holds a torn line.
fn aside(name: &str) -> Option<(u64, Hash)> {
    let (number, hash) = name.strip_prefix(ASIDE)?.split_once('-')?;
    Some((number.parse().ok()?, Hash::parse(hash)?))
}

/// Whether the line of a checkpoint that was interrupted is in the log; looked for backwards no further than the line it signs.
fn has_line(
    folder: &Path,
    segments: Span,
    pending: Option<&checkpoint::Checkpoint>,
) -> Result<bool, Finding> {
    let Some(pending) = pending else {
        return Ok(false);
    };
    let mut scratch = Vec::new();
    for segment in (segments.first..=segments.last).rev() {
        let unreadable = |e: io::Error| Finding::segment(segment, What::Unreadable(e.to_string()));
        let mut lines = Lines::open(folder, segment, u64::MAX).map_err(unreadable)?;
        let mut reaches_back = false;
        while let (Next::Line(line), _) = lines.next().map_err(unreadable)? {
            let Some(entry) = Entry::parse(line, &mut scratch) else {
                return Err(Finding::segment(segment, What::Malformed));
            };
            reaches_back |= entry.sequence <= pending.head.sequence;
            if entry.event == Event::Checkpoint
                && checkpoint::Checkpoint::of(&entry).as_ref() == Some(pending)
            {
                return Ok(true);
            }
        }
        if reaches_back {
            break;
        }
    }
    Ok(false)
}
