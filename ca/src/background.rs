//! What the authority does by itself: publishing lists, ending what a crash left, cleaning.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::{cleaning, crl, issuance};

/// How often intents and documents are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often records past their keeping time are removed.
const CLEAN: Duration = Duration::from_hours(24);

/// Starts all of it; it ends with the service.
pub(crate) fn start(app: &Arc<App>) {
    publish_lists(app);
    let inner = Arc::clone(app);
    app.tasks.repeat("intents", LOOK, move || {
        let app = Arc::clone(&inner);
        async move {
            if let Err(error) = issuance::recovery::abandon_old_intents(&app).await {
                tracing::error!(%error, "old intents could not be ended");
            }
        }
    });
    let inner = Arc::clone(app);
    app.tasks.repeat("documents", LOOK, move || {
        let app = Arc::clone(&inner);
        async move {
            if let Err(error) = cleaning::documents(&app).await {
                tracing::error!(%error, "documents past their time could not be dropped");
            }
        }
    });
    let inner = Arc::clone(app);
    app.tasks.repeat("records", CLEAN, move || {
        let app = Arc::clone(&inner);
        async move {
            if let Err(error) = cleaning::records(&app).await {
                tracing::error!(%error, "old records could not be removed");
            }
        }
    });
}

/// Publishes what is due whenever a certificate was revoked here, and every few seconds for other nodes' sake.
fn publish_lists(app: &Arc<App>) {
    let inner = Arc::clone(app);
    app.tasks.spawn("revocation-lists", async move {
        let look = Duration::from_secs(inner.config.crl.look_seconds);
        let mut revocations = inner.revocations.subscribe();
        loop {
            if let Err(error) = crl::publish_due(&inner).await {
                tracing::error!(%error, "not every revocation list could be published");
            }
            // A closed channel means the end of the service, which ends this task as well.
            let _ = tokio::time::timeout(look, revocations.changed()).await;
        }
    });
}
