//! kill -9 and half-written lines.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::checkpoint;
use super::super::{AuditError, Durability, Event, Finding, Record, Text, What, read, verify};
use super::{Auditor, at, fill, label, open, open_small, used};
use crate::verify::OpenSslVerifier;

/// Names the folder to the process that will be killed.
const FOLDER: &str = "AUDIT_CRASH_FOLDER";

/// What the process that will be killed does; it does nothing when it is run as a test of its own.
#[test]
#[ignore = "run by `every_acknowledged_line_survives_kill_9` in a process of its own"]
fn appends_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let log = open_small(Path::new(&folder), 30_000);
    let (key, auditor, number) = (label("ca/persons/g1"), Auditor::new(), AtomicU64::new(0));
    let append = |durability| {
        loop {
            let caller = format!("caller-{}", number.fetch_add(1, Ordering::Relaxed));
            let sequence = log
                .append(&used(&caller, &key, "done"), at(1), durability)
                .unwrap();
            let acknowledged = format!("\nacknowledged {sequence} {caller}\n");
            std::io::stdout()
                .lock()
                .write_all(acknowledged.as_bytes())
                .unwrap();
        }
    };
    std::thread::scope(|scope| {
        for durability in [
            Durability::Buffered,
            Durability::Buffered,
            Durability::Synced,
        ] {
            scope.spawn(move || append(durability));
        }
        scope.spawn(|| {
            loop {
                log.checkpoint(&auditor, at(2)).unwrap();
            }
        });
    });
}

#[test]
fn every_acknowledged_line_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}::appends_until_killed", module_path!());
    let (_, name) = name.split_once("::").unwrap();
    let mut acknowledged = HashMap::new();
    for patience in [1, 7, 150, 900, 40] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut left = patience;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((sequence, caller)) = line
                .strip_prefix("acknowledged ")
                .and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            acknowledged.insert(sequence.parse::<u64>().unwrap(), caller.to_owned());
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(left <= 0, "the child ended too early");
        drop(open(folder.path()).unwrap());
        let report = verify(folder.path(), &[], None, &OpenSslVerifier).unwrap();
        assert!(!report.live);
        let mut missing = acknowledged.clone();
        read(folder.path(), None, |entry| {
            let caller = entry.caller.as_ref().map(Text::as_str);
            if missing.get(&entry.sequence).map(String::as_str) == caller {
                missing.remove(&entry.sequence);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(missing.is_empty(), "{missing:?}");
    }
    assert!(acknowledged.len() >= 1098);
}

fn append_bytes(folder: &Path, segment: &str, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(folder.join(segment))
        .unwrap();
    file.write_all(bytes).unwrap();
}

fn torn_files(folder: &Path) -> Vec<Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_str().unwrap().starts_with("torn-"))
        .map(|file| fs::read(file.path()).unwrap())
        .collect()
}

#[test]
fn a_torn_line_is_moved_aside_and_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    fill(&log, 0, 3);
    let torn = b"{\"sequence\":5,\"at_u";
    append_bytes(folder.path(), "00000001.jsonl", torn);
    // As long as somebody writes, it is a line that is not there yet.
    let report = verify(folder.path(), &[], None, &OpenSslVerifier).unwrap();
    assert_eq!((report.live, report.lines()), (true, 4));
    drop(log);
    assert_eq!(
        verify(folder.path(), &[], None, &OpenSslVerifier),
        Err(Finding {
            segment: 1,
            line: 5,
            what: What::Torn
        })
    );
    let segment = folder.path().join("00000001.jsonl");
    let mut whole = fs::read(&segment).unwrap();
    whole.truncate(whole.len() - torn.len());
    for _ in 0..3 {
        drop(open(folder.path()).unwrap());
    }
    // Interrupted after the move, before the record: it is made up for.
    fs::write(&segment, whole).unwrap();
    for _ in 0..2 {
        drop(open(folder.path()).unwrap());
        assert_eq!(torn_files(folder.path()), [torn]);
        let mut recorded = Vec::new();
        read(folder.path(), None, |entry| {
            if entry.event == Event::Torn {
                recorded.push((entry.sequence, entry.length));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(recorded, [(5, Some(19))]);
        assert_eq!(
            verify(folder.path(), &[], None, &OpenSslVerifier)
                .unwrap()
                .lines(),
            5
        );
    }
}

#[test]
fn a_log_interrupted_at_its_birth_or_at_a_new_segment_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("00000001.jsonl"), "{\"seq").unwrap();
    fill(&open(folder.path()).unwrap(), 0, 2);
    fs::write(folder.path().join("00000002.jsonl"), "").unwrap();
    assert_eq!(
        verify(folder.path(), &[], None, &OpenSslVerifier)
            .unwrap()
            .lines(),
        4
    );
    fill(&open(folder.path()).unwrap(), 2, 2);
    append_bytes(folder.path(), "00000002.jsonl", b"{");
    fill(&open(folder.path()).unwrap(), 4, 1);
    let report = verify(folder.path(), &[], None, &OpenSslVerifier).unwrap();
    // The name, two torn lines, five uses.
    assert_eq!((report.lines(), report.segments), (8, 2));
    assert_eq!(report.events.names.get("bridge.torn"), Some(&2));
}

