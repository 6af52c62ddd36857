//! Reading a log without verifying it, from a moment on.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::Entry;
use super::finding::{Finding, What};
use super::record::micros;
use super::segment::{self, Lines, Next, Span};

/// Lines stand in the order in which they were written, not of their times: by this much a clock may have been set back between two.
const CLOCK_SLACK: Duration = Duration::from_hours(1);

/// Hands every line since a moment to `visit`, in order, until it breaks off; segments that are older as a whole are not opened but
/// for their first line. The chain is not checked; a line that the bridge did not write is a finding, an unfinished last line is not.
pub fn read(
    folder: &Path,
    since: Option<SystemTime>,
    mut visit: impl FnMut(&Entry<'_>) -> ControlFlow<()>,
) -> Result<(), Finding> {
    let since = since.unwrap_or(UNIX_EPOCH);
    let (from_us, mut scratch) = (since_epoch(since), Vec::new());
    each_line(folder, since, |line| {
        let entry = Entry::parse(line, &mut scratch).ok_or(What::Malformed)?;
        Ok(if entry.at_us >= from_us {
            visit(&entry)
        } else {
            ControlFlow::Continue(())
        })
    })
}

/// The time as the log writes it.
pub(super) fn since_epoch(time: SystemTime) -> u64 {
    micros(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Hands on every line that may have been written since a moment, and some that were before.
pub(super) fn each_line(
    folder: &Path,
    since: SystemTime,
    mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>, What>,
) -> Result<(), Finding> {
    let segments = segment::span(folder)?;
    if segments.last == 0 {
        return Ok(());
    }
    let from_us = since_epoch(since).saturating_sub(micros(CLOCK_SLACK));
    for number in first_segment(folder, segments, from_us)?..=segments.last {
        let unreadable = |e: io::Error| Finding::segment(number, What::Unreadable(e.to_string()));
        let mut lines = Lines::open(folder, number, u64::MAX).map_err(unreadable)?;
        loop {
            let (next, line) = lines.next().map_err(unreadable)?;
            let visited = match next {
                Next::Line(bytes) => visit(bytes),
                Next::End => break,
                Next::Torn(_) if number == segments.last => break,
                Next::Torn(_) => Err(What::Torn),
                Next::TooLong => Err(What::TooLong),
            };
            let visited = visited.map_err(|what| Finding {
                segment: number,
                line,
                what,
            })?;
            if visited.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Refuses a folder whose lines since a moment may have been moved away in part.
pub(super) fn reaches_back(folder: &Path, since: SystemTime) -> Result<(), Finding> {
    let segments = segment::span(folder)?;
    let from_us = since_epoch(since).saturating_sub(micros(CLOCK_SLACK));
    if segments.first == 1 || first_segment(folder, segments, from_us)? > segments.first {
        return Ok(());
    }
    match segment::first_entry(folder, segments.first, |entry| entry.at_us)? {
        Some(at_us) if at_us < from_us => Ok(()),
        _ => Err(Finding::segment(segments.first - 1, What::MissingSegment)),
    }
}

/// The newest segment that begins before `from_us`, or the oldest: all that is younger stands in it or behind it.
fn first_segment(folder: &Path, segments: Span, from_us: u64) -> Result<u64, Finding> {
    for number in (segments.first + 1..=segments.last).rev() {
        let begins = segment::first_entry(folder, number, |entry| entry.at_us)?;
        if begins.is_some_and(|at_us| at_us < from_us) {
            return Ok(number);
        }
    }
    Ok(segments.first)
}
