//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5).

use actix_web::HttpRequest;
use domain::audit::{Actor, action};
use domain::oidc::pkce::CodeChallenge;
use domain::oidc::{Authorization, Client, ErrorCode, Parameters, Scope};
use store::idp::Redemption;

use super::failure::{Failure, refuse};
use super::issue::event;
use super::mint::{self, REFRESH_OCTETS, TokenAnswer};
use super::token::required;
use crate::app::App;

/// What one redemption came to; the code is spent in every case but the last.
enum Outcome {
    Sound {
        authorization: Box<Authorization>,
        nonce: Option<String>,
    },
    WrongProof,
    Reused,
    Unknown,
}

/// Redeems a code. Spending the code, judging the verifier and logging the tokens is one write: of many that come at the
/// same time, one gets tokens. The tokens are signed after it.
pub(super) async fn redeem(
    request: &HttpRequest,
    app: &App,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, Failure> {
    let code_hash = super::hash(required(parameters, "code")?);
    let redirect_uri = required(parameters, "redirect_uri")?.to_owned();
    let verifier = required(parameters, "code_verifier")?.to_owned();
    let now = app.sources.now();
    let mut record = mint::access_record(app, &client.id, None, now);
    let refresh = app.sources.token(REFRESH_OCTETS);
    let refresh_hash = super::hash(&refresh);
    let refresh_end = app.config.oidc.refresh_end(now);

    let actor = Actor::Client {
        id: client.id.to_string(),
    };
    let object = format!("client:{}", client.id);
    let redeemed = event(app, Some(request), actor, action::IDP_CODE_REDEEMED, object);
    let (id, mut logged) = (client.id.clone(), record.clone());
    let outcome = app
        .store
        .write(redeemed, move |w| {
            let (code, authorization) = match w.redeem_authorization_code(&code_hash, &id, now)? {
                Redemption::First {
                    code,
                    authorization,
                } => (code, authorization),
                Redemption::Reused { .. } => {
                    w.note("outcome", "reused");
                    return Ok(Outcome::Reused);
                }
                Redemption::Unknown => {
                    w.note("outcome", "unknown");
                    return Ok(Outcome::Unknown);
                }
            };
            let proven = CodeChallenge::try_from(code.code_challenge.clone())
                .is_ok_and(|challenge| challenge.is_met_by(&verifier));
            if !proven || code.redirect_uri != redirect_uri {
                w.revoke_token_family(code.family, now)?;
                w.note("outcome", "wrong-proof");
                return Ok(Outcome::WrongProof);
            }
            logged.family = Some(code.family);
            w.insert_access_token(&logged)?;
            if authorization.release.scopes.contains(Scope::OfflineAccess) {
                w.insert_refresh_token(&refresh_hash, code.family, now, refresh_end)?;
            }
            w.note("outcome", "tokens");
            Ok(Outcome::Sound {
                authorization,
                nonce: code.nonce,
            })
        })
        .await?;
    let (authorization, nonce) = match outcome {
        Outcome::Sound {
            authorization,
            nonce,
        } => (authorization, nonce),
        Outcome::WrongProof => {
            return Err(refuse(
                ErrorCode::InvalidGrant,
                "redirect_uri or code_verifier does not fit the code",
            ));
        }
        Outcome::Reused => {
            tracing::warn!(client = %client.id, "a code came twice, its tokens are revoked");
            return Err(refuse(ErrorCode::InvalidGrant, "the code was used before"));
        }
        Outcome::Unknown => {
            return Err(refuse(
                ErrorCode::InvalidGrant,
                "the code is unknown or has expired",
            ));
        }
    };
    record.family = Some(authorization.id);
    let scopes = authorization.release.scopes.clone();
    let access_token = mint::access_token(app, &record, &authorization, &scopes).await?;
    let id_token = mint::id_token(app, &authorization, nonce.as_deref(), now).await?;
    Ok(TokenAnswer {
        access_token,
        record,
        scope: scopes.to_string(),
        refresh_token: scopes.contains(Scope::OfflineAccess).then_some(refresh),
        id_token: Some(id_token),
    })
}
