//! Letting go of what is over: waiting documents at their expiry, records at the end of their keeping time.

use domain::audit::action;

use crate::app::App;
use crate::auth::Caller;
use crate::error::Error;

/// How long after its expiry an authorised document without outcome counts as left by a crash, in seconds.
const STUCK: i64 = 300;

/// Drops the bytes of documents whose time is over; gives how many.
pub(crate) async fn documents(app: &App) -> Result<usize, Error> {
    let now = app.sources.unix();
    if !app
        .store
        .read(move |r| r.has_due_documents(now, now.saturating_sub(STUCK)))
        .await?
    {
        return Ok(0);
    }
    let event = Caller::system().event(&app.sources, action::CA_DOCUMENT_EXPIRED, "documents:due");
    let ended = app
        .store
        .write(event, move |w| {
            let ended = w.expire_documents(now, now.saturating_sub(STUCK))?;
            w.note("count", ended);
            Ok(ended)
        })
        .await?;
    Ok(ended)
}

/// Removes records past their keeping time; gives how many.
pub(crate) async fn records(app: &App) -> Result<usize, Error> {
    let now = app.sources.unix();
    let event = Caller::system().event(&app.sources, action::CA_RECORD_EXPIRED, "records:due");
    let removed = app
        .store
        .write(event, move |w| {
            let removed = w.remove_expired_records(now)?;
            w.note("count", removed.total());
            Ok(removed.total())
        })
        .await?;
    Ok(removed)
}
