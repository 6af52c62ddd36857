//! The verifier: reads a log from its first line to its last, in constant memory, and names the first thing that is wrong.

use std::collections::VecDeque;
use std::path::Path;

use spki::SubjectPublicKeyInfoOwned;

use super::checkpoint::{self, Checkpoint, Kept, MAX_DISTANCE};
use super::entry::{Entry, Event};
use super::finding::{Finding, What};
use super::hash::{Hash, LogId, Witness};
use super::open::is_open;
use super::report::{Counts, Report};
use super::segment::{self, Lines, Next};
use super::tail::{BEFORE_ALL, follows, named_by};
use crate::SignatureVerifier;

/// How often the files are looked at again while checkpoints come in between.
const SNAPSHOT_ATTEMPTS: u32 = 1000;

/// Verifies the log in `folder`, which may be open for writing meanwhile.
///
/// Each checkpoint must have been signed by one of `keys`; without keys the signatures are not checked and the report says so.
/// With a `witness` the log must hold that line, unchanged. A log that was rolled back to an earlier state of its whole folder, or was
/// rewritten behind its newest checkpoint, is sound in itself: only a witness tells.
pub fn verify(
    folder: &Path,
    keys: &[SubjectPublicKeyInfoOwned],
    witness: Option<&Witness>,
    verifier: &dyn SignatureVerifier,
) -> Result<Report, Finding> {
    let snapshot = Snapshot::take(folder)?;
    let mut walk = Walk::new(keys, witness, verifier, &snapshot);
    for number in 1..=snapshot.segments {
        walk.segment(folder, number)?;
    }
    walk.finish()
}

/// The files as they were at one moment.
struct Snapshot {
    segments: u64,
    /// Bytes in the last segment.
    length: u64,
    newest: Kept,
    pending: Kept,
    live: bool,
}

impl Snapshot {
    fn take(folder: &Path) -> Result<Self, Finding> {
        let unreadable = |e: std::io::Error| Finding::folder(What::Unreadable(e.to_string()));
        let was_open = is_open(folder).map_err(unreadable)?;
        let mut kept = checkpoint::kept(folder)?;
        for _ in 0..SNAPSHOT_ATTEMPTS {
            let segments = segment::count(folder)?;
            if segments == 0 {
                return Err(Finding::folder(What::Empty));
            }
            let length = std::fs::metadata(segment::path(folder, segments))
                .map_err(unreadable)?
                .len();
            let again = checkpoint::kept(folder)?;
            if kept == again {
                return Ok(Self {
                    segments,
                    length,
                    newest: again.0,
                    pending: again.1,
                    live: was_open || is_open(folder).map_err(unreadable)?,
                });
            }
            kept = again;
        }
        Err(Finding::folder(What::Unreadable(
            "checkpoint.json never stands still".to_owned(),
        )))
    }
}

struct Walk<'a> {
    keys: &'a [SubjectPublicKeyInfoOwned],
    witness: Option<&'a Witness>,
    verifier: &'a dyn SignatureVerifier,
    snapshot: &'a Snapshot,
    head: Witness,
    /// Hashes of the last lines, the newest behind, for checkpoints to be compared with.
    recent: VecDeque<Hash>,
    scratch: Vec<u8>,
    report: Option<Report>,
}

impl<'a> Walk<'a> {
    fn new(
        keys: &'a [SubjectPublicKeyInfoOwned],
        witness: Option<&'a Witness>,
        verifier: &'a dyn SignatureVerifier,
        snapshot: &'a Snapshot,
    ) -> Self {
        Self {
            keys,
            witness,
            verifier,
            snapshot,
            head: BEFORE_ALL,
            recent: VecDeque::new(),
            scratch: Vec::new(),
            report: None,
        }
    }

