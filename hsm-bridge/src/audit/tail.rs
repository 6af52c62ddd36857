//! The end of a log, checked before it is continued: the last lines, and that no checkpoint has seen more.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::MAX_LINE_BYTES;
use super::checkpoint::Kept;
use super::entry::{Entry, Event};
use super::finding::{Finding, What};
use super::hash::{Hash, LogId, Witness};
use super::segment::{self, Lines, Next, Span};

/// How much of the end is read and checked, in bytes; the whole log is for the verifier.
const TAIL_BYTES: u64 = 1024 * 1024;

/// The notation that this program writes and reads.
pub(super) const FORMAT: u64 = 1;

/// Before the first line.
pub(super) const BEFORE_ALL: Witness = Witness {
    sequence: 0,
    hash: Hash::NONE,
};

/// Where a log ends.
#[derive(Debug)]
pub(super) struct Tail {
    /// The log's name, when its first line is whole.
    pub(super) id: Option<LogId>,
    /// The last whole line.
    pub(super) head: Witness,
    /// Bytes of the last segment up to the end of its last whole line.
    pub(super) length: u64,
    /// What stands behind that.
    pub(super) torn: Vec<u8>,
    /// Number of the first line that was looked at.
    pub(super) first: u64,
    /// Number and hash of each torn line that those lines record.
    pub(super) recorded: Vec<(u64, Hash)>,
}

/// Checks the end of a log against itself and the newest checkpoint beside it.
pub(super) fn check(folder: &Path, segments: Span, newest: &Kept) -> Result<Tail, Finding> {
    let last = segments.last;
    let at = |what| Finding::segment(last, what);
    let (start, mut bytes) =
        last_bytes(folder, last, TAIL_BYTES).map_err(|e| at(What::Unreadable(e.to_string())))?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let torn = bytes.split_off(whole);
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before = if start > 0 {
        // The first line is cut; with no line behind it there is none to go on from.
        lines.next().ok_or_else(|| at(What::TooLong))?;
        None
    } else if last == 1 {
        Some(BEFORE_ALL)
    } else if last > segments.first {
        Some(last_line(folder, last - 1)?)
    } else {
        None
    };
    let mut tail = Tail {
        id: name(folder, segments, newest)?,
        head: before.unwrap_or(BEFORE_ALL),
        length: start + u64::try_from(whole).unwrap_or(u64::MAX),
        torn,
        first: before.map_or(u64::MAX, |head| head.sequence + 1),
        recorded: Vec::new(),
    };
    let mut known = before.is_some();
    let mut scratch = Vec::new();
    for line in lines {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let entry = Entry::parse(line, &mut scratch).ok_or_else(|| at(What::Malformed))?;
        if known {
            follows(&entry, &tail.head).map_err(at)?;
        }
        known = true;
        tail.first = tail.first.min(entry.sequence);
        tail.head = Witness {
            sequence: entry.sequence,
            hash: Hash::of(line),
        };
        if let Some(seen) = newest.checkpoint()
            && seen.head.sequence == entry.sequence
            && seen.head != tail.head
        {
            return Err(at(What::Rewritten {
                sequence: entry.sequence,
            }));
        }
        if entry.event == Event::Torn {
            tail.recorded.extend(
                entry
                    .hash
                    .and_then(Hash::parse)
                    .map(|hash| (entry.sequence, hash)),
            );
        }
    }
    if !known {
        return Err(at(What::TooLong));
    }
    agrees(&tail, newest)?;
    Ok(tail)
}

/// Whether an entry may stand behind the line `before`.
pub(super) fn follows(entry: &Entry<'_>, before: &Witness) -> Result<(), What> {
    let due = before.sequence.saturating_add(1);
    if entry.sequence != due {
        return Err(What::Sequence {
            due,
            found: entry.sequence,
        });
    }
    if Hash::parse(entry.prev) != Some(before.hash) {
        return Err(What::Chain);
    }
    Ok(())
}

/// The log's name, from its first entry.
pub(super) fn named_by(entry: &Entry<'_>) -> Option<LogId> {
    let known = entry.event == Event::Created && entry.format == Some(FORMAT);
    entry.log.filter(|_| known).and_then(LogId::parse)
}

fn agrees(tail: &Tail, newest: &Kept) -> Result<(), Finding> {
    match newest {
        Kept::Unreadable => Err(Finding::folder(What::CheckpointFile)),
        Kept::Checkpoint(seen) if seen.head.sequence > tail.head.sequence => {
            Err(Finding::folder(What::Truncated {
                head: tail.head.sequence,
                seen: seen.head.sequence,
            }))
        }
        Kept::Checkpoint(seen) if Some(seen.log) != tail.id => {
            Err(Finding::folder(What::ForeignCheckpoint))
        }
        Kept::Nothing | Kept::Checkpoint(_) => Ok(()),
    }
}

/// The last bytes of a segment, and where they begin.
fn last_bytes(folder: &Path, segment: u64, most: u64) -> std::io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(segment::path(folder, segment))?;
    let start = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

/// The last line of a segment that was closed.
fn last_line(folder: &Path, segment: u64) -> Result<Witness, Finding> {
    let at = |what| Finding::segment(segment, what);
    let most = u64::try_from(MAX_LINE_BYTES + 2).unwrap_or(u64::MAX);
    let (_, bytes) =
        last_bytes(folder, segment, most).map_err(|e| at(What::Unreadable(e.to_string())))?;
    if bytes.is_empty() {
        return Err(at(What::EmptySegment));
    }
    let whole = bytes.strip_suffix(b"\n").ok_or_else(|| at(What::Torn))?;
    let line = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or(whole);
    let entry = Entry::parse(line, &mut Vec::new()).ok_or_else(|| at(What::Malformed))?;
    Ok(Witness {
        sequence: entry.sequence,
        hash: Hash::of(line),
    })
}

/// The log's name: from its first line, or from its newest checkpoint where that was moved away; none when the first line was never
/// finished.
fn name(folder: &Path, segments: Span, newest: &Kept) -> Result<Option<LogId>, Finding> {
    match newest.checkpoint() {
        _ if segments.first == 1 => first_line(folder),
        Some(seen) => Ok(Some(seen.log)),
        None => Err(Finding::segment(segments.first - 1, What::MissingSegment)),
    }
}

/// The name in the first line.
fn first_line(folder: &Path) -> Result<Option<LogId>, Finding> {
    let at = |what| Finding {
        segment: 1,
        line: 1,
        what,
    };
    let unreadable = |e: std::io::Error| at(What::Unreadable(e.to_string()));
    let mut lines = Lines::open(folder, 1, u64::MAX).map_err(unreadable)?;
    match lines.next().map_err(unreadable)?.0 {
        Next::Line(line) => Entry::parse(line, &mut Vec::new())
            .and_then(|entry| named_by(&entry))
            .map(Some)
            .ok_or_else(|| at(What::FirstLine)),
        Next::End | Next::Torn(_) => Ok(None),
        Next::TooLong => Err(at(What::TooLong)),
    }
}
