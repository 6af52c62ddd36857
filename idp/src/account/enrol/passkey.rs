//! The passkey ceremony of an enrolment; the page's script carries the messages.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use super::{ChosenPasskey, keep, load};
use crate::account::ceremony::{self, Kind, refusal};
use crate::account::{AccountError, answer, clients};
use crate::app::App;
use crate::page::{Page, check_csrf};

#[derive(Deserialize)]
pub(in crate::account) struct Start {
    csrf: Option<String>,
}

pub(super) async fn start(request: HttpRequest, app: Data<App>, body: Json<Start>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        let current = load(&request, &app).await?;
        let bound = ceremony::bind(Some(&current.row.id));
        let label = current.label();
        let options = ceremony::start_registration(
            &app,
            Kind::Enrol,
            bound,
            &current.account,
            &label,
            Vec::new(),
        )
        .await?;
        Ok(HttpResponse::Ok().json(options))
    })
    .await
}

#[derive(Deserialize)]
pub(in crate::account) struct Finish {
    csrf: Option<String>,
    ceremony: Uuid,
    credential: RegisterPublicKeyCredential,
}

pub(super) async fn finish(
    request: HttpRequest,
    app: Data<App>,
    body: Json<Finish>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, body.csrf.as_deref())?;
        let mut current = load(&request, &app).await?;
        let bound = ceremony::bind(Some(&current.row.id));
        let made = ceremony::finish_registration(
            &app,
            Kind::Enrol,
            bound,
            body.ceremony,
            &body.credential,
        )
        .await;
        let credential = match made {
            Ok(credential) => credential,
            Err(AccountError::Passkey(cause)) => {
                tracing::info!(?cause, "passkey not enrolled");
                let page = Page::new(&request, &app, "choose-title");
                return Ok(refusal(&page, "passkey-not-added"));
            }
            Err(error) => return Err(error),
        };
        current.progress.passkey = Some(ChosenPasskey {
            credential,
            name: clients::describe(&request),
        });
        keep(&app, &current, "passkey").await?;
        Ok(HttpResponse::Ok().json(json!({ "location": "/account/activate/recovery" })))
    })
    .await
}
