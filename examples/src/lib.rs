//! A ministry as relying party; sign and verify; all services at once.

pub mod ministry;
