//! An ordinary life: made, written, sealed, closed, opened again, read.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{
    AuditError, Durability, Event, Finding, KeyOperation, KeyUse, Log, LogId, Record, What,
    daily_count, read, verify,
};
use super::{Auditor, LOG, at, fill, label, open, open_small, used};
use crate::verify::OpenSslVerifier;

#[test]
fn a_log_goes_on_over_segments_and_restarts_and_tells_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("audit");
    let auditor = Auditor::new();
    let (persons, root) = (label("ca/persons/g1"), label("ca/root/g1"));
    let log = open_small(&folder, 2000);
    log.append(
        &Record::Started {
            detail: "1.2 \"token\"\n",
        },
        at(1),
        Durability::Synced,
    )
    .unwrap();
    let intent = log
        .append(
            &Record::Intent(KeyOperation {
                caller: "ca",
                operation: "sign",
                key: Some(&root),
                ..KeyOperation::default()
            }),
            at(2),
            Durability::Synced,
        )
        .unwrap();
    assert_eq!(intent.number(), 3);
    fill(&log, 3, 40);
    log.checkpoint(&auditor, at(50)).unwrap();
    let head = log.head();
    drop(log);

    let log = Log::open(&folder, LogId::from_bytes([1; 16]), at(60)).unwrap();
    assert_eq!((log.id(), log.head()), (LOG, head));
    log.append(
        &used("idp", &persons, "not-permitted"),
        at(61),
        Durability::Buffered,
    )
    .unwrap();
    let report = verify(&folder, &auditor.keys(), Some(&head), &OpenSslVerifier).unwrap();
    assert!(report.live && report.signatures_checked && report.segments > 5);
    assert_eq!((report.lines(), report.checkpoints), (45, 1));
    // The checkpoint's own line and the one behind it.
    assert_eq!(report.uncovered(), 2);
    assert_eq!(
        report.callers.names.into_iter().collect::<Vec<_>>(),
        [("ca".to_owned(), 40), ("idp".to_owned(), 1)]
    );
    assert_eq!(
        report.results.names.into_iter().collect::<Vec<_>>(),
        [("done".to_owned(), 40), ("not-permitted".to_owned(), 1)]
    );
    assert_eq!(report.events.names.get("bridge.key.intent"), Some(&1));
    drop(log);
    let report = verify(&folder, &[], None, &OpenSslVerifier).unwrap();
    assert!(!report.live && !report.signatures_checked);

    let mut seen = Vec::new();
    read(&folder, None, |entry| {
        seen.push((
            entry.event,
            entry.detail.as_ref().map(|text| text.as_str().to_owned()),
        ));
        if seen.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(
        seen,
        [
            (Event::Created, None),
            (Event::Started, Some("1.2 \"token\"\n".to_owned()))
        ]
    );
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(folder.join("00000001.jsonl"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn ceilings_are_counted_from_the_segments_that_matter() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_small(folder.path(), 20_000);
    let (persons, other) = (label("ca/persons/g1"), label("ca/other/g1"));
    // A line every 100 seconds.
    for step in 0..400 {
        let (key, result) = match step % 4 {
            0 => (&other, "done"),
            1 => (&persons, "busy"),
            _ => (&persons, "done"),
        };
        log.append(
            &used("ca", key, result),
            at(step * 100),
            Durability::Buffered,
        )
        .unwrap();
        log.append(
            &used("idp", key, result),
            at(step * 100),
            Durability::Buffered,
        )
        .unwrap();
    }
    // What is older than the moment by more than a clock may err is not looked at.
    fs::write(folder.path().join("00000001.jsonl"), "not a line\n").unwrap();
    let count = |since: u64| daily_count(folder.path(), at(since), |caller, _, _| caller == "ca");
    let counted = count(30_000).unwrap();
    let key_use = |key: &str| KeyUse {
        caller: "ca".to_owned(),
        operation: "sign".to_owned(),
        key: key.to_owned(),
    };
    assert_eq!(counted.len(), 2);
    assert_eq!(counted.get(&key_use("ca/other/g1")), Some(&25));
    assert_eq!(counted.get(&key_use("ca/persons/g1")), Some(&50));
    assert_eq!(
        count(0),
        Err(Finding {
            segment: 1,
            line: 1,
            what: What::Malformed
        })
    );
}

#[test]
fn two_writers_are_impossible() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(AuditError::InUse(_))));
    fill(&first, 0, 3);
    drop(first);
    assert_eq!(open(folder.path()).unwrap().head().sequence, 4);
}

#[test]
fn a_record_that_is_too_long_is_refused_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let text = "\u{1}".repeat(1000);
    let refused = log.append(
        &Record::Stopped { detail: &text },
        at(0),
        Durability::Synced,
    );
    assert_eq!(refused, Err(AuditError::TooLong));
    fill(&log, 0, 1);
    drop(log);
    assert_eq!(
        verify(folder.path(), &[], None, &OpenSslVerifier)
            .unwrap()
            .lines(),
        2
    );
}

#[test]
fn a_log_is_verified_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (log, auditor) = (open_small(folder.path(), 20_000), Auditor::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    fill(&log, 0, 10);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                log.checkpoint(&auditor, at(1)).unwrap();
            }
        });
        let verified: Vec<_> = (0..12)
            .map(|_| verify(folder.path(), &auditor.keys(), None, &OpenSslVerifier))
            .collect();
        done.store(true, Ordering::Relaxed);
        for report in verified {
            assert!(report.unwrap().live);
        }
    });
    let report = verify(
        folder.path(),
        &auditor.keys(),
        Some(&log.head()),
        &OpenSslVerifier,
    );
    assert_eq!(report.unwrap().head, log.head());
}
