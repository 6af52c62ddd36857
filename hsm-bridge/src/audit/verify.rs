//! The verifier: reads a log from its first line to its last, in constant memory, and names the first thing that is wrong.

use std::collections::VecDeque;
use std::path::Path;

use spki::SubjectPublicKeyInfoOwned;

use super::checkpoint::{self, Checkpoint, Kept, MAX_DISTANCE};
use super::entry::{Entry, Event};
use super::finding::{Finding, What};
use super::hash::{Hash, LogId, Witness};
use super::open::is_open;
use super::report::{Counts, EvidenceLine, Report};
use super::segment::{self, Lines, Next, Span};
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
    verify_with_evidence(folder, keys, (None, witness), &[], verifier)
}

/// Verifies a log as [`verify`] does, but only what stands behind the line of the witness `from`, which whoever calls has reason to
/// trust: the head of an earlier verification. The segments before it may have been moved away; that line itself, or the one after it,
/// must be here.
pub fn verify_from(
    folder: &Path,
    keys: &[SubjectPublicKeyInfoOwned],
    from: &Witness,
    witness: Option<&Witness>,
    verifier: &dyn SignatureVerifier,
) -> Result<Report, Finding> {
    verify_with_evidence(folder, keys, (Some(from), witness), &[], verifier)
}

/// Verifies a log as [`verify`] does, or as [`verify_from`] with a line to begin behind, and reports the lines that tell of `evidence`, by
/// its SHA-256. What no line tells of was not written by the bridge of this log, or not as it is now.
pub fn verify_with_evidence(
    folder: &Path,
    keys: &[SubjectPublicKeyInfoOwned],
    (from, witness): (Option<&Witness>, Option<&Witness>),
    evidence: &[Hash],
    verifier: &dyn SignatureVerifier,
) -> Result<Report, Finding> {
    let snapshot = Snapshot::take(folder)?;
    let first = match from {
        Some(from) => segment_of(folder, &snapshot, from)?,
        None if snapshot.segments.first > 1 => {
            return Err(Finding::segment(1, What::MissingSegment));
        }
        None => 1,
    };
    let mut walk = Walk::new(keys, witness, verifier, &snapshot);
    (walk.from, walk.evidence) = (from, evidence);
    for number in first..=snapshot.segments.last {
        walk.segment(folder, number)?;
    }
    walk.finish()
}

/// The segment that holds the line of a witness, or the oldest that is here.
fn segment_of(folder: &Path, snapshot: &Snapshot, from: &Witness) -> Result<u64, Finding> {
    let segments = snapshot.segments;
    for number in (segments.first + 1..=segments.last).rev() {
        let begins = segment::first_entry(folder, number, |entry| entry.sequence)?;
        if begins.is_some_and(|sequence| sequence <= from.sequence) {
            return Ok(number);
        }
    }
    Ok(segments.first)
}

/// The files as they were at one moment.
struct Snapshot {
    segments: Span,
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
            let segments = segment::span(folder)?;
            if segments.last == 0 {
                return Err(Finding::folder(What::Empty));
            }
            let length = std::fs::metadata(segment::path(folder, segments.last))
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
    /// The line to begin behind.
    from: Option<&'a Witness>,
    witness: Option<&'a Witness>,
    verifier: &'a dyn SignatureVerifier,
    /// Evidence whose lines are looked for.
    evidence: &'a [Hash],
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
            from: None,
            witness,
            verifier,
            evidence: &[],
            snapshot,
            head: BEFORE_ALL,
            recent: VecDeque::new(),
            scratch: Vec::new(),
            report: None,
        }
    }

    fn segment(&mut self, folder: &Path, number: u64) -> Result<(), Finding> {
        let last = number == self.snapshot.segments.last;
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
        if let (Some(from), None) = (self.from, &self.report)
            && self.is_before(&entry, bytes, from)?
        {
            return Ok(());
        }
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
            if !self.evidence.is_empty()
                && let Some(line) = EvidenceLine::of(&entry)
                && self.evidence.contains(&line.hash)
            {
                report.evidence.push(line);
            }
            report.last_us = entry.at_us;
            report.head = self.head;
            report.checkpoints += u64::from(seen.is_some());
            report.checkpoint = seen.or_else(|| report.checkpoint.take());
        }
        Ok(())
    }

    /// Whether a line is still one before those to be verified. The witness's own line is the last of them; it must be as it was.
    fn is_before(&mut self, entry: &Entry<'_>, bytes: &[u8], from: &Witness) -> Result<bool, What> {
        if entry.sequence < from.sequence {
            return Ok(true);
        }
        if entry.sequence > from.sequence.saturating_add(1) {
            return Err(What::OutOfReach {
                witness: from.sequence,
                first: entry.sequence,
            });
        }
        let is_witness = entry.sequence == from.sequence;
        let held = if is_witness {
            Some(Hash::of(bytes))
        } else {
            Hash::parse(entry.prev)
        };
        if held != Some(from.hash) {
            return Err(What::Witness(*from));
        }
        self.head = *from;
        self.remember();
        self.report = Some(self.begin(entry).ok_or(What::FirstLine)?);
        Ok(is_witness)
    }

    fn begin(&self, first: &Entry<'_>) -> Option<Report> {
        let log = match (self.from, self.snapshot.newest.checkpoint()) {
            (Some(_), Some(newest)) => Some(newest.log),
            _ => named_by(first),
        };
        Some(Report {
            log: log?,
            from: self.from.copied(),
            head: self.head,
            segments: self.snapshot.segments.last + 1 - self.snapshot.segments.first,
            first_us: first.at_us,
            last_us: first.at_us,
            checkpoint: None,
            checkpoints: 0,
            signatures_checked: !self.keys.is_empty(),
            live: self.snapshot.live,
            evidence: Vec::new(),
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
        if !self.keys.is_empty() {
            seen.verify(self.keys, self.verifier)?;
        }
        if self
            .from
            .is_some_and(|from| seen.head.sequence < from.sequence)
        {
            // The line it signs was read by an earlier verification, or by none.
            return Ok(seen);
        }
        let held = self
            .recent
            .len()
            .checked_sub(behind + 1)
            .and_then(|place| self.recent.get(place))
            .ok_or(What::ForgedCheckpoint)?;
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
        let mut report = self
            .report
            .ok_or_else(|| Finding::segment(snapshot.segments.first, What::FirstLine))?;
        if let (Some(from), None, Some(newest)) =
            (self.from, &report.checkpoint, snapshot.newest.checkpoint())
            && newest.head.sequence < from.sequence
        {
            // Its line stands before those that were read.
            if !self.keys.is_empty() {
                newest
                    .verify(self.keys, self.verifier)
                    .map_err(Finding::folder)?;
            }
            report.checkpoint = Some(newest.clone());
        }
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
