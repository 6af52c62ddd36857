//! The record of every use of a key: append-only, numbered, hash-chained, and sealed by signed checkpoints.
//!
//! A log is a folder of segments, one JSON object a line; each line carries the SHA-256 of the line before it, so the hash of one line
//! covers all before. Whoever may write the folder can rewrite what follows the newest checkpoint, and can roll the whole folder back:
//! against the first checkpoints are made often, against the second a [`Witness`] is kept elsewhere.
//!
//! Invariant: a record is with the system, or on the disk, before its use of a key bears fruit; a log that failed once takes no more.

mod checkpoint;
mod commit;
mod count;
mod entry;
mod error;
mod finding;
mod hash;
mod log;
mod medium;
mod open;
mod read;
mod record;
mod report;
mod segment;
mod tail;
mod verify;

#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use count::{KeyUse, daily_count, done_since};
pub use entry::{Entry, Event, Text};
pub use error::AuditError;
pub use finding::{Finding, What};
pub use hash::{Hash, LogId, Witness};
pub use log::{Durability, Log, Sequence};
pub use read::read;
pub use record::{DONE, EVIDENCE, KeyOperation, Record};
pub use report::{Counts, EvidenceLine, Report};
pub use verify::{verify, verify_from, verify_with_evidence};

/// Number and remark of a line, for those who try what reads as one.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn line_reads(line: &[u8]) -> Option<(u64, Option<String>)> {
    let mut scratch = Vec::new();
    let entry = Entry::parse(line, &mut scratch)?;
    // Read on as the verifier does; what it holds may be no checkpoint of ours.
    let _checkpoint = Checkpoint::of(&entry);
    let detail = entry.detail.as_ref().map(|text| text.as_str().to_owned());
    Some((entry.sequence, detail))
}

/// A segment is closed when the next line would make it longer than this, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The longest line, in bytes without its newline; a longer record is refused, a longer line in a file is damage.
pub const MAX_LINE_BYTES: usize = 4096;
