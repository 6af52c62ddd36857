//! What the state knows and allows, as types and state machines.
//!
//! Nothing here does IO, reads a clock or draws randomness: times are [`jiff::Timestamp`] values and identifiers
//! [`uuid::Uuid`] values that the caller hands in.

pub mod account;
pub mod audit;
pub mod certificate;
pub mod locale;
pub mod webauthn;
