//! A ministry as relying party; sign and verify; all services at once; and what the demo shares with the latter.

pub mod demo;
pub mod ministry;
