//! The transcript: what a ceremony did, step by step, as a chain of hashes that a witness can copy down.
//!
//! Every step is on disk before the next one starts, once for programs (`transcript.jsonl`) and once for people
//! (`transcript.txt`); the text is a rendering of the same entries, so that both can be compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::CeremonyError;
use crate::hex;

/// File of the transcript for programs.
pub(crate) const JSON_FILE: &str = "transcript.jsonl";
/// File of the transcript for people.
pub(crate) const TEXT_FILE: &str = "transcript.txt";
/// First bytes of what is hashed; changes with the encoding.
const HASH_DOMAIN: &[u8] = b"romduol-ceremony-v1";
/// In front of the name of a file whose hash is a fact.
const FILE_PREFIX: &str = "file ";
/// Longest transcript that is read, in bytes.
const MAX_TRANSCRIPT: u64 = 16 * 1024 * 1024;

/// What one step established, by name.
pub(crate) type Facts = BTreeMap<String, String>;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Place in the transcript, counted from 1.
    pub(crate) number: u32,
    /// When it was done.
    pub(crate) at: Timestamp,
    /// What was done, in words.
    pub(crate) step: String,
    /// What it established.
    pub(crate) facts: Facts,
    /// Hash of the entry before, 64 zeroes for the first.
    pub(crate) previous: String,
    /// SHA-256 over all of the above.
    pub(crate) hash: String,
}

impl Entry {
    fn follow(before: Option<&Self>, at: Timestamp, step: &str, facts: Facts) -> Self {
        let mut entry = Self {
            number: before.map_or(1, |entry| entry.number.saturating_add(1)),
            at,
            step: step.to_owned(),
            facts,
            previous: before.map_or_else(|| "0".repeat(64), |entry| entry.hash.clone()),
            hash: String::new(),
        };
        entry.hash = entry.computed_hash();
        entry
    }

    /// Each part is hashed behind its length, so that no two entries look alike.
    fn computed_hash(&self) -> String {
        let mut hasher = Sha256::new();
        let mut put = |part: &str| {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        };
        put(&String::from_utf8_lossy(HASH_DOMAIN));
        put(&self.number.to_string());
        put(&self.at.to_string());
        put(&self.step);
        for (name, value) in &self.facts {
            put(name);
            put(value);
        }
        put(&self.previous);
        hex::encode(&hasher.finalize())
    }

    fn render(&self) -> String {
        let mut text = format!("{:>3}. {}  {}\n", self.number, self.at, self.step);
        for (name, value) in &self.facts {
            let _ = writeln!(text, "       {name}: {value}");
        }
        let _ = writeln!(text, "       hash: {}", self.hash);
        text
    }

    /// The files this step wrote, with their hashes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(FILE_PREFIX)?, value.as_str())))
    }
}

/// A transcript being written.
pub(crate) struct Transcript<'a> {
    directory: PathBuf,
    last: Option<Entry>,
    progress: &'a mut dyn FnMut(&str),
}

impl<'a> Transcript<'a> {
    /// Starts a transcript in an empty directory; `progress` gets each step for the screen.
    pub(crate) fn start(directory: &Path, progress: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            directory: directory.to_owned(),
            last: None,
            progress,
        }
    }

    /// Records one step, durably.
    pub(crate) fn record(
        &mut self,
        at: Timestamp,
        step: &str,
        facts: Facts,
    ) -> Result<(), CeremonyError> {
        let entry = Entry::follow(self.last.as_ref(), at, step, facts);
        let json = serde_json::to_string(&entry)
            .map_err(|error| CeremonyError::Artefact(error.to_string()))?;
        append(&self.directory.join(JSON_FILE), &format!("{json}\n"))?;
        append(&self.directory.join(TEXT_FILE), &entry.render())?;
        (self.progress)(&entry.render());
        self.last = Some(entry);
        Ok(())
    }

    /// Writes a file that must not exist, and notes its hash among `facts`.
    pub(crate) fn write(
        &self,
        name: &str,
        bytes: &[u8],
        facts: &mut Facts,
    ) -> Result<(), CeremonyError> {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| CeremonyError::file(parent, &error))?;
        }
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| CeremonyError::file(&path, &error))?;
        facts.insert(format!("{FILE_PREFIX}{name}"), sha256(bytes));
        Ok(())
    }

    /// The hash of the last entry: what a witness copies down.
    pub(crate) fn head(&self) -> String {
        self.last
            .as_ref()
            .map(|entry| entry.hash.clone())
            .unwrap_or_default()
    }
}

