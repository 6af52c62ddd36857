//! What every PKCS#11 token must do for us: one suite, on each module as it is and behind each vendor that the strict token plays.
//!
//! The module is SoftHSM, the token that is linked in where the suite is built beside it (`hsm-bridge/embedded`), or what
//! `ROMDUOL_TEST_MODULE` names. A contract that a token cannot keep stands in `exceptions.rs`, and must then not be kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exceptions;
mod keys;
mod place;
#[path = "../process/mod.rs"]
mod process;
mod secrets;
mod sharing;
mod signing;
mod worlds;

use place::Place;

/// Something that every token must do, with its name.
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) body: Box<dyn Fn(&Place)>,
}

impl Contract {
    pub(crate) fn new(name: &str, body: impl Fn(&Place) + 'static) -> Self {
        Self {
            name: name.to_owned(),
            body: Box::new(body),
        }
    }
}

/// The whole suite.
pub(crate) fn contracts() -> Vec<Contract> {
    let parts = [
        signing::contracts(),
        keys::contracts(),
        secrets::contracts(),
        sharing::contracts(),
    ];
    parts.into_iter().flatten().collect()
}
