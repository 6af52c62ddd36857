//! What the tests of all rooms stand on: a provider with a real token and a store in memory, and browsers.

mod browser;
mod provider;

pub(crate) use browser::{Answer, Browser, Site};
pub(crate) use provider::Provider;