fn append(path: &Path, text: &str) -> Result<(), CeremonyError> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| CeremonyError::file(path, &error))
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}

/// Reads a transcript and checks its chain and its rendering.
pub(crate) fn read(directory: &Path) -> Result<Vec<Entry>, CeremonyError> {
    let json = read_text(&directory.join(JSON_FILE))?;
    let text = read_text(&directory.join(TEXT_FILE))?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut rendered = String::new();
    for line in json.lines() {
        let entry: Entry = serde_json::from_str(line)
            .map_err(|error| CeremonyError::Artefact(format!("{JSON_FILE}: {error}")))?;
        let expected = Entry::follow(entries.last(), entry.at, &entry.step, entry.facts.clone());
        if entry != expected {
            return Err(CeremonyError::Artefact(format!(
                "step {} of the transcript does not follow from the one before",
                expected.number
            )));
        }
        rendered.push_str(&entry.render());
        entries.push(entry);
    }
    if entries.is_empty() || rendered != text {
        return Err(CeremonyError::Artefact(format!(
            "{TEXT_FILE} does not say what {JSON_FILE} says"
        )));
    }
    Ok(entries)
}

fn read_text(path: &Path) -> Result<String, CeremonyError> {
    let length = std::fs::metadata(path)
        .map_err(|error| CeremonyError::file(path, &error))?
        .len();
    if length > MAX_TRANSCRIPT {
        return Err(CeremonyError::Artefact(format!(
            "{} is too long",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map_err(|error| CeremonyError::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_two(directory: &Path) -> String {
        let mut quiet = |_: &str| {};
        let mut transcript = Transcript::start(directory, &mut quiet);
        let at = Timestamp::from_second(1_795_000_000).expect("in range");
        let mut facts = Facts::from([("who".to_owned(), "Sok Sophea".to_owned())]);
        transcript
            .write("a/b.pem", b"bytes", &mut facts)
            .expect("write");
        transcript.record(at, "first", facts).expect("record");
        transcript
            .record(at, "second", Facts::new())
            .expect("record");
        transcript.head()
    }

    #[test]
    fn what_was_written_reads_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let head = write_two(directory.path());
        let entries = read(directory.path()).expect("sound");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].hash, head);
        assert_eq!(
            entries[0].files().collect::<Vec<_>>(),
            [("a/b.pem", sha256(b"bytes").as_str())]
        );
    }

    #[test]
    fn a_changed_word_breaks_the_chain_and_a_changed_text_the_rendering() {
        let directory = tempfile::tempdir().expect("a directory");
        write_two(directory.path());
        for file in [JSON_FILE, TEXT_FILE] {
            let path = directory.path().join(file);
            let sound = std::fs::read_to_string(&path).expect("read");
            std::fs::write(&path, sound.replace("Sok", "Sak")).expect("write");
            assert!(read(directory.path()).is_err(), "{file}");
            std::fs::write(&path, sound).expect("write");
        }
        assert!(read(directory.path()).is_ok());
    }

    #[test]
    fn a_file_is_never_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        write_two(directory.path());
        let mut quiet = |_: &str| {};
        let transcript = Transcript::start(directory.path(), &mut quiet);
        assert!(
            transcript
                .write("a/b.pem", b"other", &mut Facts::new())
                .is_err()
        );
    }
}
