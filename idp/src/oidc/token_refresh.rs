//! The refresh token grant (RFC 6749 §6): each token is used once and followed by a new one (RFC 9700 §4.14.2).

use actix_web::HttpRequest;
use domain::account::AccountState;
use domain::audit::{Actor, action};
use domain::oidc::{Client, ErrorCode, Parameters, Scopes};
use store::idp::Refresh;

use super::failure::{Failure, refuse};
use super::issue::event;
use super::mint::{self, REFRESH_OCTETS, TokenAnswer};
use super::token::required;
use crate::app::App;

/// Exchanges a refresh token for an access token and the next refresh token.
pub(super) async fn refresh(
    request: &HttpRequest,
    app: &App,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, Failure> {
    let token_hash = super::hash(required(parameters, "refresh_token")?);
    let now = app.sources.now();
    let narrowed = parameters.find("scope").map(Scopes::parse_known);
    if let Some(wanted) = &narrowed {
        // Judged before the token is used up, so that a mistake does not cost it.
        let family = app
            .store
            .read(move |r| r.find_refresh_token_family(&token_hash, now))
            .await?;
        let held = family
            .map(|family| family.authorization.release.scopes)
            .unwrap_or_default();
        if !wanted.is_subset(&held) {
            return Err(refuse(
                ErrorCode::InvalidScope,
                "the scope is wider than what was granted",
            ));
        }
    }
    let mut record = mint::access_record(app, &client.id, None, now);
    let next = app.sources.token(REFRESH_OCTETS);
    let next_hash = super::hash(&next);
    let next_end = app.config.oidc.refresh_end(now);

    let actor = Actor::Client {
        id: client.id.to_string(),
    };
    let object = format!("client:{}", client.id);
    let refreshed = event(
        app,
        Some(request),
        actor,
        action::IDP_TOKEN_REFRESHED,
        object,
    );
    let (id, mut logged) = (client.id.clone(), record.clone());
    let outcome = app
        .store
        .write(refreshed, move |w| {
            let outcome = w.use_refresh_token(&token_hash, &id, now)?;
            let Refresh::First { family } = &outcome else {
                w.note("outcome", "refused");
                return Ok(outcome);
            };
            let authorization = &family.authorization;
            let granted = w
                .find_access_grant(&id, now)?
                .is_some_and(|g| g.id == authorization.grant_id);
            let active = w
                .find_account_of_subject(authorization.person)?
                .is_some_and(|account| account.state == AccountState::Active);
            if !granted || !active {
                w.revoke_token_family(authorization.id, now)?;
                w.note("outcome", "ended");
                return Ok(Refresh::Unknown);
            }
            logged.family = Some(authorization.id);
            w.insert_access_token(&logged)?;
            w.insert_refresh_token(
                &next_hash,
                authorization.id,
                now,
                next_end.min(family.expires_at),
            )?;
            w.note("outcome", "tokens");
            Ok(outcome)
        })
        .await?;
    let family = match outcome {
        Refresh::First { family } => family,
        Refresh::Reused { .. } => {
            tracing::warn!(client = %client.id, "a refresh token came twice, its family is revoked");
            return Err(refuse(
                ErrorCode::InvalidGrant,
                "the refresh token was used before",
            ));
        }
        Refresh::Unknown => {
            return Err(refuse(
                ErrorCode::InvalidGrant,
                "the refresh token is unknown or has ended",
            ));
        }
    };
    let authorization = family.authorization;
    record.family = Some(authorization.id);
    let scopes = narrowed.unwrap_or_else(|| authorization.release.scopes.clone());
    let access_token = mint::access_token(app, &record, &authorization, &scopes).await?;
    let id_token = mint::id_token(app, &authorization, None, now).await?;
    Ok(TokenAnswer {
        access_token,
        record,
        scope: scopes.to_string(),
        refresh_token: Some(next),
        id_token: Some(id_token),
    })
}
