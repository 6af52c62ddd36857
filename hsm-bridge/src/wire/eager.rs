//! Reading from a socket whose answer is about to come: looking a few times before going to sleep.
//!
//! A call is answered within the time that it takes to put a processor to sleep and to wake it, which costs more than the call where
//! processors are virtual. A reader that had its bytes soon the last time therefore looks again and again for a moment, and gives its
//! processor to whoever else wants it between two looks; one that waits for long, or whose processor is wanted, sleeps as usual.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

/// How long is looked before the reader sleeps: about a signature and two changes of thread.
const LOOKING: Duration = Duration::from_micros(120);
/// A look that comes back later than this gave way to work that takes its time: there are no processors to spare.
const GAVE_WAY: Duration = Duration::from_millis(1);
/// So many reads sleep at once after giving way, so that at most one in so many pays for finding the processors busy.
const REST: u32 = 256;
/// The most that is rested when processors stay busy.
const MOST_REST: u32 = 1 << 16;

/// How a reader waits, by what its last waits were like.
#[derive(Debug)]
pub(crate) struct Patience {
    /// Whether the last wait was short enough to be worth looking.
    soon: bool,
    /// Reads that sleep before looking is tried again.
    rest: u32,
    /// How long the next rest is.
    next_rest: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            soon: false,
            rest: 0,
            next_rest: REST,
        }
    }
}

impl Patience {
    /// The stream as a reader that waits in this manner.
    pub(crate) fn on<'a>(&'a mut self, stream: &'a UnixStream) -> Eager<'a> {
        Eager {
            stream,
            patience: self,
        }
    }

    fn may_look(&mut self) -> bool {
        self.rest = self.rest.saturating_sub(1);
        self.soon && self.rest == 0
    }

    /// Notes how long a wait took, from its beginning to its bytes.
    fn learn(&mut self, waited: Duration) {
        self.soon = waited < LOOKING;
    }

    fn gave_way(&mut self) {
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(MOST_REST);
    }

    fn went_well(&mut self) {
        self.next_rest = REST;
    }
}

/// A stream that is read with patience.
pub(crate) struct Eager<'a> {
    stream: &'a UnixStream,
    patience: &'a mut Patience,
}

impl Eager<'_> {
    /// Bytes that come within the time of looking; `None` when the reader had better sleep.
    fn look(&mut self, buffer: &mut [u8], began: Instant) -> io::Result<Option<usize>> {
        let mut last = began;
        loop {
            match recv(self.stream, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => {
                    self.patience.went_well();
                    return Ok(Some(count));
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if last.duration_since(began) >= LOOKING {
                return Ok(None);
            }
            std::thread::yield_now();
            let now = Instant::now();
            if now.duration_since(last) >= GAVE_WAY {
                self.patience.gave_way();
                return Ok(None);
            }
            last = now;
        }
    }
}

impl Read for Eager<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        let looked = if self.patience.may_look() {
            self.look(buffer, began)?
        } else {
            None
        };
        let count = if let Some(count) = looked {
            count
        } else {
            let mut stream = self.stream;
            stream.read(buffer)?
        };
        self.patience.learn(began.elapsed());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_and_ends_and_limits_are_those_of_the_stream() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut patience = Patience::default();
        let mut buffer = [0; 8];
        for look in [false, true] {
            patience.soon = look;
            theirs.write_all(b"abc").unwrap();
            assert_eq!(patience.on(&ours).read(&mut buffer).unwrap(), 3);
            assert_eq!(&buffer[..3], b"abc");
        }
        ours.set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        patience.soon = true;
        let error = patience.on(&ours).read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        patience.soon = true;
        assert_eq!(patience.on(&ours).read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn only_a_short_wait_is_worth_looking_and_busy_processors_end_it_for_ever_longer() {
        let mut patience = Patience::default();
        assert!(!patience.may_look());
        patience.learn(LOOKING);
        assert!(!patience.may_look());
        patience.learn(LOOKING / 2);
        assert!(patience.may_look());
        let rested =
            |patience: &mut Patience| (1..=MOST_REST).find(|_| patience.may_look()).unwrap();
        patience.gave_way();
        assert_eq!(rested(&mut patience), REST);
        patience.gave_way();
        assert_eq!(rested(&mut patience), 2 * REST);
        patience.went_well();
        patience.gave_way();
        assert_eq!(rested(&mut patience), REST);
        for _ in 0..40 {
            patience.gave_way();
        }
        assert_eq!(patience.rest, MOST_REST);
    }
}
