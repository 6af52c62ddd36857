//! A log whose oldest segments were moved away.

use std::fs;

use super::*;
use crate::audit::{Finding, Report, What, Witness, done_since, verify, verify_from};
use crate::verify::OpenSslVerifier;

const SEGMENT: u64 = 4096;
const HOUR: u64 = 3_600;

/// A log of several segments with a checkpoint every so many lines; gives the head after every line, by its number.
fn long_log(folder: &Path, auditor: &Auditor) -> Vec<Witness> {
    let log = open_small(folder, SEGMENT);
    let mut heads = vec![log.head()];
    for round in 0..12 {
        for line in 0..8 {
            fill(&log, round * 100 + line, 1);
            heads.push(log.head());
        }
        log.checkpoint(auditor, at(round * 100 + 9)).unwrap();
        heads.push(log.head());
    }
    heads
}

fn segments(folder: &Path) -> u64 {
    crate::audit::segment::span(folder).unwrap().last
}

fn segment_file(folder: &Path, number: u64) -> std::path::PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

fn begins(folder: &Path, number: u64) -> u64 {
    let text = fs::read_to_string(segment_file(folder, number)).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    line["sequence"].as_u64().unwrap()
}

fn from(folder: &Path, auditor: &Auditor, witness: &Witness) -> Result<Report, Finding> {
    verify_from(folder, &auditor.keys(), witness, None, &OpenSslVerifier)
}

#[test]
fn a_log_is_verified_from_every_line_on_whatever_was_moved_away_before() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let folder = folder.path();
    let heads = long_log(folder, &auditor);
    let whole = verify(folder, &auditor.keys(), None, &OpenSslVerifier).unwrap();
    let newest = segments(folder);
    assert!(newest >= 4, "{newest}");
    for gone in 0..newest - 1 {
        if gone > 0 {
            fs::remove_file(segment_file(folder, gone)).unwrap();
        }
        let first = begins(folder, gone + 1);
        for witness in &heads {
            match from(folder, &auditor, witness) {
                Ok(report) => {
                    assert!(witness.sequence + 1 >= first, "{witness} {first}");
                    assert_eq!((report.log, report.head), (whole.log, whole.head));
                    assert_eq!(report.checkpoint, whole.checkpoint);
                    assert_eq!(report.from, Some(*witness));
                }
                Err(finding) => {
                    let missing = What::OutOfReach {
                        witness: witness.sequence,
                        first,
                    };
                    assert_eq!(finding.what, missing);
                    assert!(witness.sequence + 1 < first);
                }
            }
        }
        if gone > 0 {
            let finding = verify(folder, &auditor.keys(), None, &OpenSslVerifier).unwrap_err();
            assert_eq!((finding.segment, finding.what), (1, What::MissingSegment));
        }
    }
}

#[test]
fn a_change_behind_the_witness_is_found_and_the_witness_itself_must_hold() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let folder = folder.path();
    let heads = long_log(folder, &auditor);
    let second = begins(folder, 2);
    fs::remove_file(segment_file(folder, 1)).unwrap();
    let edge = heads
        .iter()
        .find(|head| head.sequence + 1 == second)
        .unwrap();
    let later = heads
        .iter()
        .find(|head| head.sequence == second + 3)
        .unwrap();
    for witness in [edge, later] {
        from(folder, &auditor, witness).unwrap();
        let lie = Witness {
            sequence: witness.sequence,
            hash: heads[0].hash,
        };
        let found = from(folder, &auditor, &lie).unwrap_err().what;
        assert_eq!(found, What::Witness(lie));
    }
    // A line behind the witness is changed: found from before it, not from after it, and the checkpoints do not hold either way.
    let file = segment_file(folder, 2);
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"us\":81", "\"us\":82", 1);
    assert_ne!(changed, text);
    fs::write(&file, changed).unwrap();
    assert_eq!(from(folder, &auditor, edge).unwrap_err().what, What::Chain);
    let stranger = Auditor::new();
    fs::write(&file, &text).unwrap();
    let found = from(folder, &stranger, edge).unwrap_err().what;
    assert_eq!(found, What::ForeignCheckpoint);
    // A head beyond the end: the log was cut.
    let beyond = Witness {
        sequence: heads.len() as u64 + 50,
        hash: heads[0].hash,
    };
    let cut = verify_from(
        folder,
        &auditor.keys(),
        edge,
        Some(&beyond),
        &OpenSslVerifier,
    );
    assert!(matches!(cut.unwrap_err().what, What::Truncated { .. }));
}

#[test]
fn the_bridge_goes_on_with_a_log_whose_oldest_segments_were_moved_away() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let folder = folder.path();
    let heads = long_log(folder, &auditor);
    let newest = segments(folder);
    for gone in 1..newest - 1 {
        fs::remove_file(segment_file(folder, gone)).unwrap();
    }
    let log = open_small(folder, SEGMENT);
    assert_eq!(Some(&log.head()), heads.last());
    fill(&log, 5_000, 40);
    log.checkpoint(&auditor, at(5_050)).unwrap();
    drop(log);
    let edge = begins(folder, newest - 1) - 1;
    let edge = heads.iter().find(|head| head.sequence == edge).unwrap();
    let report = from(folder, &auditor, edge).unwrap();
    assert_eq!(report.log, LOG);
    // Without a checkpoint nothing names the log any more.
    fs::remove_file(folder.join("checkpoint.json")).unwrap();
    assert!(open_on(folder, SEGMENT, Box::new(Disk)).is_err());
}

#[test]
fn a_day_that_was_moved_away_in_part_is_not_counted_as_a_quiet_one() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let folder = folder.path();
    let log = open_small(folder, SEGMENT);
    for hour in 0..20 {
        fill(&log, hour * HOUR, 5);
    }
    log.checkpoint(&auditor, at(20 * HOUR)).unwrap();
    drop(log);
    let count = |hours: u64| {
        let mut uses = 0;
        done_since(folder, at(hours * HOUR), |_, _, _| uses += 1).map(|()| uses)
    };
    assert_eq!((count(0), count(15)), (Ok(100), Ok(25)));
    fs::remove_file(segment_file(folder, 1)).unwrap();
    assert_eq!(count(0).unwrap_err().what, What::MissingSegment);
    assert_eq!(count(15), Ok(25));
    // What is older than the day is not even opened beyond its first line.
    let old = segment_file(folder, 2);
    let text = fs::read_to_string(&old).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(&old, format!("{first}\nnot a line of the log\n")).unwrap();
    assert_eq!(count(15), Ok(25));
}
