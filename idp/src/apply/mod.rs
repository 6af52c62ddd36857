//! Identity proofing as the citizen meets it: one question a page, kept on our side, sealed, from the first answer on.
//!
//! Who holds the continuation code holds the application; the code is in a cookie while people work and on their
//! receipt afterwards. Everything works without script.

use actix_web::web;
use serde::{Deserialize, Serialize};

mod appeal;
mod check;
mod choices;
pub mod cleaning;
mod code;
mod contact;
mod cookie;
mod draft;
pub mod facts;
mod fields;
mod name;
mod name_form;
mod number;
mod number_form;
mod photos;
mod receipt;
mod resume;
mod start;
mod status;
mod submit;
mod throttle;
mod upload;
mod vault;
mod view;

pub(crate) use vault::{Opened, event, open_application, seal, unseal};

/// Section `[idp.apply]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApplyConfig {
    /// Days after which a draft that nobody touches is forgotten.
    pub draft_days: u32,
    /// Days for which pictures are kept after the decision.
    pub picture_days: u32,
}

impl Default for ApplyConfig {
    fn default() -> Self {
        Self {
            draft_days: 30,
            picture_days: 90,
        }
    }
}

/// `/apply` and everything below it.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    start::routes(config);
    choices::routes(config);
    number::routes(config);
    photos::routes(config);
    name::routes(config);
    contact::routes(config);
    code::routes(config);
    check::routes(config);
    receipt::routes(config);
    resume::routes(config);
    status::routes(config);
    appeal::routes(config);
}
