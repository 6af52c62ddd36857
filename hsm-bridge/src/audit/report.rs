//! What a sound log tells at a glance.

use std::collections::BTreeMap;

use super::checkpoint::Checkpoint;
use super::entry::{Entry, Event};
use super::hash::{Hash, LogId, Witness};
use super::record::{DONE, EVIDENCE};

/// How many names of a kind are told apart; labels of persons' keys would otherwise fill the memory.
const MAX_NAMES: usize = 4096;

/// How often each name occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// The first 4,096 names met.
    pub names: BTreeMap<String, u64>,
    /// Occurrences of all other names.
    pub others: u64,
}

impl Counts {
    fn add(&mut self, name: &str) {
        if let Some(count) = self.names.get_mut(name) {
            *count += 1;
        } else if self.names.len() < MAX_NAMES {
            self.names.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }
}

/// A line that tells of evidence of how a key was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceLine {
    /// SHA-256 of the evidence.
    pub hash: Hash,
    /// The line's number.
    pub sequence: u64,
    /// When it was written, in microseconds since 1970.
    pub at_us: u64,
    /// Label of the key.
    pub key: String,
    /// Id of the key, where it is a key pair.
    pub key_id: Option<String>,
}

impl EvidenceLine {
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        let is = |field: &Option<super::Text<'_>>, word: &str| {
            field.as_ref().is_some_and(|text| text.as_str() == word)
        };
        let tells = matches!(entry.event, Event::Used | Event::Operator)
            && is(&entry.operation, EVIDENCE)
            && is(&entry.result, DONE);
        if !tells {
            return None;
        }
        Some(Self {
            hash: Hash::parse(entry.digest?)?,
            sequence: entry.sequence,
            at_us: entry.at_us,
            key: entry.key?.to_owned(),
            key_id: entry.key_id.map(str::to_owned),
        })
    }
}

/// A log that was read from end to end and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub log: LogId,
    /// The line behind which the verification began, where it did not begin at the first.
    pub from: Option<Witness>,
    /// The last line, for a witness to remember.
    pub head: Witness,
    /// How many segments there are.
    pub segments: u64,
    /// Time of the first line, in microseconds since 1970.
    pub first_us: u64,
    /// Time of the last line, in microseconds since 1970.
    pub last_us: u64,
    /// The newest checkpoint; the lines behind its head are covered by no signature.
    pub checkpoint: Option<Checkpoint>,
    /// How many checkpoints the log holds.
    pub checkpoints: u64,
    /// Whether their signatures were checked.
    pub signatures_checked: bool,
    /// Whether the log was being written meanwhile; then the report ends where the log ended at first sight.
    pub live: bool,
    /// The lines that tell of the evidence that was asked about.
    pub evidence: Vec<EvidenceLine>,
    /// Lines by event.
    pub events: Counts,
    /// Uses of keys by caller.
    pub callers: Counts,
    /// Uses of keys by label.
    pub keys: Counts,
    /// Uses of keys by operation.
    pub operations: Counts,
    /// Uses of keys by result.
    pub results: Counts,
}

impl Report {
    /// How many lines the log holds.
    pub const fn lines(&self) -> u64 {
        self.head.sequence
    }

    /// How many lines at the end are covered by no checkpoint's signature; a checkpoint's own line is one of them.
    pub fn uncovered(&self) -> u64 {
        let covered = self.checkpoint.as_ref().map_or(0, |c| c.head.sequence);
        self.head.sequence.saturating_sub(covered)
    }

    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        self.events.add(entry.event.name());
        if entry.event == Event::Used {
            let text = |field: &Option<super::Text<'_>>, counts: &mut Counts| {
                if let Some(text) = field {
                    counts.add(text.as_str());
                }
            };
            text(&entry.caller, &mut self.callers);
            text(&entry.operation, &mut self.operations);
            text(&entry.result, &mut self.results);
            if let Some(key) = entry.key {
                self.keys.add(key);
            }
        }
    }
}
