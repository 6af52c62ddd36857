//! `/sign-in/passkey`: the browser proves a passkey; the page's script carries the messages.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use domain::account::{AccountState, SignInMethod};
use domain::audit::{Actor, AuditEvent, action};
use serde::Deserialize;
use serde_json::json;
use store::idp::{Account, PasskeyRow};
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableKey, Passkey, PublicKeyCredential};

use super::target;
use crate::account::ceremony::{self, Kind};
use crate::account::session::NewSession;
use crate::account::{AccountError, answer, ceremony::refusal};
use crate::app::App;
use crate::page::{Page, check_csrf};

#[derive(Deserialize)]
pub(super) struct Start {
    csrf: Option<String>,
}

/// Options for `navigator.credentials.get`, without naming anybody.
pub(super) async fn start(request: HttpRequest, app: Data<App>, body: Json<Start>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        let bound = ceremony::bind(body.csrf.as_deref());
        let (options, state) = app.webauthn.start_discoverable_authentication()?;
        let id = ceremony::begin(&app, Kind::SignIn, bound, &state).await?;
        Ok(HttpResponse::Ok().json(json!({
            "ceremony": id,
            "publicKey": serde_json::to_value(options)?.get("publicKey"),
        })))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Finish {
    csrf: Option<String>,
    ceremony: Uuid,
    credential: PublicKeyCredential,
    return_to: Option<String>,
}

pub(super) async fn finish(
    request: HttpRequest,
    app: Data<App>,
    body: Json<Finish>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        match sign_in(&request, &app, &body).await {
            Ok(session) => {
                let target = target(body.return_to.as_deref());
                let mut response = HttpResponse::Ok().json(json!({ "location": target.as_str() }));
                let baked = response.add_cookie(&session.cookie());
                baked.map_err(|_| AccountError::Invalid("cookie"))?;
                Ok(response)
            }
            Err(AccountError::Passkey(cause)) => {
                refuse(&app, &cause).await?;
                let page = Page::new(&request, &app, "sign-in-title");
                Ok(refusal(&page, "passkey-refused"))
            }
            Err(error) => Err(error),
        }
    })
    .await
}

async fn sign_in(
    request: &HttpRequest,
    app: &App,
    body: &Finish,
) -> Result<NewSession, AccountError> {
    let bound = ceremony::bind(body.csrf.as_deref());
    let state = ceremony::take(app, Kind::SignIn, bound, body.ceremony).await?;
    let (holder, credential_id) = app
        .webauthn
        .identify_discoverable_authentication(&body.credential)?;
    let (account, row) = load(app, holder, credential_id.to_vec()).await?;

    let mut passkey: Passkey = serde_json::from_str(&row.credential)?;
    let key = DiscoverableKey::from(&passkey);
    let result =
        app.webauthn
            .finish_discoverable_authentication_v2(&body.credential, state, &key)?;
    passkey.update_credential(&result);
    let kept = serde_json::to_string(&passkey)?;
    let method = SignInMethod::Passkey {
        backup_eligible: result.backup_eligible(),
    };

    let session = NewSession::prepare(app, request, &account, method)?;
    let event = session.event(
        app,
        Actor::Person {
            id: account.subject,
        },
    );
    let now = app.sources.now().as_second();
    let session = app
        .store
        .write(event, move |w| {
            w.touch_passkey(&row.id, &kept, now)?;
            session.insert(w)?;
            Ok(session)
        })
        .await?;
    Ok(session)
}

/// The account and passkey; the two must belong together and the account must be active.
async fn load(
    app: &App,
    holder: Uuid,
    credential_id: Vec<u8>,
) -> Result<(Account, PasskeyRow), AccountError> {
    let found = app
        .store
        .read(move |r| {
            let row = r.find_passkey(&credential_id)?;
            let account = r.find_account(holder)?;
            Ok(account.zip(row))
        })
        .await?;
    found
        .filter(|(account, row)| {
            account.state == AccountState::Active && row.account_id == account.id.to_string()
        })
        .ok_or_else(ceremony::unknown)
}

async fn refuse(
    app: &App,
    cause: &webauthn_rs::prelude::WebauthnError,
) -> Result<(), AccountError> {
    metrics::counter!("romduol_idp_refused_sign_ins_total", "way" => "passkey").increment(1);
    tracing::info!(?cause, "passkey refused");
    let event = AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::Anonymous,
        action::IDP_SIGNIN_REFUSED,
        "way:passkey",
    );
    Ok(app.store.write(event, |_| Ok(())).await?)
}
