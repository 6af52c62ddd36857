//! Whatever is done to a log behind the bridge's back is found.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use spki::SubjectPublicKeyInfoOwned;

use super::super::{Finding, Report, What, Witness, verify};
use super::{Auditor, at, fill, open_small};
use crate::verify::OpenSslVerifier;

/// A log of several segments and two checkpoints, the second as its last line, as file names and contents.
struct Original {
    files: Vec<(String, Vec<u8>)>,
    keys: Vec<SubjectPublicKeyInfoOwned>,
    head: Witness,
}

fn original() -> &'static Original {
    static MADE: OnceLock<Original> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let auditor = Auditor::new();
        let log = open_small(folder.path(), 3000);
        fill(&log, 0, 12);
        log.checkpoint(&auditor, at(20)).unwrap();
        fill(&log, 30, 12);
        log.checkpoint(&auditor, at(50)).unwrap();
        let head = log.head();
        drop(log);
        let mut files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| (name(&path), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        Original {
            files,
            keys: auditor.keys(),
            head,
        }
    })
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn is_segment(name: &str) -> bool {
    name.strip_suffix(".jsonl").is_some()
}

fn segments(files: &[(String, Vec<u8>)]) -> usize {
    files.iter().filter(|(name, _)| is_segment(name)).count()
}

/// Writes the files out, has them judged, and removes them.
fn judge(files: &[(String, Vec<u8>)], witness: Option<&Witness>) -> Result<Report, Finding> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    verify(folder.path(), &original().keys, witness, &OpenSslVerifier)
}

/// All lines of all segments, each with its newline, and the number of lines in each segment.
fn lines(files: &[(String, Vec<u8>)]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    for (_, content) in files.iter().filter(|(name, _)| is_segment(name)) {
        let before = all.len();
        all.extend(
            content
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec),
        );
        counts.push(all.len() - before);
    }
    (all, counts)
}

/// Puts lines back into segments; the last takes what is over.
fn relaid(
    files: &[(String, Vec<u8>)],
    lines: &[Vec<u8>],
    counts: &[usize],
) -> Vec<(String, Vec<u8>)> {
    let mut files = files.to_vec();
    let mut rest = lines.iter();
    let all = counts.len();
    let segments = files.iter_mut().filter(|(name, _)| is_segment(name));
    for (number, ((_, content), count)) in segments.zip(counts).enumerate() {
        let take = if number + 1 == all {
            usize::MAX
        } else {
            *count
        };
        *content = rest.by_ref().take(take).flatten().copied().collect();
    }
    files
}

#[test]
fn the_original_is_sound() {
    let original = original();
    let report = judge(&original.files, Some(&original.head)).unwrap();
    assert_eq!(
        (report.lines(), report.checkpoints, report.uncovered()),
        (27, 2, 1)
    );
    assert!(segments(&original.files) >= 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_change_of_a_byte_is_found(file: prop::sample::Index, place: prop::sample::Index, change in 1u8..) {
        let mut files = original().files.clone();
        let content = &mut file.get_mut(&mut files).1;
        *place.get_mut(content) ^= change;
        prop_assert!(judge(&files, None).is_err());
    }

    #[test]
    fn every_removed_line_is_found(place: prop::sample::Index) {
        let files = &original().files;
        let (mut all, counts) = lines(files);
        all.remove(place.index(all.len()));
        prop_assert!(judge(&relaid(files, &all, &counts), None).is_err());
    }

    #[test]
    fn every_repeated_line_is_found(from: prop::sample::Index, to: prop::sample::Index) {
        let files = &original().files;
        let (mut all, counts) = lines(files);
        let line = from.get(&all).clone();
        all.insert(to.index(all.len() + 1), line);
        prop_assert!(judge(&relaid(files, &all, &counts), None).is_err());
    }

    #[test]
    fn every_swap_of_lines_is_found(one: prop::sample::Index, other: prop::sample::Index) {
        let files = &original().files;
        let (mut all, counts) = lines(files);
        let (one, other) = (one.index(all.len()), other.index(all.len()));
        prop_assume!(one != other);
        all.swap(one, other);
        prop_assert!(judge(&relaid(files, &all, &counts), None).is_err());
    }

    #[test]
    fn every_truncation_is_found(place: prop::sample::Index) {
        let mut files = original().files.clone();
        let all: usize = files.iter().filter(|(name, _)| is_segment(name)).map(|(_, content)| content.len()).sum();
        let mut left = place.index(all);
        files.retain_mut(|(name, content)| {
            if !is_segment(name) {
                return true;
            }
            let keeps = left > 0;
            content.truncate(left);
            left -= content.len();
            keeps
        });
        prop_assert!(judge(&files, None).is_err());
    }

    #[test]
    fn every_missing_segment_is_found(place: prop::sample::Index) {
        let mut files = original().files.clone();
        let gone = place.index(segments(&files));
        files.retain(|(name, _)| *name != format!("{:08}.jsonl", gone + 1));
        prop_assert!(judge(&files, None).is_err());
    }
}

/// Where and what, for a change of the n-th line's `us` from 81 to 82.
fn edited(line: usize) -> Finding {
    let files = &original().files;
    let (mut all, counts) = lines(files);
    let text = String::from_utf8(all[line - 1].clone()).unwrap();
    assert!(text.contains("\"us\":81"));
    all[line - 1] = text.replace("\"us\":81", "\"us\":82").into_bytes();
    judge(&relaid(files, &all, &counts), None).unwrap_err()
}

#[test]
fn findings_say_where_and_what() {
    let original = original();
    let (all, counts) = lines(&original.files);
    let first = counts[0];
    let found = |line: u64, segment: u64, what| Finding {
        segment,
        line,
        what,
    };
    assert_eq!(edited(2), found(3, 1, What::Chain));
    // The last line of a segment shows in the first of the next.
    assert_eq!(edited(first), found(1, 2, What::Chain));
    assert_eq!(
        edited(2).to_string(),
        "00000001.jsonl, line 3: the line does not carry the hash of the line before it: one of the two was changed"
    );
    let mut less = all.clone();
    less.remove(1);
    assert_eq!(
        judge(&relaid(&original.files, &less, &counts), None),
        Err(found(2, 1, What::Sequence { due: 2, found: 3 }))
    );
    let mut files = original.files.clone();
    files.retain(|(name, _)| name != "00000002.jsonl");
    assert_eq!(
        judge(&files, None),
        Err(Finding::segment(2, What::MissingSegment))
    );
    let mut files = original.files.clone();
    let last = files
        .iter_mut()
        .rfind(|(name, _)| is_segment(name))
        .unwrap();
    last.1.pop();
    assert!(matches!(
        judge(&files, None),
        Err(Finding {
            what: What::Torn,
            ..
        })
    ));
}
