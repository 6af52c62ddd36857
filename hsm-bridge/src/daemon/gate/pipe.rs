//! One direction of a relay: bytes on their way, no more than fit.

use zeroize::Zeroize;

/// How much waits in one direction at most; two records of TLS (RFC 8446 §5.1).
const CAPACITY: usize = 32 * 1024;

/// A bounded buffer between a reader and a writer. What passes may be key material, so it is wiped in the end.
pub(super) struct Pipe {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// No more will come in.
    ended: bool,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; CAPACITY].into_boxed_slice(),
            start: 0,
            end: 0,
            ended: false,
        }
    }

    /// Where more may be put; empty when it is full or ended.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.ended {
            return &mut [];
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Whether there is room for more.
    pub(super) fn wants(&self) -> bool {
        !self.ended && (self.end < self.buffer.len() || self.start == self.end)
    }

    /// So many bytes were put into [`Pipe::room`].
    pub(super) fn put(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// What waits to be written.
    pub(super) fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// So many bytes of [`Pipe::waiting`] were written.
    pub(super) fn took(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Takes no more in.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Takes no more in and forgets what waits, whose reader is gone.
    pub(super) fn abandon(&mut self) {
        self.ended = true;
        self.start = self.end;
    }

    /// Whether everything that will ever come has been written.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.start == self.end
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in_and_no_more_than_fits(
            steps in proptest::collection::vec((any::<bool>(), 0_usize..2 * CAPACITY), 1..60),
        ) {
            let mut pipe = Pipe::new();
            let mut inside = VecDeque::new();
            let mut next = 0_u8;
            for (fill, size) in steps {
                if fill {
                    let wants = pipe.wants();
                    let room = pipe.room();
                    prop_assert_eq!(wants, !room.is_empty());
                    let count = size.min(room.len());
                    for place in &mut room[..count] {
                        next = next.wrapping_mul(31).wrapping_add(7);
                        *place = next;
                        inside.push_back(next);
                    }
                    pipe.put(count);
                } else {
                    let count = size.min(pipe.waiting().len());
                    let expected: Vec<u8> = inside.drain(..count).collect();
                    prop_assert_eq!(&pipe.waiting()[..count], &expected[..]);
                    pipe.took(count);
                }
                prop_assert!(inside.len() <= CAPACITY);
                prop_assert_eq!(pipe.waiting().len(), inside.len());
            }
            pipe.end();
            prop_assert!(!pipe.wants() && pipe.room().is_empty());
            prop_assert_eq!(pipe.is_over(), inside.is_empty());
            pipe.abandon();
            prop_assert!(pipe.is_over());
        }
    }
}
