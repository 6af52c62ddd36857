//! What the bridge has to say, before it is numbered, timed and chained.

use std::time::Duration;

use super::entry::{Entry, Event, Text};
use super::hash::push_hex;
use super::log::Sequence;
use crate::{KeyId, KeyLabel, SignatureScheme};

/// Who asks for what, with which key; never a payload, never a secret.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyOperation<'a> {
    /// The caller's name in the policy.
    pub caller: &'a str,
    /// The operation's name in the policy.
    pub operation: &'a str,
    /// Label of the key, when it is known.
    pub key: Option<&'a KeyLabel>,
    /// Id of the key, when it is known.
    pub key_id: Option<KeyId>,
    /// How it is to sign, for signatures.
    pub scheme: Option<SignatureScheme>,
    /// Digest of what is to be signed or authenticated.
    pub digest: Option<&'a [u8]>,
    /// A remark for people: a serial number, the number of an activation. Not personal data.
    pub detail: Option<&'a str>,
}

/// One thing to record.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// The bridge begins to serve.
    Started {
        /// What serves: version, token.
        detail: &'a str,
    },
    /// The bridge comes to an orderly end.
    Stopped {
        /// Why.
        detail: &'a str,
    },
    /// A key is about to be used; written before the token is asked.
    Intent(KeyOperation<'a>),
    /// A key was used, or not.
    Used {
        /// What was asked for.
        operation: KeyOperation<'a>,
        /// The intent that was written before.
        intent: Option<Sequence>,
        /// One stable word: `done`, or why not.
        result: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// An operator decided something about a key, the policy or the bridge.
    Operator {
        /// What was decided on; `caller` is the operator.
        operation: KeyOperation<'a>,
        /// One stable word for the decision.
        result: &'a str,
    },
}

/// The result word of an operation that succeeded; the readers of ceilings count these.
pub const DONE: &str = "done";

/// The operation by which a log tells of evidence of how a key was made: `digest` is its SHA-256. No grant of a policy has this name.
pub const EVIDENCE: &str = "evidence";

/// Lends memory for hexadecimal digits, so that a record costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Digits {
    key_id: Vec<u8>,
    digest: Vec<u8>,
}

impl Digits {
    /// Writes the record's bytes as digits; the entry borrows them.
    pub(super) fn fill(&mut self, record: &Record<'_>) {
        self.key_id.clear();
        self.digest.clear();
        if let Some(operation) = record.operation() {
            if let Some(id) = operation.key_id {
                push_hex(&mut self.key_id, id.as_bytes());
            }
            push_hex(&mut self.digest, operation.digest.unwrap_or_default());
        }
    }
}

/// Digits as text; they are ASCII by construction.
fn digits(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

impl<'a> Record<'a> {
    fn operation(&self) -> Option<&KeyOperation<'a>> {
        match self {
            Self::Started { .. } | Self::Stopped { .. } => None,
            Self::Intent(operation)
            | Self::Used { operation, .. }
            | Self::Operator { operation, .. } => Some(operation),
        }
    }

    /// The entry without number, time and chain; `digits` must have been filled from this record.
    pub(super) fn entry<'b>(&'b self, digits_of: &'b Digits) -> Entry<'b> {
        let (event, detail) = match self {
            Self::Started { detail } => (Event::Started, Some(*detail)),
            Self::Stopped { detail } => (Event::Stopped, Some(*detail)),
            Self::Intent(operation) => (Event::Intent, operation.detail),
            Self::Used { operation, .. } => (Event::Used, operation.detail),
            Self::Operator { operation, .. } => (Event::Operator, operation.detail),
        };
        let mut entry = Entry {
            event,
            detail: detail.map(Text::from),
            ..Entry::default()
        };
        if let Some(operation) = self.operation() {
            entry.caller = Some(operation.caller.into());
            entry.operation = Some(operation.operation.into());
            entry.key = operation.key.map(KeyLabel::as_str);
            entry.key_id = digits(&digits_of.key_id);
            entry.scheme = operation.scheme.map(SignatureScheme::jose_alg);
            entry.digest = digits(&digits_of.digest);
        }
        match self {
            Self::Used {
                intent,
                result,
                took,
                ..
            } => {
                entry.intent = intent.map(Sequence::number);
                entry.result = Some((*result).into());
                entry.us = Some(micros(*took));
            }
            Self::Operator { result, .. } => entry.result = Some((*result).into()),
            Self::Started { .. } | Self::Stopped { .. } | Self::Intent(_) => {}
        }
        entry
    }
}

/// Whole microseconds, at most what the log can hold.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
