//! What the state knows and allows, as types and state machines.
//!
//! Nothing here does IO, reads a clock or draws randomness: times are [`jiff::Timestamp`] values and identifiers
//! [`uuid::Uuid`] values that the caller hands in.

pub mod account;
pub mod assurance;
pub mod audit;
pub mod certificate;
pub mod document;
pub mod evidence;
pub mod kyc;
pub mod locale;
pub mod mrz;
pub mod name;
pub mod oidc;
pub mod person;
pub mod webauthn;
