//! Answering an authorization request with a code, and what every write of this room shares.

use actix_web::HttpRequest;
use domain::audit::{Actor, AuditEvent, action};
use domain::oidc::authorization::SignIn;
use domain::oidc::subject::{encode_subject, pairwise_message};
use domain::oidc::{Authorization, Client, Consent, Scope};
use service::RequestId;
use std::sync::Arc;
use store::StoreError;
use store::idp::CodeRecord;
use uuid::Uuid;

use super::failure::Failure;
use super::interaction::{Interaction, Visitor};
use crate::app::App;

/// Random octets of a code.
const CODE_OCTETS: usize = 32;

/// An audit event of this room that happens now.
pub(super) fn event(
    app: &App,
    request: Option<&HttpRequest>,
    actor: Actor,
    action: &'static str,
    object: String,
) -> AuditEvent {
    let event = AuditEvent::new(app.sources.uuid(), app.sources.now(), actor, action, object);
    match request.and_then(RequestId::of) {
        Some(id) => event.with_request(id.as_str()),
        None => event,
    }
}

/// The `sub` of a person for the sector of a client; computed in the token.
pub(super) async fn subject_of(
    app: &App,
    client: &Client,
    person: Uuid,
) -> Result<String, Failure> {
    let secrets = Arc::clone(&app.secrets);
    let label = app.config.keys.pairwise.clone();
    let message = pairwise_message(&client.sector, person);
    let mac = service::blocking(&app.pool, move || secrets.hmac(&label, &message)).await??;
    Ok(encode_subject(&mac))
}

/// What became of an attempt to answer.
pub(super) enum Answer {
    /// The code to send.
    Code(String),
    /// The request was answered before, in another window perhaps.
    Spent,
}

/// Issues a code under a consent. `new_consent` says that the consent is given with it: request, consent, family and
/// code are written together or not at all.
pub(super) async fn issue(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
    visitor: &Visitor,
    consent: Consent,
    new_consent: bool,
) -> Result<Answer, Failure> {
    let now = app.sources.now();
    let subject = subject_of(app, &interaction.client, visitor.session.person).await?;
    let asked = interaction.asked();
    let release = consent.release(&interaction.request, &asked);
    let offline = release.scopes.contains(Scope::OfflineAccess);
    let signed_in = visitor.signed_in();
    let authorization = Authorization {
        id: app.sources.uuid(),
        client_id: interaction.client.id.clone(),
        person: visitor.session.person,
        subject,
        grant_id: interaction.grant.id,
        consent_id: consent.id,
        // Tokens for use without the person outlive the browser session, all others end with it.
        session_id: (!offline).then(|| visitor.session.id.to_string()),
        client_session_id: super::pairwise_session(
            &visitor.session.id.to_string(),
            &interaction.client.id,
        ),
        release,
        claims: interaction.request.claims.clone(),
        resources: interaction.request.resources.clone(),
        sign_in: SignIn {
            auth_time: signed_in.auth_time,
            acr: signed_in.acr().map(|acr| acr.acr().to_owned()),
            amr: visitor.session.amr.clone(),
            ial: signed_in.ial,
            aal: signed_in.aal,
        },
        created_at: now,
    };
    let code = app.sources.token(CODE_OCTETS);
    let code_hash = super::hash(&code);
    let config = &app.config.oidc;
    let family_end = if offline {
        consent.expires_at
    } else {
        config.access_token_end(config.code_end(now))
    };
    let record = CodeRecord {
        family: authorization.id,
        redirect_uri: interaction
            .request
            .reply_to
            .redirect_uri
            .as_str()
            .to_owned(),
        code_challenge: interaction.request.code_challenge.clone().into(),
        nonce: interaction.request.nonce.clone(),
        issued_at: now,
        expires_at: config.code_end(now),
    };
    let handle = interaction
        .handle
        .as_ref()
        .map(super::interaction::Handle::hash);
    let actor = Actor::Person {
        id: visitor.session.person,
    };
    let object = format!("client:{}", interaction.client.id);
    let issued = event(
        app,
        Some(http),
        actor.clone(),
        action::IDP_CODE_ISSUED,
        object.clone(),
    );
    let given =
        new_consent.then(|| event(app, Some(http), actor, action::IDP_CONSENT_GIVEN, object));
    let written = app
        .store
        .write(issued, move |w| {
            if let Some(handle) = &handle {
                w.finish_authorization_request(handle, now)?;
            }
            if let Some(given) = given {
                w.insert_consent(&consent)?;
                w.also(given);
            }
            w.insert_token_family(&authorization, family_end)?;
            w.insert_authorization_code(&code_hash, &record)
        })
        .await;
    match written {
        Ok(()) => Ok(Answer::Code(code)),
        Err(StoreError::Conflict(_)) => Ok(Answer::Spent),
        Err(error) => Err(error.into()),
    }
}

/// Marks a request as answered with a refusal; `false` when it was answered before.
pub(super) async fn finish(
    http: &HttpRequest,
    app: &App,
    interaction: &Interaction,
) -> Result<bool, Failure> {
    let Some(handle) = interaction
        .handle
        .as_ref()
        .map(super::interaction::Handle::hash)
    else {
        return Ok(true);
    };
    let now = app.sources.now();
    let object = format!("client:{}", interaction.client.id);
    let refused = event(
        app,
        Some(http),
        Actor::Anonymous,
        action::IDP_REQUEST_REFUSED,
        object,
    );
    match app
        .store
        .write(refused, move |w| {
            w.finish_authorization_request(&handle, now)
        })
        .await
    {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
