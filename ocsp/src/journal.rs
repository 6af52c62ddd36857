//! The followed log on disk, so that the service answers after a restart with the authority stopped.
//!
//! `snapshot` holds every record and a checksum; `journal` holds what came since, each line with its own check, and
//! is flushed before memory changes: what was once answered as revoked is not forgotten by a crash. Both may
//! overlap, since taking a change twice is taking it once.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pki::crl::CrlReason;
use pki::key::IssuerId;
use pki::serial::SerialNumber;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::files;
use crate::status::{Change, Record, Statuses};

const SNAPSHOT_MAGIC: &[u8; 16] = b"romduol-status-1";
/// Octets of one change: sequence, issuer, length and octets of the serial number, state, reason, time.
const LINE: usize = 8 + 16 + 1 + 20 + 1 + 1 + 8;
/// Octets of the check behind a line of the journal.
const CHECK: usize = 8;
const SUM: usize = 32;
const NO_REASON: u8 = u8::MAX;
/// Lines of the journal from which on it is folded into the snapshot; a larger snapshot waits for more of them.
const FOLD_AFTER: usize = 10_000;
const FOLD_SHARE: usize = 4;

/// The open files.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    lines: usize,
}

fn encode(change: &Change) -> [u8; LINE] {
    let serial = change.serial.as_bytes();
    let (state, at, reason) = match change.record.revoked {
        None => (0, 0, NO_REASON),
        Some((at, reason)) => (1, at, reason.map_or(NO_REASON, CrlReason::code)),
    };
    let length = u8::try_from(serial.len()).unwrap_or(u8::MAX);
    let mut line = [0; LINE];
    let parts = change
        .record
        .sequence
        .to_be_bytes()
        .into_iter()
        .chain(change.issuer.as_bytes().iter().copied())
        .chain([length])
        .chain(serial.iter().copied().chain(std::iter::repeat(0)).take(20))
        .chain([state, reason])
        .chain(at.to_be_bytes());
    for (to, from) in line.iter_mut().zip(parts) {
        *to = from;
    }
    line
}

fn decode(line: &[u8]) -> Option<Change> {
    let (sequence, rest) = line.split_first_chunk::<8>()?;
    let (issuer, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first()?;
    let (serial, rest) = rest.split_first_chunk::<20>()?;
    let ([state, reason], at) = rest.split_first_chunk::<2>()?;
    let at = i64::from_be_bytes(at.try_into().ok()?);
    let revoked = match (state, reason) {
        (0, _) => None,
        (1, &NO_REASON) => Some((at, None)),
        (1, code) => Some((at, Some(CrlReason::from_code(*code).ok()?))),
        _ => return None,
    };
    Some(Change {
        issuer: format!("{:032x}", u128::from_be_bytes(*issuer))
            .parse::<IssuerId>()
            .ok()?,
        serial: SerialNumber::from_bytes(serial.get(..usize::from(*length))?).ok()?,
        record: Record {
            sequence: i64::from_be_bytes(*sequence),
            revoked,
        },
    })
}

fn check(line: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    for (to, from) in check.iter_mut().zip(Sha256::digest(line)) {
        *to = from;
    }
    check
}

impl Journal {
    /// Opens or creates the files and fills `statuses` with what they hold. A damaged snapshot is an error: the
    /// operator decides whether to remove it and follow the log from its start.
    pub fn open(folder: &Path, statuses: &Statuses) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
        load_snapshot(&folder.join("snapshot"), statuses)?;
        let path = folder.join("journal");
        let lines = load_journal(&path, statuses)?;
        let bad = |e: std::io::Error| Error::file(&path, e);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(bad)?;
        // What follows the last whole line was never taken over.
        file.set_len((lines * (LINE + CHECK)) as u64).map_err(bad)?;
        file.sync_all().map_err(bad)?;
        files::flush_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            lines,
        })
    }

    /// Makes changes durable; to be called before memory takes them over.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(changes.len() * (LINE + CHECK));
        for change in changes {
            let line = encode(change);
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(&check(&line));
        }
        let path = self.folder.join("journal");
        self.file
            .write_all(&bytes)
            .map_err(|e| Error::file(&path, e))?;
        self.file.sync_data().map_err(|e| Error::file(&path, e))?;
        self.lines += changes.len();
        Ok(())
    }

    /// Folds the journal into the snapshot if it has grown long; `statuses` must hold all that was appended.
    pub fn fold_if_long(&mut self, statuses: &Statuses) -> Result<(), Error> {
        if self.lines < FOLD_AFTER.max(statuses.len() / FOLD_SHARE) {
            return Ok(());
        }
        self.fold(statuses)
    }

    /// Folds the journal into the snapshot.
    pub fn fold(&mut self, statuses: &Statuses) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(SNAPSHOT_MAGIC.len() + 8 + statuses.len() * LINE + SUM);
        bytes.extend_from_slice(SNAPSHOT_MAGIC);
        bytes.extend_from_slice(&statuses.cursor().to_be_bytes());
        statuses.for_each(|issuer, serial, record| {
            if let Ok(serial) = SerialNumber::from_bytes(serial) {
                bytes.extend_from_slice(&encode(&Change {
                    issuer: *issuer,
                    serial,
                    record: *record,
                }));
            }
        });
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        files::replace(&self.folder.join("snapshot"), &bytes)?;
        let path = self.folder.join("journal");
        self.file.set_len(0).map_err(|e| Error::file(&path, e))?;
        self.file.sync_all().map_err(|e| Error::file(&path, e))?;
        self.lines = 0;
        Ok(())
    }

    /// Remembers when the authority was last in contact, which is how fresh the records are.
    pub fn remember_contact(&self, at: Timestamp) -> Result<(), Error> {
        files::replace(
            &self.folder.join("contact"),
            at.as_second().to_string().as_bytes(),
        )
    }

    /// When the authority was last in contact before the start.
    pub fn last_contact(&self) -> Option<Timestamp> {
        let bytes = files::read_if_present(&self.folder.join("contact")).ok()??;
        let second = std::str::from_utf8(&bytes).ok()?.trim().parse().ok()?;
        Timestamp::from_second(second).ok()
    }
}

