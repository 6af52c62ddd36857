//! The record of every use of a key: one JSON object a line, no payload, written by a thread of its own in the order of use.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::{KeyId, KeyLabel, KeyStoreError};

/// Records that may wait to be written; when so many wait, key operations wait too.
const WAITING_RECORDS: usize = 16 * 1024;

/// One use of a key, or the attempt.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) caller: Arc<str>,
    pub(super) operation: &'static str,
    pub(super) key: Option<KeyLabel>,
    pub(super) key_id: Option<KeyId>,
    pub(super) result: &'static str,
    pub(super) took: Duration,
    pub(super) at: SystemTime,
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

/// The audit log and the thread that writes it.
pub(super) struct Audit {
    sender: SyncSender<Option<Record>>,
    writer: JoinHandle<()>,
}

impl Audit {
    /// Opens the log for appending, or standard output when no file is named.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, KeyStoreError> {
        let wrong =
            |e: &dyn std::fmt::Display| KeyStoreError::Configuration(format!("audit log: {e}"));
        let target: Box<dyn Write + Send> = match file {
            Some(path) => {
                let opened = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path);
                Box::new(opened.map_err(|e| wrong(&format_args!("{}: {e}", path.display())))?)
            }
            None => Box::new(io::stdout()),
        };
        let (sender, receiver) = sync_channel(WAITING_RECORDS);
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write(&receiver, BufWriter::new(target)))
            .map_err(|e| wrong(&e))?;
        Ok(Self { sender, writer })
    }

    pub(super) fn sender(&self) -> AuditSender {
        AuditSender(self.sender.clone())
    }

    /// Writes what waits and ends.
    pub(super) fn close(self) {
        if self.sender.send(None).is_err() || self.writer.join().is_err() {
            tracing::error!("the audit log ended before the daemon");
        }
    }
}

/// Where uses of keys are reported.
#[derive(Clone)]
pub(super) struct AuditSender(SyncSender<Option<Record>>);

impl AuditSender {
    /// Reports a use; an error means that it cannot be recorded, so its result must not be given out.
    pub(super) fn report(&self, record: Record) -> Result<(), KeyStoreError> {
        self.0.send(Some(record)).map_err(|_| {
            KeyStoreError::TokenUnavailable("the audit log cannot be written".to_owned())
        })
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

fn write(records: &Receiver<Option<Record>>, mut target: BufWriter<Box<dyn Write + Send>>) {
    let mut sequence = 0;
    // A failing log ends this thread; from then on every report fails and no key is used unrecorded.
    while let Ok(Some(record)) = records.recv() {
        let mut next = Some(record);
        while let Some(record) = next {
            sequence += 1;
            if let Err(error) = line(&mut target, sequence, &record) {
                tracing::error!(%error, "the audit log cannot be written");
                return;
            }
            next = match records.try_recv() {
                Ok(Some(record)) => Some(record),
                Ok(None) => {
                    flush(&mut target);
                    return;
                }
                Err(_) => None,
            };
        }
        if !flush(&mut target) {
            return;
        }
    }
}

fn flush(target: &mut impl Write) -> bool {
    match target.flush() {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "the audit log cannot be written");
            false
        }
    }
}

fn line(target: &mut impl Write, sequence: u64, record: &Record) -> io::Result<()> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let line = Line {
        sequence,
        at_us: record.at.duration_since(UNIX_EPOCH).map_or(0, micros),
        event: "bridge.key.used",
        caller: &record.caller,
        operation: record.operation,
        key: record.key.as_ref(),
        key_id: record.key_id,
        result: record.result,
        us: micros(record.took),
    };
    serde_json::to_writer(&mut *target, &line)?;
    target.write_all(b"\n")
}
