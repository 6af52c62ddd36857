//! `GET /status-log?after=N&limit=N&wait=SECONDS`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use domain::certificate::{Permission, RevocationReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::ca::{MAX_PAGE, StatusRow};

use crate::app::App;
use crate::error::Error;
use crate::{auth, statuses};

/// Entries on a page for which no limit is named.
const DEFAULT_LIMIT: i64 = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
    #[serde(default)]
    wait: u64,
}

#[derive(Debug, Serialize)]
struct Entry {
    sequence: i64,
    issuer: String,
    serial: String,
    status: String,
    reason: Option<&'static str>,
    revoked_at: Option<Timestamp>,
    not_after: Timestamp,
    at: Timestamp,
}

impl TryFrom<StatusRow> for Entry {
    type Error = Error;

    fn try_from(row: StatusRow) -> Result<Self, Error> {
        let reason = row
            .reason
            .and_then(|code| u8::try_from(code).ok())
            .and_then(RevocationReason::from_code)
            .map(RevocationReason::as_str);
        Ok(Self {
            sequence: row.sequence,
            issuer: row.issuer,
            serial: row.serial,
            status: row.status,
            reason,
            revoked_at: row.revoked_at.map(super::time).transpose()?,
            not_after: super::time(row.not_after)?,
            at: super::time(row.at)?,
        })
    }
}

pub(super) async fn read(
    app: web::Data<App>,
    request: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, Error> {
    auth::require(&app, &request, Permission::FollowStatusLog).await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if query.after < 0 || !(1..=MAX_PAGE).contains(&limit) {
        return Err(Error::BadRequest(format!(
            "after is not negative, limit is 1 to {MAX_PAGE}"
        )));
    }
    let wait = Duration::from_secs(query.wait.min(app.config.limits.max_wait_seconds));
    let rows = statuses::follow(&app, query.after, limit, wait).await?;
    let next = rows.last().map_or(query.after, |row| row.sequence);
    let items = rows
        .into_iter()
        .map(Entry::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "items": items, "next": next })))
}
