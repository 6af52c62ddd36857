//! The wire between services and the daemon.

use std::io::{self, Read};

use crate::wire::{Inbound, MAX_FRAME, ReplyFrame, RequestFrame};

/// A request that is read is written as the very bytes it was read from.
pub fn request(bytes: &[u8]) {
    let Ok(frame) = RequestFrame::decode(bytes) else {
        return;
    };
    let mut again = Vec::new();
    frame
        .request
        .encode(frame.id, frame.deadline_ms, &mut again);
    assert_eq!(again, bytes, "{frame:?}");
}

/// A reply that is read is written as something that reads the same; only the text of an error may become shorter.
pub fn reply(bytes: &[u8]) {
    let Ok(frame) = ReplyFrame::decode(bytes) else {
        return;
    };
    let written = |frame: &ReplyFrame| {
        let mut to = Vec::new();
        frame.encode(&mut to);
        to
    };
    let once = written(&frame);
    let read = ReplyFrame::decode(&once).map(|frame| written(&frame));
    assert_eq!(read.as_ref(), Ok(&once), "{frame:?}");
    assert!(once.len() <= bytes.len(), "{frame:?}");
}

/// The frames of a stream are those that a plain reading of it finds, however it is cut; its first byte says how.
pub fn stream(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else {
        return;
    };
    let mut trickle = Trickle {
        bytes: stream,
        step: usize::from(*step) * usize::from(*step) + 1,
    };
    let mut inbound = Inbound::new();
    let mut rest = stream;
    loop {
        let expected = plainly(&mut rest);
        let found = inbound.next(&mut trickle);
        match (&expected, &found) {
            (Plain::Frame(frame), Ok(Some(content))) => assert_eq!(frame, content),
            (Plain::End, Ok(None)) => return,
            (Plain::Cut, Err(error)) => {
                return assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
            (Plain::TooLong, Err(error)) => {
                return assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            }
            _ => unreachable!("{expected:?} and not {found:?}"),
        }
        inbound.wipe();
    }
}

/// What stands next in a stream.
#[derive(Debug)]
enum Plain<'a> {
    Frame(&'a [u8]),
    End,
    Cut,
    TooLong,
}

fn plainly<'a>(rest: &mut &'a [u8]) -> Plain<'a> {
    if rest.is_empty() {
        return Plain::End;
    }
    let Some((length, behind)) = rest.split_first_chunk::<4>() else {
        return Plain::Cut;
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_FRAME {
        return Plain::TooLong;
    }
    match behind.split_at_checked(length) {
        Some((frame, behind)) => {
            *rest = behind;
            Plain::Frame(frame)
        }
        None => Plain::Cut,
    }
}

/// A stream that gives so many bytes at a time.
struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let room = to.len().min(self.step);
        let (given, rest) = self.bytes.split_at(room.min(self.bytes.len()));
        if let Some(place) = to.get_mut(..given.len()) {
            place.copy_from_slice(given);
        }
        self.bytes = rest;
        Ok(given.len())
    }
}
