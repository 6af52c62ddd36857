//! Keys by the million: made and used in the worker's memory, and kept in files that only a key of the token opens.
//!
//! Each file holds one private key under a data key of its own, which the token wrapped under its key `bridge/sealed/gN`; without the
//! token the files say no more than labels and public halves. A key is opened when it is first used and signs at the speed of the
//! library. What is lost beside the tier of the token: whoever takes over the worker's process while it runs can read the keys that are
//! open in it. So keys that sign certificates or lists are never sealed; the policy refuses it.
//!
//! Invariants: a file opens under its own name, label, algorithm and public half alone, and with any bit changed not at all; nothing in
//! a file is believed before it opened. A copy of a file opens for as long as its generation of the token's key exists, so a key that
//! must never come back needs [`rewrap()`] and the end of the old generation.

mod aead;
mod cache;
mod file;
mod folder;
mod listing;
mod make;
mod private;
mod rewrap;
mod store;
mod vault;

#[cfg(test)]
mod tests;

pub use listing::SealedKey;
pub(crate) use listing::{Lying, each};
pub use rewrap::Rewrapped;
pub(crate) use rewrap::rewrap;
pub(crate) use store::{Opened, SealedKeys};
pub(crate) use vault::{generation_of, label_of};
