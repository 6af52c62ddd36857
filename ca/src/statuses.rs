//! Following the status log: a page at once, or as soon as there is one.

use std::time::Duration;

use store::ca::StatusRow;
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;

/// How often a waiting reader looks for entries that another node wrote.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Entries after `after`, at most `limit`; waits up to `wait` for the first one.
pub(crate) async fn follow(
    app: &App,
    after: i64,
    limit: i64,
    wait: Duration,
) -> Result<Vec<StatusRow>, Error> {
    let deadline = Instant::now() + wait;
    let mut changes = app.status_changes.subscribe();
    loop {
        let items = app
            .store
            .read(move |r| r.list_statuses(after, limit))
            .await?;
        let now = Instant::now();
        if !items.is_empty() || now >= deadline || app.tasks.shutdown().is_triggered() {
            return Ok(items);
        }
        let pause = LOOK_AGAIN.min(deadline.duration_since(now));
        tokio::select! {
            _ = tokio::time::timeout(pause, changes.changed()) => {}
            () = app.tasks.shutdown().wait() => {}
        }
    }
}
