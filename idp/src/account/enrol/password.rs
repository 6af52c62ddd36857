//! Choosing a password, for those without a passkey.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::Identifier;
use domain::account::password::{self, Weakness};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{keep, load, out_of_step};
use crate::account::{answer, passwords};
use crate::app::App;
use crate::page::{FormErrors, Page, check_csrf, respond, see_other};

#[derive(Template)]
#[template(path = "account/password.html")]
struct View {
    page: Page,
    errors: FormErrors,
    identifier: String,
    length_min: String,
}

impl View {
    fn new(request: &HttpRequest, app: &App, identifiers: &[Identifier]) -> Self {
        let page = Page::new(request, app, "password-title").signed_in(false);
        Self {
            length_min: page.digits(&password::LENGTH_MIN.to_string()),
            errors: FormErrors::new(),
            // The browser's keeper of passwords stores it under this name.
            identifier: identifiers
                .first()
                .map(|i| i.normalised().to_owned())
                .unwrap_or_default(),
            page,
        }
    }
}

pub(super) async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let current = load(&request, &app).await?;
        if !current.may_use_password() {
            return Err(out_of_step(&request, &app));
        }
        let view = View::new(&request, &app, &current.identifiers);
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
pub(in crate::account) struct Submitted {
    csrf: Option<String>,
    #[serde(default)]
    password: Zeroizing<String>,
}

pub(super) async fn submit(
    request: HttpRequest,
    app: Data<App>,
    form: Form<Submitted>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let mut current = load(&request, &app).await?;
        if !current.may_use_password() {
            return Err(out_of_step(&request, &app));
        }
        let chosen = Zeroizing::new(password::normalise(&form.password));
        let personal: Vec<&str> = current
            .identifiers
            .iter()
            .map(Identifier::normalised)
            .collect();
        if let Err(weakness) = password::check(&chosen, &personal) {
            let mut view = View::new(&request, &app, &current.identifiers);
            let text = view
                .page
                .t1(text_key(weakness), "min", view.length_min.clone());
            view.errors.add("new-password", text);
            return Ok(respond(&view.page, &view, StatusCode::UNPROCESSABLE_ENTITY));
        }
        current.progress.password = Some(passwords::hash(&app, chosen).await?);
        keep(&app, &current, "password").await?;
        Ok(see_other("/account/activate/app"))
    })
    .await
}

const fn text_key(weakness: Weakness) -> &'static str {
    match weakness {
        Weakness::TooShort => "password-too-short",
        Weakness::TooLong => "password-too-long",
        Weakness::Common => "password-common",
        Weakness::Personal => "password-personal",
    }
}
