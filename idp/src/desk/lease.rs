//! `/desk/cases/{id}/lease`: taking a case from the queue and giving it back.

use actix_web::web::{self, Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::action;
use domain::kyc::Event;
use serde::Deserialize;
use store::StoreError;
use uuid::Uuid;

use super::{officer, refusal};
use crate::account::answer;
use crate::app::App;
use crate::apply::{event, open_application};
use crate::page::{PageError, check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/desk/cases/{id}/lease").post(take));
}

#[derive(Deserialize)]
struct LeaseForm {
    csrf: Option<String>,
    /// `take` or `release`.
    #[serde(default)]
    act: String,
}

async fn take(
    request: HttpRequest,
    app: Data<App>,
    path: Path<Uuid>,
    form: Form<LeaseForm>,
) -> HttpResponse {
    answer(&request, &app, async {
        let officer = officer::require(&request, &app).await?;
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let id = path.into_inner();
        let opened = open_application(&app, move |r| r.find_case(id))
            .await?
            .ok_or_else(|| PageError::not_found(&request, &app))?;
        let who = officer.for_case(&app, &opened.row, Some(&opened)).await?;
        let release = form.act == "release";
        let (act, name) = if release {
            (Event::Release(who), action::IDP_CASE_RELEASED)
        } else {
            (Event::Take(who), action::IDP_CASE_TAKEN)
        };
        let now = app.sources.now();
        let after = match opened.row.case.apply(&act, now) {
            Ok(after) => after,
            Err(refused) => return refusal::refuse(&request, &app, &officer, id, refused).await,
        };
        let event = event(&request, &app, officer.actor(), name, format!("case:{id}"));
        let before = opened.row.case;
        let outcome = app
            .store
            .write(event, move |w| {
                let mut row = w.load_case(id)?;
                if row.case != before {
                    return Err(StoreError::Conflict("the case changed meanwhile"));
                }
                row.case = after;
                row.updated_at = now.as_second();
                w.update_case(&row)
            })
            .await;
        match outcome {
            Err(StoreError::Conflict(_)) => {
                let held = domain::kyc::Refusal::Held;
                refusal::refuse(&request, &app, &officer, id, held).await
            }
            other => {
                other?;
                let way = if release {
                    "/desk".to_owned()
                } else {
                    format!("/desk/cases/{id}")
                };
                Ok(see_other(&way))
            }
        }
    })
    .await
}
