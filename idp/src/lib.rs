//! The OpenID provider: accounts, identity proofing, consent, and the pages that people meet.
//!
//! It never carries a CA key. Each room (`oidc`, `account`, `apply`, `desk`, `sign`, `outbox`) brings its routes, its
//! texts and its templates; `page` is what all pages share, `app` what all handlers reach.

pub mod account;
pub mod app;
pub mod apply;
pub mod command;
pub mod config;
pub mod desk;
pub mod evidence;
pub mod http;
pub mod i18n;
pub mod oidc;
pub mod outbox;
pub mod page;
pub mod serve;
pub mod sign;

#[cfg(test)]
mod testing;
