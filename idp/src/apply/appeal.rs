//! `/apply/appeal`: other officers look at a refused application once more.

use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{Actor, action};
use domain::kyc::Event;
use store::StoreError;

use super::draft;
use super::start::Token;
use super::submit::apply;
use super::vault::event;
use crate::account::{AccountError, answer};
use crate::app::App;
use crate::page::{check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/apply/appeal").post(take));
}

async fn take(request: HttpRequest, app: Data<App>, form: Form<Token>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let Some(draft) = draft::find(&request, &app).await? else {
            return Ok(see_other("/apply/continue"));
        };
        let (id, now) = (draft.row.id, app.sources.now());
        let actor = Actor::Person {
            id: draft.row.case.subject,
        };
        let event = event(
            &request,
            &app,
            actor,
            action::IDP_CASE_APPEALED,
            format!("case:{id}"),
        );
        let outcome = app
            .store
            .write(event, move |w| {
                let mut row = w.load_case(id)?;
                row.case = apply(&row, &Event::Appeal, now)?;
                // The evidence is what it was, and so are its computed checks.
                row.case = apply(&row, &Event::ChecksRecorded, now)?;
                row.submitted_at = Some(now.as_second());
                row.updated_at = now.as_second();
                row.decided_at = None;
                w.expire_evidence(id, None)?;
                w.update_case(&row)
            })
            .await;
        match outcome {
            Ok(()) | Err(StoreError::Conflict(_)) => Ok(see_other("/apply/status")),
            Err(other) => Err(AccountError::from(other)),
        }
    })
    .await
}
