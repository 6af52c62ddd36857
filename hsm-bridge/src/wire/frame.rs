//! Frames on a stream, through buffers that are reused and, where they held key material, wiped.

use std::io::{self, Read, Write};
use std::ops::Range;

use zeroize::Zeroize;

use super::{MAX_FRAME, WireError};

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;
/// How much is read at once when little is expected.
const READ_CHUNK: usize = 16 * 1024;

/// Reads frames ahead, so that pipelined requests cost one system call.
pub(crate) struct Inbound {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

fn malformed(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; READ_CHUNK],
            start: 0,
            end: 0,
        }
    }

    /// The place of the next whole frame in the buffer, if it has arrived.
    fn ready(&self) -> io::Result<Option<Range<usize>>> {
        let held = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some((length, _)) = held.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(malformed(WireError::TooLong(length)));
        }
        let from = self.start + LENGTH_BYTES;
        Ok((held.len() >= LENGTH_BYTES + length).then_some(from..from + length))
    }

    /// Whether [`Inbound::next`] would answer without reading.
    pub(crate) fn has_frame(&self) -> bool {
        !matches!(self.ready(), Ok(None))
    }

    /// The next frame's content; `None` when the stream ended between frames.
    pub(crate) fn next(&mut self, stream: &mut impl Read) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(place) = self.ready()? {
                self.start = place.end;
                return Ok(self.buffer.get(place));
            }
            self.make_room();
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match stream.read(room) {
                Ok(0) if self.start == self.end => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what is unread to the front and grows, up to the longest frame, only when that is not enough.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let length = (self.buffer.len() * 2).min(MAX_FRAME + LENGTH_BYTES);
            let mut grown = vec![0; length];
            if let Some(front) = grown.get_mut(..self.end) {
                front.copy_from_slice(&self.buffer);
            }
            self.buffer.zeroize();
            self.buffer = grown;
        }
    }

    /// Wipes everything that was handed out already.
    pub(crate) fn wipe(&mut self) {
        if let Some(read) = self.buffer.get_mut(..self.start) {
            read.zeroize();
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

/// Collects frames and writes them at once.
pub(crate) struct Outbound {
    buffer: Vec<u8>,
    secret: bool,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(READ_CHUNK),
            secret: false,
        }
    }

    /// Appends a frame; one that is too long is taken back and refused.
    pub(crate) fn push(
        &mut self,
        secret: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), WireError> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; LENGTH_BYTES]);
        encode(&mut self.buffer);
        self.secret |= secret;
        let length = self.buffer.len() - start - LENGTH_BYTES;
        match u32::try_from(length) {
            Ok(prefix) if length <= MAX_FRAME => {
                if let Some(place) = self.buffer.get_mut(start..start + LENGTH_BYTES) {
                    place.copy_from_slice(&prefix.to_be_bytes());
                }
                Ok(())
            }
            _ => {
                self.buffer.truncate(start);
                Err(WireError::TooLong(length))
            }
        }
    }

    /// How much waits to be written.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Writes everything and forgets it, wiping it when it held key material.
    pub(crate) fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        let written = stream.write_all(&self.buffer);
        if self.secret {
            self.buffer.zeroize();
            self.secret = false;
        }
        self.buffer.clear();
        written
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
