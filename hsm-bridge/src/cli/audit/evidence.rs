//! Evidence of how a key was made, held against the log of the bridge that made it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hsm_bridge::KeyStoreError;
use hsm_bridge::audit::{Hash, Report};

use super::time;

/// No evidence is longer.
const MAX_FILE: u64 = 64 * 1024;

/// The hash of evidence, without the newline that a printed one ends with.
pub(super) fn hash_of(path: &Path) -> Result<Hash, KeyStoreError> {
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!("evidence {}: {e}", path.display()))
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
        .map_err(|e| wrong(&e))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(wrong(&"is too long"));
    }
    Ok(Hash::of(text.strip_suffix(b"\n").unwrap_or(&text)))
}

/// What a sound log tells of evidence, and whether it tells of all that was asked about.
pub(super) fn words(asked: &[(&PathBuf, &Hash)], report: &Report) -> (String, bool) {
    let covered = report
        .checkpoint
        .as_ref()
        .map_or(0, |checkpoint| checkpoint.head.sequence);
    let (mut text, mut all_told) = (String::new(), true);
    for (path, hash) in asked {
        let path = path.display();
        // Writing to memory cannot fail.
        let _written = if let Some(line) = report.evidence.iter().find(|line| line.hash == **hash) {
            let id = line.key_id.as_ref().map(|id| format!(" ({id})"));
            let signed = if line.sequence <= covered {
                "a checkpoint covers it"
            } else {
                "no checkpoint covers it yet"
            };
            writeln!(
                text,
                "{path}: this is what was noted of {}{} at {} in line {}; {signed}.",
                line.key.escape_debug(),
                id.unwrap_or_default(),
                time(line.at_us),
                line.sequence
            )
        } else {
            all_told = false;
            writeln!(
                text,
                "{path}: no line of this log tells of it: it was changed since, was noted before the lines that were read, or is of another bridge or one too old to note evidence."
            )
        };
    }
    (text, all_told)
}
