//! Full disks, broken disks, slow disks.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::super::medium::{Disk, Medium};
use super::super::{AuditError, Durability, verify};
use super::{at, fill, label, open, open_on, used};
use crate::verify::OpenSslVerifier;

/// A disk that writes half of the line that fills it.
struct FullDisk(AtomicUsize);

impl Medium for FullDisk {
    fn create(&self, folder: &Path, name: &str) -> io::Result<File> {
        Disk.create(folder, name)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 1 {
            return Disk.write(file, bytes);
        }
        file.write_all(&bytes[..bytes.len() / 2])?;
        self.0.store(1000, Ordering::Relaxed);
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Disk.sync(file)
    }
}

#[test]
fn a_full_disk_ends_the_log_until_it_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    // One write is the line that names the log.
    let log = open_on(
        folder.path(),
        10_000,
        Box::new(FullDisk(AtomicUsize::new(4))),
    )
    .unwrap();
    let key = label("a/b");
    let append = |durability| log.append(&used("ca", &key, "done"), at(0), durability);
    assert!(append(Durability::Buffered).is_ok() && append(Durability::Synced).is_ok());
    assert!(matches!(
        append(Durability::Buffered),
        Err(AuditError::Io(_))
    ));
    // There is room again, but what the failed write left behind is not known.
    assert_eq!(append(Durability::Buffered), Err(AuditError::Poisoned));
    assert_eq!(append(Durability::Synced), Err(AuditError::Poisoned));
    drop(log);
    let log = open(folder.path()).unwrap();
    fill(&log, 0, 2);
    drop(log);
    let report = verify(folder.path(), &[], None, &OpenSslVerifier).unwrap();
    assert_eq!(report.lines(), 6);
    assert_eq!(report.events.names.get("bridge.torn"), Some(&1));
}

/// A disk that, once armed, ends no sync before so many lines are written, and then perhaps badly.
struct SlowDisk {
    lines: u64,
    fails: bool,
    state: Mutex<Counts>,
    written: Condvar,
}

#[derive(Default)]
struct Counts {
    armed: bool,
    written: u64,
    syncs: u64,
    lasting: u64,
}

impl Medium for Arc<SlowDisk> {
    fn create(&self, folder: &Path, name: &str) -> io::Result<File> {
        Disk.create(folder, name)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        Disk.write(file, bytes)?;
        let mut state = self.state.lock().unwrap();
        state.written += u64::from(state.armed);
        self.written.notify_all();
        Ok(())
    }

    fn sync(&self, _: &File) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if !state.armed {
            return Ok(());
        }
        let covers = state.written;
        state.syncs += 1;
        let mut state = self
            .written
            .wait_while(state, |state| state.written < self.lines)
            .unwrap();
        if self.fails {
            return Err(io::Error::other("the disk is gone"));
        }
        state.lasting = state.lasting.max(covers);
        Ok(())
    }
}

/// What an append gave, and up to which line the log was lasting then.
type Outcome = (Result<u64, AuditError>, u64);

/// Appends one line from each of `THREADS` threads at once; gives the outcomes and the number of syncs.
fn at_once(fails: bool) -> (Vec<Outcome>, u64) {
    const THREADS: u64 = 24;
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(SlowDisk {
        lines: THREADS,
        fails,
        state: Mutex::default(),
        written: Condvar::new(),
    });
    let log = open_on(folder.path(), 1_000_000, Box::new(Arc::clone(&disk))).unwrap();
    disk.state.lock().unwrap().armed = true;
    let key = label("a/b");
    let outcomes = std::thread::scope(|scope| {
        let append = || {
            let outcome = log.append(&used("ca", &key, "done"), at(0), Durability::Synced);
            let lasting = disk.state.lock().unwrap().lasting;
            // The first line is the one that names the log.
            (outcome.map(|sequence| sequence.number() - 1), lasting)
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(append)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let syncs = disk.state.lock().unwrap().syncs;
    (outcomes, syncs)
}

#[test]
fn threads_that_wait_for_the_disk_share_its_syncs() {
    let (outcomes, syncs) = at_once(false);
    for (outcome, lasting) in outcomes {
        assert!(outcome.unwrap() <= lasting);
    }
    // The first thread's own, during which all others write, and one for them.
    assert!(syncs <= 2, "{syncs} syncs");
}

#[test]
fn a_failed_sync_is_good_news_for_nobody() {
    let (outcomes, syncs) = at_once(true);
    assert_eq!(syncs, 1);
    let io = outcomes
        .iter()
        .filter(|(outcome, _)| matches!(outcome, Err(AuditError::Io(_))))
        .count();
    let poisoned = outcomes
        .iter()
        .filter(|(outcome, _)| *outcome == Err(AuditError::Poisoned))
        .count();
    assert_eq!((io, poisoned), (1, outcomes.len() - 1));
}

/// A disk that notes what is asked of it.
#[derive(Default)]
struct Noting(Mutex<Vec<&'static str>>);

impl Medium for Arc<Noting> {
    fn create(&self, folder: &Path, name: &str) -> io::Result<File> {
        self.0.lock().unwrap().push("create");
        Disk.create(folder, name)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().push("write");
        Disk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.0.lock().unwrap().push("sync");
        Disk.sync(file)
    }
}

#[test]
fn a_segment_lasts_before_the_next_has_a_name_and_a_line_is_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Noting::default());
    let log = open_on(folder.path(), 1200, Box::new(Arc::clone(&disk))).unwrap();
    disk.0.lock().unwrap().clear();
    fill(&log, 0, 5);
    assert_eq!(
        *disk.0.lock().unwrap(),
        [
            "write", "write", "sync", "create", "write", "write", "write"
        ]
    );
}
