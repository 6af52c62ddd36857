//! The protocols over HTTP, with keys in a real SoftHSM token and a real store in memory.

mod authorization;
mod bodies;
mod clients;
mod fixture;
mod life;
mod sessions;
mod tokens;
