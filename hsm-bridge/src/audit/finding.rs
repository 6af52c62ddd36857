//! What is wrong with a log, where, in plain words.

use std::fmt;

use super::hash::Witness;
use super::segment;

/// The first thing found wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Number of the segment; 0 when the folder as a whole is meant.
    pub segment: u64,
    /// Number of the line in its segment, from 1; 0 when the segment as a whole is meant.
    pub line: u64,
    /// What is wrong.
    pub what: What,
}

/// What can be wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Something cannot be read; the system's words.
    Unreadable(String),
    /// The folder holds no segment.
    Empty,
    /// The segment is not there, though later ones are.
    MissingSegment,
    /// The segment holds no line, though later ones exist.
    EmptySegment,
    /// The line is not one that the bridge writes.
    Malformed,
    /// The line is longer than any that the bridge writes.
    TooLong,
    /// The last line has no end.
    Torn,
    /// The first line does not name a log of this format.
    FirstLine,
    /// The line has another number than the one that is due.
    Sequence {
        /// The number that was due.
        due: u64,
        /// The number in the line.
        found: u64,
    },
    /// The line does not name the hash of the line before it.
    Chain,
    /// The checkpoint speaks of another log, or was signed with a key that is not one of those handed in.
    ForeignCheckpoint,
    /// The checkpoint's signature does not verify, or its line contradicts it.
    ForgedCheckpoint,
    /// The checkpoint signs another line than the one that stands here under that number.
    Rewritten {
        /// The number of the line.
        sequence: u64,
    },
    /// The log ends before a line that a checkpoint or a witness has seen.
    Truncated {
        /// The last line of the log.
        head: u64,
        /// The line that was seen.
        seen: u64,
    },
    /// The line has another hash than the witness remembers.
    Witness(Witness),
    /// The line that the verification was to begin with was moved away, and those behind it.
    OutOfReach {
        /// The line of the witness.
        witness: u64,
        /// The first line that is here.
        first: u64,
    },
    /// `checkpoint.json` is missing, cannot be read or is not the newest checkpoint of the log.
    CheckpointFile,
}

impl Finding {
    /// About the folder as a whole.
    pub(super) fn folder(what: What) -> Self {
        Self {
            segment: 0,
            line: 0,
            what,
        }
    }

    /// About a segment as a whole.
    pub(super) fn segment(segment: u64, what: What) -> Self {
        Self {
            segment,
            line: 0,
            what,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Empty => f.write_str("there is no audit log here"),
            Self::MissingSegment => f.write_str("the segment is missing"),
            Self::EmptySegment => f.write_str("the segment is empty, but later ones exist"),
            Self::Malformed => {
                f.write_str("this is not a line as the bridge writes it; it was changed")
            }
            Self::TooLong => f.write_str("the line is longer than any that the bridge writes"),
            Self::Torn => f.write_str(
                "the last line has no end: the bridge was interrupted and was not started since, or the file was cut",
            ),
            Self::FirstLine => f.write_str("the first line does not name a log of a known format"),
            Self::Sequence { due, found } if found > due => write!(
                f,
                "line number {due} was due, but this is number {found}: lines were removed or swapped"
            ),
            Self::Sequence { due, found } => write!(
                f,
                "line number {due} was due, but this is number {found}: a line was inserted, repeated or swapped"
            ),
            Self::Chain => f.write_str(
                "the line does not carry the hash of the line before it: one of the two was changed",
            ),
            Self::ForeignCheckpoint => f.write_str(
                "the checkpoint belongs to another log or was signed with another key",
            ),
            Self::ForgedCheckpoint => f.write_str("the checkpoint's signature does not hold"),
            Self::Rewritten { sequence } => write!(
                f,
                "the checkpoint signed another line number {sequence} than the one in the log: the log was rewritten"
            ),
            Self::Truncated { head, seen } => write!(
                f,
                "the log ends with line number {head}, but line number {seen} was seen: the log was cut"
            ),
            Self::Witness(witness) => write!(
                f,
                "line number {} is not the one that the witness remembers: the log was rewritten",
                witness.sequence
            ),
            Self::OutOfReach { witness, first } => write!(
                f,
                "the log begins with line number {first} here, but the witness remembers number {witness}: bring back the segments in between, or take a witness of line number {} or later",
                first.saturating_sub(1)
            ),
            Self::CheckpointFile => {
                f.write_str("checkpoint.json is missing or is not the newest checkpoint of the log")
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.segment, self.line) {
            (0, _) => {}
            (segment, 0) => write!(f, "{}: ", segment::name(segment))?,
            (segment, line) => write!(f, "{}, line {line}: ", segment::name(segment))?,
        }
        self.what.fmt(f)
    }
}

impl std::error::Error for Finding {}
