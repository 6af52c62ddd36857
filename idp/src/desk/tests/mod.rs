//! From application to decision over HTTP, with a real token and a real store.

mod application;
mod approval;
mod fixture;
mod refusal;