    fn segment(&mut self, folder: &Path, number: u64) -> Result<(), Finding> {
        let last = number == self.snapshot.segments;
        let length = if last { self.snapshot.length } else { u64::MAX };
        let unreadable =
            |e: std::io::Error| Finding::segment(number, What::Unreadable(e.to_string()));
        let mut lines = Lines::open(folder, number, length).map_err(unreadable)?;
        loop {
            let (next, line) = lines.next().map_err(unreadable)?;
            let at = |what| Finding {
                segment: number,
                line,
                what,
            };
            match next {
                Next::Line(bytes) => self.line(bytes).map_err(at)?,
                Next::End if line == 0 && !last => {
                    return Err(Finding::segment(number, What::EmptySegment));
                }
                Next::End => return Ok(()),
                // The writer is in the middle of it.
                Next::Torn(_) if last && self.snapshot.live => return Ok(()),
                Next::Torn(_) => return Err(at(What::Torn)),
                Next::TooLong => return Err(at(What::TooLong)),
            }
        }
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), What> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let entry = Entry::parse(bytes, &mut scratch).ok_or(What::Malformed)?;
        self.scratch = scratch;
        follows(&entry, &self.head)?;
        if self.report.is_none() {
            self.report = Some(self.begin(&entry).ok_or(What::FirstLine)?);
        }
        self.head = Witness {
            sequence: entry.sequence,
            hash: Hash::of(bytes),
        };
        self.remember();
        self.compare()?;
        let seen = match entry.event {
            Event::Checkpoint => Some(self.checkpoint(&entry)?),
            _ => None,
        };
        if let Some(report) = &mut self.report {
            report.add(&entry);
            report.last_us = entry.at_us;
            report.head = self.head;
            report.checkpoints += u64::from(seen.is_some());
            report.checkpoint = seen.or_else(|| report.checkpoint.take());
        }
        Ok(())
    }

    fn begin(&self, first: &Entry<'_>) -> Option<Report> {
        Some(Report {
            log: named_by(first)?,
            head: self.head,
            segments: self.snapshot.segments,
            first_us: first.at_us,
            last_us: first.at_us,
            checkpoint: None,
            checkpoints: 0,
            signatures_checked: !self.keys.is_empty(),
            live: self.snapshot.live,
            events: Counts::default(),
            callers: Counts::default(),
            keys: Counts::default(),
            operations: Counts::default(),
            results: Counts::default(),
        })
    }

    fn remember(&mut self) {
        self.recent.push_back(self.head.hash);
        if u64::try_from(self.recent.len()).is_ok_and(|held| held > MAX_DISTANCE + 1) {
            self.recent.pop_front();
        }
    }

    /// The line just read against what others saw in its place.
    fn compare(&self) -> Result<(), What> {
        let sequence = self.head.sequence;
        if let Some(witness) = self.witness
            && witness.sequence == sequence
            && *witness != self.head
        {
            return Err(What::Witness(*witness));
        }
        match self.snapshot.newest.checkpoint() {
            Some(seen) if seen.head.sequence == sequence && seen.head != self.head => {
                Err(What::Rewritten { sequence })
            }
            _ => Ok(()),
        }
    }

    fn checkpoint(&self, entry: &Entry<'_>) -> Result<Checkpoint, What> {
        let seen = Checkpoint::of(entry).ok_or(What::ForgedCheckpoint)?;
        if Some(seen.log) != self.log() {
            return Err(What::ForeignCheckpoint);
        }
        let behind = entry
            .sequence
            .checked_sub(seen.head.sequence)
            .and_then(|lines| usize::try_from(lines).ok())
            .filter(|lines| *lines > 0)
            .ok_or(What::ForgedCheckpoint)?;
        let held = self
            .recent
            .len()
            .checked_sub(behind + 1)
            .and_then(|place| self.recent.get(place))
            .ok_or(What::ForgedCheckpoint)?;
        if !self.keys.is_empty() {
            seen.verify(self.keys, self.verifier)?;
        }
        if *held != seen.head.hash {
            return Err(What::Rewritten {
                sequence: seen.head.sequence,
            });
        }
        Ok(seen)
    }

    fn log(&self) -> Option<LogId> {
        self.report.as_ref().map(|report| report.log)
    }

    /// What only the end can tell: whether others saw more, and whether the newest checkpoint is the one beside the log.
    fn finish(self) -> Result<Report, Finding> {
        let snapshot = self.snapshot;
        let seen = [
            snapshot.newest.checkpoint().map(|seen| seen.head.sequence),
            self.witness.map(|witness| witness.sequence),
        ];
        if let Some(seen) = seen.into_iter().flatten().max()
            && seen > self.head.sequence
        {
            return Err(Finding::folder(What::Truncated {
                head: self.head.sequence,
                seen,
            }));
        }
        let report = self
            .report
            .ok_or_else(|| Finding::segment(1, What::FirstLine))?;
        let beside = [snapshot.newest.checkpoint(), snapshot.pending.checkpoint()];
        let agrees = match &report.checkpoint {
            Some(newest) => beside.contains(&Some(newest)),
            None => snapshot.newest == Kept::Nothing,
        };
        if agrees && snapshot.newest != Kept::Unreadable {
            Ok(report)
        } else {
            Err(Finding::folder(What::CheckpointFile))
        }
    }
}