#[test]
fn an_interrupted_checkpoint_is_finished_or_forgotten() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let path = |name: &str| folder.path().join(name);
    let sound = || verify(folder.path(), &auditor.keys(), None, &OpenSslVerifier).unwrap();
    let log = open(folder.path()).unwrap();
    fill(&log, 0, 3);
    let made = log.checkpoint(&auditor, at(5)).unwrap();
    fill(&log, 6, 3);
    drop(log);
    // Before the renaming.
    fs::rename(path("checkpoint.json"), path("checkpoint.json.new")).unwrap();
    assert_eq!(sound().checkpoint.as_ref(), Some(&made));
    drop(open(folder.path()).unwrap());
    assert!(path("checkpoint.json").exists() && !path("checkpoint.json.new").exists());
    assert_eq!(sound().checkpoint.as_ref(), Some(&made));
    // While it was being written, and before its line was.
    let before = fs::read(path("checkpoint.json")).unwrap();
    let log = open(folder.path()).unwrap();
    let length = fs::metadata(path("00000001.jsonl")).unwrap().len();
    log.checkpoint(&auditor, at(7)).unwrap();
    drop(log);
    fs::rename(path("checkpoint.json"), path("checkpoint.json.new")).unwrap();
    fs::write(path("checkpoint.json"), before).unwrap();
    let segment = OpenOptions::new()
        .write(true)
        .open(path("00000001.jsonl"))
        .unwrap();
    segment.set_len(length).unwrap();
    assert_eq!(sound().checkpoint.as_ref(), Some(&made));
    drop(open(folder.path()).unwrap());
    assert!(!path("checkpoint.json.new").exists());
    fs::write(path("checkpoint.json.new"), "{\"log\":").unwrap();
    assert_eq!(sound().checkpoint, Some(made));
    drop(open(folder.path()).unwrap());
    assert!(!path("checkpoint.json.new").exists());
    // Gone without a reason.
    fs::remove_file(path("checkpoint.json")).unwrap();
    assert_eq!(
        verify(folder.path(), &[], None, &OpenSslVerifier),
        Err(Finding::folder(What::CheckpointFile))
    );
}

/// Signs only after so many lines came in between.
struct Sluggish<'a>(&'a Auditor, &'a super::super::Log, u64);

impl crate::Signer for Sluggish<'_> {
    fn scheme(&self) -> crate::SignatureScheme {
        self.0.scheme()
    }

    fn public_key(&self) -> &spki::SubjectPublicKeyInfoOwned {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, crate::KeyStoreError> {
        for _ in 0..self.2 {
            let stopped = Record::Stopped { detail: "" };
            self.1
                .append(&stopped, at(0), Durability::Buffered)
                .unwrap();
        }
        self.0.sign(message)
    }
}

#[test]
fn a_checkpoint_covers_the_head_it_signed_and_gives_up_when_overtaken() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let log = open(folder.path()).unwrap();
    let seal = |lines| log.checkpoint(&Sluggish(&auditor, &log, lines), at(1));
    let most = checkpoint::MAX_DISTANCE - 1;
    assert_eq!(seal(most).unwrap().head.sequence, 1);
    assert_eq!(seal(most + 1), Err(AuditError::Overtaken));
    seal(0).unwrap();
    let report = verify(folder.path(), &auditor.keys(), None, &OpenSslVerifier).unwrap();
    assert_eq!((report.checkpoints, report.uncovered()), (2, 1));
}
