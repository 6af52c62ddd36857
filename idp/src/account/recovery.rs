//! A new sheet of recovery codes for a signed-in holder; the old sheet is void from then on.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::audit::{AuditEvent, action};

use super::home::Confirmed;
use super::{answer, enrol, passkeys, session};
use crate::app::App;
use crate::page::{Page, check_csrf, respond};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/account/recovery-codes")
            .get(ask)
            .post(renew),
    );
}

#[derive(Template)]
#[template(path = "account/recovery_renew.html")]
struct View {
    page: Page,
    codes: Vec<String>,
}

async fn ask(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        session::require_fresh(&request, &app).await?;
        let page = Page::new(&request, &app, "renew-title").signed_in(true);
        let view = View {
            page,
            codes: Vec::new(),
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

async fn renew(request: HttpRequest, app: Data<App>, form: Form<Confirmed>) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require_fresh(&request, &app).await?;
        let codes = enrol::new_codes(&app);
        let rows = enrol::recovery_rows(&app, session.account, &codes).await?;
        let messages = passkeys::warn(&app, &session, "notice-codes-renewed").await?;
        let event = AuditEvent::new(
            app.sources.uuid(),
            app.sources.now(),
            session.actor(None),
            action::IDP_RECOVERY_RENEWED,
            format!("account:{}", session.account),
        );
        app.store
            .write(event, move |w| {
                w.put_recovery_codes(session.account, &rows)?;
                messages
                    .into_iter()
                    .try_for_each(|message| message.insert(w))
            })
            .await?;
        let page = Page::new(&request, &app, "codes-title").signed_in(true);
        let view = View { page, codes };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}
