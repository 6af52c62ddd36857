//! Reading a log without verifying it, from a moment on.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::Entry;
use super::finding::{Finding, What};
use super::record::micros;
use super::segment::{self, Lines, Next};

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
    let segments = segment::count(folder)?;
    let from_us = since_epoch(since).saturating_sub(micros(CLOCK_SLACK));
    for number in first_segment(folder, segments, from_us)?..=segments {
        let unreadable = |e: io::Error| Finding::segment(number, What::Unreadable(e.to_string()));
        let mut lines = Lines::open(folder, number, u64::MAX).map_err(unreadable)?;
        loop {
            let (next, line) = lines.next().map_err(unreadable)?;
            let visited = match next {
                Next::Line(bytes) => visit(bytes),
                Next::End => break,
                Next::Torn(_) if number == segments => break,
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

/// The newest segment that begins before `from_us`: all that is younger stands in it or behind it.
fn first_segment(folder: &Path, segments: u64, from_us: u64) -> Result<u64, Finding> {
    for number in (2..=segments).rev() {
        let unreadable = |e: io::Error| Finding::segment(number, What::Unreadable(e.to_string()));
        let mut lines = Lines::open(folder, number, u64::MAX).map_err(unreadable)?;
        if let (Next::Line(line), _) = lines.next().map_err(unreadable)? {
            let entry = Entry::parse(line, &mut Vec::new())
                .ok_or_else(|| Finding::segment(number, What::Malformed))?;
            if entry.at_us < from_us {
                return Ok(number);
            }
        }
    }
    Ok(1)
}
