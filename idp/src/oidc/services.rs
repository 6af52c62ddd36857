//! The services that a person uses, for the person's own page: what each may see and since when, and taking it back.

use actix_web::HttpRequest;
use domain::audit::{Actor, action};
use store::StoreError;
use store::idp::UsedService;
use uuid::Uuid;

use super::issue::event;
use crate::app::App;

/// The services that a person shares data with now, the one used last first.
pub async fn list(app: &App, person: Uuid) -> Result<Vec<UsedService>, StoreError> {
    let now = app.sources.now();
    app.store
        .read(move |r| r.list_used_services(person, now))
        .await
}

/// Takes a consent of the person back: the service's tokens end with it, and the next time it asks again. Not found when
/// the consent is another person's or was taken back before.
pub async fn withdraw(
    app: &App,
    request: Option<&HttpRequest>,
    person: Uuid,
    consent: Uuid,
) -> Result<(), StoreError> {
    let now = app.sources.now();
    let withdrawn = event(
        app,
        request,
        Actor::Person { id: person },
        action::IDP_CONSENT_WITHDRAWN,
        format!("consent:{consent}"),
    );
    app.store
        .write(withdrawn, move |w| {
            let client = w.withdraw_consent(person, consent, now)?;
            w.note("client", client.to_string());
            Ok(())
        })
        .await
}

/// Ends every token of a person at every service: when the account is closed or suspended, or all devices are lost.
pub async fn end_all(
    app: &App,
    request: Option<&HttpRequest>,
    person: Uuid,
) -> Result<usize, StoreError> {
    let now = app.sources.now();
    let revoked = event(
        app,
        request,
        Actor::Person { id: person },
        action::IDP_TOKEN_REVOKED,
        format!("person:{person}"),
    );
    app.store
        .write(revoked, move |w| w.revoke_families_of(person, None, now))
        .await
}
