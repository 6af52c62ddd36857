//! Rollbacks, rewritten logs and damage, as the verifier and the next start meet them.

use std::fs;
use std::path::{Path, PathBuf};

use spki::SubjectPublicKeyInfoOwned;

use super::super::{AuditError, Finding, Log, LogId, What, verify};
use super::{Auditor, at, fill, open, open_small};
use crate::verify::OpenSslVerifier;

/// Signs with one key under the name of another: the first's name, the second's signature.
struct Pretender<'a>(&'a Auditor, &'a Auditor);
impl crate::Signer for Pretender<'_> {
    fn scheme(&self) -> crate::SignatureScheme {
        self.0.scheme()
    }
    fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, crate::KeyStoreError> {
        self.1.sign(message)
    }
}

#[test]
fn a_rollback_to_an_older_checkpoint_is_found_by_a_witness_alone() {
    let (folder, auditor) = (tempfile::tempdir().unwrap(), Auditor::new());
    let log = open(folder.path()).unwrap();
    fill(&log, 0, 5);
    log.checkpoint(&auditor, at(9)).unwrap();
    let kept: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    fill(&log, 10, 5);
    let witness = log.head();
    drop(log);
    for (path, content) in kept {
        fs::write(path, content).unwrap();
    }
    let judged = |witness| verify(folder.path(), &auditor.keys(), witness, &OpenSslVerifier);
    assert!(judged(None).is_ok());
    assert_eq!(
        judged(Some(&witness)),
        Err(Finding::folder(What::Truncated { head: 7, seen: 12 }))
    );
    // The same number, another history.
    let log = open(folder.path()).unwrap();
    fill(&log, 20, 5);
    assert!(matches!(
        judged(Some(&witness)),
        Err(Finding { segment: 1, line: 12, what: What::Witness(seen) }) if seen == witness
    ));
}

#[test]
fn a_rewritten_log_needs_the_audit_key() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (auditor, forger) = (Auditor::new(), Auditor::new());
    let log = open(folder.path()).unwrap();
    fill(&log, 0, 5);
    log.checkpoint(&auditor, at(9)).unwrap();
    drop(log);
    let judged = |folder: &Path, keys: &Auditor| {
        verify(folder, &keys.keys(), None, &OpenSslVerifier).map_err(|finding| finding.what)
    };
    assert_eq!(judged(folder.path(), &forger), Err(What::ForeignCheckpoint));
    // A whole log of the same name by another key.
    let log = open(other.path()).unwrap();
    fill(&log, 100, 5);
    log.checkpoint(&forger, at(9)).unwrap();
    drop(log);
    assert_eq!(judged(other.path(), &auditor), Err(What::ForeignCheckpoint));
    // The true checkpoint in the rewritten log, as far as a chain can be made for it.
    fs::copy(
        folder.path().join("checkpoint.json"),
        other.path().join("checkpoint.json"),
    )
    .unwrap();
    assert_eq!(
        judged(other.path(), &forger),
        Err(What::Rewritten { sequence: 6 })
    );
    assert!(matches!(
        open(other.path()),
        Err(AuditError::Damaged(Finding {
            what: What::Rewritten { .. },
            ..
        }))
    ));
    // A forger's signature under the true key's name.
    let log = open(folder.path()).unwrap();
    log.checkpoint(&Pretender(&auditor, &forger), at(10))
        .unwrap();
    drop(log);
    assert_eq!(judged(folder.path(), &auditor), Err(What::ForgedCheckpoint));
}

#[test]
fn a_damaged_end_is_not_continued() {
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let log = open_small(folder.path(), 3000);
        fill(&log, 0, 20);
        log.checkpoint(&Auditor::new(), at(30)).unwrap();
        drop(log);
        folder
    };
    let refused = |folder: &Path| match open(folder) {
        Err(AuditError::Damaged(finding)) => finding.what,
        other => panic!("{other:?}"),
    };
    let segments = |folder: &Path| {
        let mut all: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        all.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
        all.sort();
        all
    };
    let folder = make();
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    assert_eq!(refused(folder.path()), What::MissingSegment);

    let folder = make();
    fs::remove_file(segments(folder.path()).last().unwrap()).unwrap();
    assert!(matches!(refused(folder.path()), What::Truncated { .. }));

    let folder = make();
    let last = segments(folder.path()).pop().unwrap();
    let text = fs::read_to_string(&last).unwrap();
    fs::write(&last, text.replacen("\"us\":81", "\"us\":82", 1)).unwrap();
    assert_eq!(refused(folder.path()), What::Chain);

    let folder = make();
    for path in segments(folder.path()) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(refused(folder.path()), What::Empty);

    let folder = make();
    fs::write(folder.path().join("checkpoint.json"), "{}").unwrap();
    assert_eq!(refused(folder.path()), What::CheckpointFile);
    // Nothing above made a new log where one was.
    assert!(Log::open(make().path(), LogId::from_bytes([1; 16]), at(0)).is_ok());
}
