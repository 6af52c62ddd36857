//! The routes of the provider: each room adds its own, this file puts them side by side.

use actix_web::web;

mod assets;
mod front;
mod refused;
mod unreadable;

pub(crate) use refused::page as refusal;
pub(crate) use unreadable::answers;

#[cfg(test)]
mod tests;

/// Every route of the provider.
pub fn routes(config: &mut web::ServiceConfig) {
    assets::routes(config);
    front::routes(config);
    crate::oidc::routes(config);
    crate::account::routes(config);
    crate::outbox::routes(config);
    crate::sign::routes(config);
    crate::apply::routes(config);
    crate::desk::routes(config);
    config.default_service(web::to(front::not_found));
}
