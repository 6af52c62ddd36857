//! Accounts over HTTP, with a real token, a real store, and an authenticator of software.

mod authenticator;
mod browser;
mod flows;
mod guards;
mod messages;
mod passkeys;