fn load_snapshot(path: &Path, statuses: &Statuses) -> Result<(), Error> {
    let Some(bytes) = files::read_if_present(path)? else {
        return Ok(());
    };
    let damaged = || Error::file(path, "is damaged");
    let (content, sum) = bytes
        .split_at_checked(bytes.len().saturating_sub(SUM))
        .ok_or_else(damaged)?;
    if Sha256::digest(content).as_slice() != sum {
        return Err(damaged());
    }
    let rest = content.strip_prefix(SNAPSHOT_MAGIC).ok_or_else(damaged)?;
    let (cursor, lines) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    for line in lines.chunks(LINE) {
        statuses.apply(&decode(line).ok_or_else(damaged)?);
    }
    statuses.advance(i64::from_be_bytes(*cursor));
    Ok(())
}

/// Takes over whole lines up to the first that is torn or damaged; the number of them.
fn load_journal(path: &Path, statuses: &Statuses) -> Result<usize, Error> {
    let bytes = files::read_if_present(path)?.unwrap_or_default();
    let mut lines = 0;
    for whole in bytes.chunks_exact(LINE + CHECK) {
        let Some((line, sum)) = whole.split_at_checked(LINE) else {
            break;
        };
        if check(line) != sum {
            break;
        }
        let Some(change) = decode(line) else {
            break;
        };
        statuses.apply(&change);
        lines += 1;
    }
    if lines * (LINE + CHECK) != bytes.len() {
        tracing::warn!(
            lines,
            "the journal ends in a torn line, which was never answered from"
        );
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(sequence: i64, serial: u8, revoked: Option<(i64, Option<CrlReason>)>) -> Change {
        Change {
            issuer: "00112233445566778899aabbccddeeff".parse().unwrap(),
            serial: SerialNumber::new(1, &[serial; 19]).unwrap(),
            record: Record { sequence, revoked },
        }
    }

    #[test]
    fn a_restart_finds_what_was_appended_folded_or_not_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let statuses = Statuses::default();
        let mut journal = Journal::open(folder.path(), &statuses).unwrap();
        let first = [
            change(1, 1, None),
            change(2, 2, Some((5, Some(CrlReason::KeyCompromise)))),
        ];
        journal.append(&first).unwrap();
        for change in &first {
            assert!(statuses.apply(change));
        }
        journal.fold(&statuses).unwrap();
        journal.append(&[change(3, 1, Some((6, None)))]).unwrap();
        journal.append(&[change(4, 3, None)]).unwrap();
        journal
            .remember_contact(Timestamp::from_second(77).unwrap())
            .unwrap();
        drop(journal);
        let path = folder.path().join("journal");
        let length = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length - 1)
            .unwrap();

        let again = Statuses::default();
        let journal = Journal::open(folder.path(), &again).unwrap();
        assert_eq!(again.cursor(), 3);
        let find = |serial| {
            let c = change(0, serial, None);
            again.find(&c.issuer, &c.serial).map(|r| r.revoked)
        };
        assert_eq!(find(1), Some(Some((6, None))));
        assert_eq!(find(2), Some(Some((5, Some(CrlReason::KeyCompromise)))));
        assert_eq!(find(3), None, "the torn line");
        assert_eq!(journal.last_contact(), Timestamp::from_second(77).ok());
    }

    #[test]
    fn a_damaged_snapshot_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let statuses = Statuses::default();
        let mut journal = Journal::open(folder.path(), &statuses).unwrap();
        statuses.apply(&change(1, 1, None));
        journal.fold(&statuses).unwrap();
        let path = folder.path().join("snapshot");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(Journal::open(folder.path(), &Statuses::default()).is_err());
    }

    proptest! {
        #[test]
        fn lines_round_trip(sequence: i64, serial in 1u8.., at: i64, code in 0u8..12) {
            let reason = CrlReason::from_code(code).ok();
            let change = change(sequence, serial, Some((at, reason)));
            prop_assert_eq!(decode(&encode(&change)), Some(change));
        }

        #[test]
        fn rubbish_never_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&line);
        }
    }
}
