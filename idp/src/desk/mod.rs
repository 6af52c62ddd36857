//! The desk: operators look at applications and decide, two pairs of eyes each.
//!
//! Personal data shows only to the officer who holds the case, and every look is written where its subject reads it.
//! What the first officer decided shows once the second has decided.

use actix_web::web;

mod approval;
mod case;
mod decide;
mod decision;
mod findings;
mod lease;
mod notice;
mod officer;
mod picture;
mod queue;
mod refusal;

#[cfg(test)]
mod tests;

/// `/desk` and everything below it.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    queue::routes(config);
    case::routes(config);
    lease::routes(config);
    decision::routes(config);
    picture::routes(config);
}
