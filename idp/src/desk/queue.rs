//! `/desk`: what waits, oldest first.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use domain::document::DocumentKind;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use store::idp::{QueueFilter, QueueItem};
use uuid::Uuid;

use super::officer;
use crate::account::answer;
use crate::app::App;
use crate::page::{Page, respond};

/// Lines of a page.
const PAGE_LINES: i64 = 25;
/// Looks that can be filtered for.
const STAGES: [&str; 3] = ["first", "second", "third"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/desk").get(show));
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    stage: String,
    document: String,
    mine: Option<String>,
    after: String,
}

/// One line as shown.
struct Line {
    id: Uuid,
    number: String,
    document: String,
    stage: String,
    age: String,
    held: Option<String>,
    mine: bool,
    decided_by_me: bool,
    appealed: bool,
}

struct Filter {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "desk/queue.html")]
struct View {
    page: Page,
    office: String,
    waiting: String,
    oldest: Option<String>,
    stages: Vec<Filter>,
    documents: Vec<Filter>,
    mine: bool,
    lines: Vec<Line>,
    next: Option<String>,
}

async fn show(request: HttpRequest, app: Data<App>, asked: Query<Asked>) -> HttpResponse {
    answer(&request, &app, async {
        let officer = officer::require(&request, &app).await?;
        let account = officer.account();
        let filter = filter(&asked, account);
        let (items, (count, oldest)) = app
            .store
            .read(move |r| {
                Ok((
                    r.list_queue(account, &filter, PAGE_LINES)?,
                    r.measure_queue()?,
                ))
            })
            .await?;
        let page = Page::new(&request, &app, "desk-queue-title").signed_in(true);
        let now = app.sources.now();
        let next = (i64::try_from(items.len()).is_ok_and(|lines| lines == PAGE_LINES))
            .then(|| items.last().map(|last| cursor(&asked, last)))
            .flatten();
        let view = View {
            office: officer.office(),
            waiting: page.digits(&count.to_string()),
            oldest: oldest.map(|second| age(&page, now, second)),
            stages: choices(&page, &STAGES, "desk-stage-", &asked.stage),
            documents: choices(
                &page,
                &DocumentKind::ALL.map(DocumentKind::as_str),
                "document-",
                &asked.document,
            ),
            mine: asked.mine.is_some(),
            lines: items
                .into_iter()
                .map(|item| line(&page, now, account, item))
                .collect(),
            next,
            page,
        };
        Ok(respond(&view.page, &view, StatusCode::OK))
    })
    .await
}

fn filter(asked: &Asked, account: Uuid) -> QueueFilter {
    let after = asked
        .after
        .split_once('.')
        .and_then(|(at, id)| Some((at.parse().ok()?, Uuid::parse_str(id).ok()?)));
    QueueFilter {
        stage: STAGES
            .contains(&asked.stage.as_str())
            .then(|| asked.stage.clone()),
        document_kind: DocumentKind::parse(&asked.document).map(|kind| kind.as_str().to_owned()),
        held_by: asked.mine.is_some().then_some(account),
        after,
    }
}

fn cursor(asked: &Asked, last: &QueueItem) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("stage", &asked.stage)
        .append_pair("document", &asked.document)
        .append_pair("after", &format!("{}.{}", last.submitted_at, last.id));
    if asked.mine.is_some() {
        query.append_pair("mine", "1");
    }
    format!("/desk?{}", query.finish())
}

fn choices(page: &Page, values: &[&'static str], key: &str, chosen: &str) -> Vec<Filter> {
    values
        .iter()
        .map(|value| Filter {
            value,
            label: page.t(&format!("{key}{value}")),
            chosen: *value == chosen,
        })
        .collect()
}

fn line(page: &Page, now: Timestamp, account: Uuid, item: QueueItem) -> Line {
    let live = item.lease.filter(|(_, until)| *until > now.as_second());
    Line {
        id: item.id,
        number: item.number,
        document: page.t(&format!("document-{}", item.document_kind)),
        stage: page.t(&format!("desk-stage-{}", item.stage)),
        age: age(page, now, item.submitted_at),
        held: live.map(|(_, until)| clock(page, until)),
        mine: live.is_some_and(|(holder, _)| holder == account),
        decided_by_me: item.decided_by_me,
        appealed: item.appeals > 0,
    }
}

/// The time of day of a moment, in Cambodia.
pub(super) fn clock(page: &Page, second: i64) -> String {
    let at = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = jiff::tz::Offset::constant(7).to_datetime(at);
    page.digits(&format!("{:02}:{:02}", local.hour(), local.minute()))
}

/// How long ago, in days, hours or minutes.
pub(super) fn age(page: &Page, now: Timestamp, second: i64) -> String {
    let then = Timestamp::from_second(second).unwrap_or(now);
    let passed = then.duration_until(now).max(SignedDuration::ZERO);
    let (key, count) = match (passed.as_hours() / 24, passed.as_hours(), passed.as_mins()) {
        (days, _, _) if days > 0 => ("desk-age-days", days),
        (_, hours, _) if hours > 0 => ("desk-age-hours", hours),
        (_, _, minutes) => ("desk-age-minutes", minutes),
    };
    page.t1(key, "count", page.digits(&count.to_string()))
}
