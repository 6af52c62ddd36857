//! The record of every use of a key: one JSON object a line, no payload, handed to the system before the result is given out.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::{KeyId, KeyLabel, KeyStoreError};

/// One use of a key, or the attempt.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) caller: &'a str,
    pub(super) operation: &'static str,
    pub(super) key: Option<&'a KeyLabel>,
    pub(super) key_id: Option<KeyId>,
    pub(super) result: &'static str,
    pub(super) took: Duration,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    at_us: u64,
    event: &'static str,
    caller: &'a str,
    operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a KeyLabel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    result: &'a str,
    us: u64,
}

/// The audit log; lines are numbered from 1 at each start of the daemon.
pub(super) struct Audit(Mutex<State>);

struct State {
    target: Box<dyn Write + Send>,
    sequence: u64,
    line: Vec<u8>,
    broken: bool,
}

impl Audit {
    /// Opens the log for appending, or standard output when no file is named.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, KeyStoreError> {
        let target: Box<dyn Write + Send> = match file {
            Some(path) => {
                let opened = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path);
                Box::new(opened.map_err(|e| {
                    KeyStoreError::Configuration(format!("audit log {}: {e}", path.display()))
                })?)
            }
            None => Box::new(io::stdout()),
        };
        Ok(Self::to(target))
    }

    fn to(target: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(State {
            target,
            sequence: 0,
            line: Vec::new(),
            broken: false,
        }))
    }

    /// Writes a record; on an error its result must not be given out. A log that failed once stays refused, as its last line may be torn.
    pub(super) fn report(&self, record: &Record<'_>, at: SystemTime) -> Result<(), KeyStoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = if state.broken {
            Err(io::Error::other("it failed before"))
        } else {
            state.write(record, at)
        };
        written.map_err(|error| {
            state.broken = true;
            tracing::error!(%error, "the audit log cannot be written; no key is used until it can");
            KeyStoreError::TokenUnavailable("the audit log cannot be written".to_owned())
        })
    }
}

impl State {
    fn write(&mut self, record: &Record<'_>, at: SystemTime) -> io::Result<()> {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sequence += 1;
        let line = Line {
            sequence: self.sequence,
            at_us: at.duration_since(UNIX_EPOCH).map_or(0, micros),
            event: "bridge.key.used",
            caller: record.caller,
            operation: record.operation,
            key: record.key,
            key_id: record.key_id,
            result: record.result,
            us: micros(record.took),
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &line)?;
        self.line.push(b'\n');
        self.target.write_all(&self.line)?;
        self.target.flush()
    }
}

/// The wall clock, in its one place: an audit record says when.
#[expect(
    clippy::disallowed_methods,
    reason = "this daemon is to the left of the room that hands clocks out"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct FullDisk(usize);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_failed_refuses_everything_after() {
        let audit = Audit::to(Box::new(FullDisk(2)));
        let record = Record {
            caller: "ca",
            operation: "sign",
            key: None,
            key_id: None,
            result: "done",
            took: Duration::ZERO,
        };
        let report = || audit.report(&record, UNIX_EPOCH).is_ok();
        assert_eq!(
            [report(), report(), report(), report()],
            [true, true, false, false]
        );
    }
}
