//! Forgetting requests, codes and tokens that ended some time ago.

use domain::audit::{Actor, action};
use store::StoreError;

use super::issue::event;
use crate::app::App;

/// Most steps of one run; what is left waits for the next.
const MAX_STEPS: usize = 20;

/// Removes what ended before the time for which records are kept; returns how many rows went. Each step is a short
/// write of its own, so that nobody waits long behind it.
pub async fn clean(app: &App) -> Result<usize, StoreError> {
    let before = app.config.oidc.keep_from(app.sources.now());
    let mut removed = 0;
    for _ in 0..MAX_STEPS {
        let cleaned = event(
            app,
            None,
            Actor::system("idp"),
            action::IDP_RECORDS_CLEANED,
            "openid".to_owned(),
        );
        let step = app
            .store
            .write(cleaned, move |w| {
                let step = w.clean_openid(before)?;
                w.note("removed", step);
                Ok(step)
            })
            .await?;
        removed += step;
        if step == 0 {
            break;
        }
    }
    Ok(removed)
}
