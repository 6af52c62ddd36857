//! The files of a log: how segments are named, listed, and read line by line in constant memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Take};
use std::path::{Path, PathBuf};

use super::MAX_LINE_BYTES;
use super::entry::Entry;
use super::finding::{Finding, What};

/// What is read from a file at once.
const READ_BYTES: usize = 256 * 1024;

/// The file name of a segment.
pub(super) fn name(segment: u64) -> String {
    format!("{segment:08}.jsonl")
}

/// The path of a segment.
pub(super) fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(name(segment))
}

/// The segments of a folder: numbered without a gap, from 1 on unless the oldest were moved away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The oldest that is here.
    pub(super) first: u64,
    /// The newest; 0 when there is none.
    pub(super) last: u64,
}

/// Which segments there are. Other files in the folder are not looked at.
pub(super) fn span(folder: &Path) -> Result<Span, Finding> {
    let unreadable = |e: io::Error| Finding::folder(What::Unreadable(e.to_string()));
    let (mut found, mut first, mut last) = (0, u64::MAX, 0);
    for item in fs::read_dir(folder).map_err(unreadable)? {
        let file = item.map_err(unreadable)?.file_name();
        let number = file
            .to_str()
            .and_then(|text| text.strip_suffix(".jsonl"))
            .and_then(|digits| digits.parse::<u64>().ok())
            .filter(|number| *number > 0 && file.to_str() == Some(&name(*number)));
        if let Some(number) = number {
            found += 1;
            first = number.min(first);
            last = number.max(last);
        }
    }
    let first = first.min(last.max(1));
    if found == 0 || found == last - first + 1 {
        return Ok(Span { first, last });
    }
    let missing = (first..last).find(|number| !path(folder, *number).exists());
    Err(Finding::segment(
        missing.unwrap_or(last),
        What::MissingSegment,
    ))
}

/// The first entry of a segment, given to `look`; `None` when it has no whole line.
pub(super) fn first_entry<T>(
    folder: &Path,
    segment: u64,
    look: impl FnOnce(&Entry<'_>) -> T,
) -> Result<Option<T>, Finding> {
    let unreadable = |e: io::Error| Finding::segment(segment, What::Unreadable(e.to_string()));
    let mut lines = Lines::open(folder, segment, u64::MAX).map_err(unreadable)?;
    match lines.next().map_err(unreadable)?.0 {
        Next::Line(line) => Entry::parse(line, &mut Vec::new())
            .map(|entry| Some(look(&entry)))
            .ok_or_else(|| Finding::segment(segment, What::Malformed)),
        _ => Ok(None),
    }
}

/// What stands next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A line, without its newline.
    Line(&'a [u8]),
    /// The rest of the file, which no newline ends.
    Torn(&'a [u8]),
    /// A line longer than the bridge writes.
    TooLong,
    /// Nothing more.
    End,
}

/// The lines of a segment.
pub(super) struct Lines {
    reader: BufReader<Take<File>>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Reads the first `length` bytes of a segment, or the bytes before its end, whichever are fewer.
    pub(super) fn open(folder: &Path, segment: u64, length: u64) -> io::Result<Self> {
        let file = File::open(path(folder, segment))?;
        Ok(Self {
            reader: BufReader::with_capacity(READ_BYTES, file.take(length)),
            line: Vec::with_capacity(MAX_LINE_BYTES + 1),
            number: 0,
        })
    }

    /// Reads on; with what stands there goes the number of the line that was read last, from 1.
    pub(super) fn next(&mut self) -> io::Result<(Next<'_>, u64)> {
        self.line.clear();
        let most = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
        let read = (&mut self.reader)
            .take(most)
            .read_until(b'\n', &mut self.line)?;
        self.number += u64::from(read > 0);
        let next = match self.line.strip_suffix(b"\n") {
            Some(line) => Next::Line(line),
            None if read == 0 => Next::End,
            None if read > MAX_LINE_BYTES => Next::TooLong,
            None => Next::Torn(&self.line),
        };
        Ok((next, self.number))
    }
}
