//! The client credentials grant (RFC 6749 §4.4): programs that act for themselves.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use domain::audit::{Actor, action};
use domain::oidc::{Client, ErrorCode, Parameters};

use super::failure::{Failure, refuse};
use super::issue::event;
use super::mint::{self, TokenAnswer};
use crate::app::App;

/// Issues a token with the scopes asked for, or all that the client has, for the resources asked for, or all (RFC 8707).
pub(super) async fn issue(
    request: &HttpRequest,
    app: &App,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, Failure> {
    let scopes = scopes(client, parameters.find("scope"))?;
    let asked: BTreeSet<String> = parameters.list("resource").iter().cloned().collect();
    let resources = if asked.is_empty() {
        client.resources.clone()
    } else {
        asked
    };
    if !resources.is_subset(&client.resources) {
        return Err(refuse(
            ErrorCode::InvalidTarget,
            "the client may not ask for this resource",
        ));
    }
    let now = app.sources.now();
    let record = mint::access_record(app, &client.id, None, now);
    let actor = Actor::Client {
        id: client.id.to_string(),
    };
    let object = format!("client:{}", client.id);
    let issued = event(app, Some(request), actor, action::IDP_TOKEN_ISSUED, object);
    let logged = record.clone();
    app.store
        .write(issued, move |w| w.insert_access_token(&logged))
        .await?;
    let access_token = mint::machine_token(app, &record, &resources, &scopes).await?;
    Ok(TokenAnswer {
        access_token,
        record,
        scope: scopes,
        refresh_token: None,
        id_token: None,
    })
}

fn scopes(client: &Client, asked: Option<&str>) -> Result<String, Failure> {
    let asked: BTreeSet<String> = match asked {
        None => client.machine_scopes.clone(),
        Some(text) => text
            .split(' ')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    if asked.is_empty() || !asked.is_subset(&client.machine_scopes) {
        return Err(refuse(
            ErrorCode::InvalidScope,
            "the client may not ask for this scope",
        ));
    }
    Ok(asked.into_iter().collect::<Vec<_>>().join(" "))
}
