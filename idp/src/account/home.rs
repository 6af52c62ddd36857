//! `/account`: what is held about a person, who used it, and everything they can change about it.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::account::{Identifier, Role};
use jiff::Timestamp;
use serde::Deserialize;
use store::idp::{AccountIdentifier, DataAccess, PasskeyRow, SessionRow, UsedService};
use store::sealing::SubjectKey;
use uuid::Uuid;

use super::{AccountError, Session, answer, session, vault};
use crate::app::App;
use crate::page::{Page, check_csrf, respond, see_other};

mod view;

use view::{AccessView, PersonView, ServiceView, SessionView};
pub(crate) use view::{PasskeyView, display_name, find_facts};

/// Uses of data shown on the first page.
const ACCESSES_SHOWN: i64 = 5;
/// Uses of data on a page of the whole list.
const ACCESSES_PAGE: i64 = 50;
/// Recovery codes at or below which a new sheet is advised.
const FEW_CODES: i64 = 3;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/account").get(show))
        .service(web::resource("/account/access").get(accesses))
        .service(
            web::resource("/account/services/{consent}/withdraw")
                .get(confirm_withdrawal)
                .post(withdraw),
        );
}

/// The rows that the page shows, read at once.
pub(super) struct Rows {
    pub(super) identifiers: Vec<AccountIdentifier>,
    pub(super) account: store::idp::Account,
    pub(super) passkeys: Vec<PasskeyRow>,
    pub(super) password_changed_at: Option<i64>,
    pub(super) app_created_at: Option<i64>,
    pub(super) recovery_left: i64,
    pub(super) sessions: Vec<SessionRow>,
    pub(super) accesses: Vec<DataAccess>,
    pub(super) access_count: i64,
    pub(super) services: Vec<UsedService>,
}

/// Everything of an account; `accesses` bounds the list of uses.
pub(super) async fn read(
    app: &App,
    session: &Session,
    accesses: i64,
) -> Result<Rows, AccountError> {
    let (account, person, now) = (session.account, session.person, app.sources.now());
    let rows = app
        .store
        .read(move |r| {
            Ok(Rows {
                identifiers: r.list_account_identifiers(account)?,
                account: r.load_account(account)?,
                passkeys: r.list_passkeys(account)?,
                password_changed_at: r.find_password(account)?.map(|(_, at)| at),
                app_created_at: r.find_authenticator_app(account)?.map(|app| app.created_at),
                recovery_left: r.count_recovery_codes(account)?,
                sessions: r.list_sessions(account, now.as_second())?,
                accesses: r.list_data_accesses(person, None, accesses)?,
                access_count: r.count_data_accesses(person)?,
                services: r.list_used_services(person, now)?,
            })
        })
        .await?;
    Ok(rows)
}

/// The addresses of an account, opened.
pub(super) fn open_identifiers(
    key: &SubjectKey,
    rows: &[AccountIdentifier],
) -> Result<Vec<Identifier>, AccountError> {
    rows.iter()
        .map(|row| {
            let value = vault::open(
                key,
                "account_identifiers",
                "value_sealed",
                &row.id,
                &row.value_sealed,
            )?;
            let text = std::str::from_utf8(&value).map_err(|_| AccountError::Invalid("address"))?;
            Identifier::parse(text).map_err(|_| AccountError::Invalid("address"))
        })
        .collect()
}

#[derive(Template)]
#[template(path = "account/home.html")]
struct View {
    page: Page,
    greeting: String,
    person: Option<PersonView>,
    identifiers: Vec<String>,
    passkeys: Vec<PasskeyView>,
    password_since: Option<String>,
    app_since: Option<String>,
    recovery_left: String,
    few_codes: bool,
    sessions: Vec<SessionView>,
    accesses: Vec<AccessView>,
    access_count: String,
    services: Vec<ServiceView>,
    roles: Vec<Role>,
    may_sign: bool,
}

async fn show(request: HttpRequest, app: Data<App>) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require(&request, &app).await?;
        let rows = read(&app, &session, ACCESSES_SHOWN).await?;
        let page = Page::new(&request, &app, "account-title").signed_in(true);
        let key = vault::open_key(&app, &rows.account).await?;
        let person = view::person(&app, &page, &session, &rows.account, &key).await?;
        let name = person.name.clone();
        let identifiers = open_identifiers(&key, &rows.identifiers)?;
        let view = View {
            greeting: view::greeting(&page, app.sources.now(), &name),
            person: Some(person).filter(|person| person.level.is_some()),
            identifiers: identifiers.iter().map(Identifier::masked).collect(),
            passkeys: rows
                .passkeys
                .iter()
                .map(|row| PasskeyView::new(&page, row))
                .collect(),
            password_since: rows.password_changed_at.map(|at| view::moment(&page, at)),
            app_since: rows.app_created_at.map(|at| view::moment(&page, at)),
            recovery_left: page.digits(&rows.recovery_left.to_string()),
            few_codes: rows.recovery_left <= FEW_CODES,
            sessions: rows
                .sessions
                .iter()
                .map(|row| SessionView::new(&page, row, session.id))
                .collect(),
            accesses: rows
                .accesses
                .iter()
                .map(|row| AccessView::new(&page, row))
                .collect(),
            access_count: page.digits(&rows.access_count.to_string()),
            services: rows
                .services
                .iter()
                .map(|used| ServiceView::new(&page, used))
                .collect(),
            may_sign: session.has_role(Role::Official),
            roles: session.roles,
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Template)]
#[template(path = "account/accesses.html")]
struct AccessesView {
    page: Page,
    accesses: Vec<AccessView>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct After {
    after: Option<Uuid>,
}

async fn accesses(request: HttpRequest, app: Data<App>, query: Query<After>) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require(&request, &app).await?;
        let after = query.after.map(|id| id.to_string());
        let rows = app
            .store
            .read(move |r| r.list_data_accesses(session.person, after.as_deref(), ACCESSES_PAGE))
            .await?;
        let page = Page::new(&request, &app, "accesses-title").signed_in(true);
        let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) == ACCESSES_PAGE;
        let view = AccessesView {
            next: rows.last().filter(|_| full).map(|row| row.id.clone()),
            accesses: rows.iter().map(|row| AccessView::new(&page, row)).collect(),
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Template)]
#[template(path = "account/withdraw.html")]
struct WithdrawView {
    page: Page,
    service: ServiceView,
}

async fn confirm_withdrawal(
    request: HttpRequest,
    app: Data<App>,
    consent: Path<Uuid>,
) -> HttpResponse {
    answer(&request, &app, async {
        let session = session::require(&request, &app).await?;
        let now = app.sources.now();
        let services = app
            .store
            .read(move |r| r.list_used_services(session.person, now))
            .await?;
        let used = services
            .iter()
            .find(|used| used.consent.id == *consent)
            .ok_or_else(|| crate::page::PageError::not_found(&request, &app))?;
        let page = Page::new(&request, &app, "withdraw-title").signed_in(true);
        let view = WithdrawView {
            service: ServiceView::new(&page, used),
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    pub(super) csrf: Option<String>,
}

async fn withdraw(
    request: HttpRequest,
    app: Data<App>,
    consent: Path<Uuid>,
    form: Form<Confirmed>,
) -> HttpResponse {
    answer(&request, &app, async {
        check_csrf(&request, &app, form.csrf.as_deref())?;
        let session = session::require(&request, &app).await?;
        crate::oidc::services::withdraw(&app, Some(&request), session.person, *consent).await?;
        Ok(see_other("/account#services"))
    })
    .await
}

/// A stored second as a moment.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}
