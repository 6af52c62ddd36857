//! Ending sessions on other browsers.

use actix_web::web::{self, Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use domain::audit::{AuditEvent, action};
use uuid::Uuid;

use super::home::Confirmed;
use super::{Session, answer, session};
use crate::app::App;
use crate::page::{check_csrf, see_other};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/account/sessions/others/end").post(end_others))
        .service(web::resource("/account/sessions/{id}/end").post(end));
}

async fn end(
    request: HttpRequest,
    app: Data<App>,
    id: Path<Uuid>,
    form: Form<Confirmed>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require(&request, &app).await?;
        let (id, now) = (id.to_string(), app.sources.unix());
        let event = event(&app, &session, format!("session:{id}"));
        app.store
            .write(event, move |w| w.end_session(session.account, &id, now))
            .await?;
        Ok(see_other("/account"))
    })
    .await
}

async fn end_others(request: HttpRequest, app: Data<App>, form: Form<Confirmed>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require(&request, &app).await?;
        let (own, now) = (session.id.to_string(), app.sources.unix());
        let event = event(&app, &session, format!("account:{}", session.account));
        app.store
            .write(event, move |w| {
                let ended = w.end_sessions(session.account, Some(&own), now)?;
                w.note("ended", ended);
                Ok(())
            })
            .await?;
        Ok(see_other("/account"))
    })
    .await
}

fn event(app: &App, session: &Session, object: String) -> AuditEvent {
    let now = app.sources.now();
    AuditEvent::new(
        app.sources.uuid(),
        now,
        session.actor(None),
        action::IDP_SESSION_ENDED,
        object,
    )
}
