//! Forgetting: drafts that nobody touches, and pictures past their keeping time.

use domain::audit::{Actor, AuditEvent, action};
use store::idp::EvidenceItem;

use crate::account::AccountError;
use crate::app::App;
use crate::evidence::EvidenceFiles;

/// Rows removed in one go.
const BATCH: i64 = 200;

/// Removes what is past its time; returns how many drafts and pictures. To be called now and then.
pub async fn clean(app: &App) -> Result<(usize, usize), AccountError> {
    let now = app.sources.unix();
    let drafts = app
        .store
        .read(move |r| r.list_expired_drafts(now, BATCH))
        .await?;
    let mut forgotten = 0;
    for case in drafts {
        let (row, items) = app
            .store
            .read(move |r| Ok((r.find_case(case)?, r.list_evidence(case)?)))
            .await?;
        let Some(row) = row else { continue };
        remove_files(app, items).await?;
        let subject = row.case.subject;
        let event = system_event(app, action::IDP_PERSON_ERASED, format!("case:{case}"));
        app.store
            .write(event, move |w| {
                w.delete_draft(case)?;
                w.erase_subject_key(subject, now)
            })
            .await?;
        forgotten += 1;
    }
    let old = app
        .store
        .read(move |r| r.list_expired_evidence(now, BATCH))
        .await?;
    let pictures = old.len();
    if pictures > 0 {
        let ids: Vec<_> = old.iter().map(|item| item.id).collect();
        remove_files(app, old).await?;
        let event = system_event(
            app,
            action::IDP_EVIDENCE_ERASED,
            "evidence:expired".to_owned(),
        )
        .with_detail(serde_json::json!({ "count": pictures }));
        app.store
            .write(event, move |w| {
                ids.into_iter().try_for_each(|id| w.delete_evidence(id))
            })
            .await?;
    }
    Ok((forgotten, pictures))
}

/// Files go first: a row without a file shows as missing, a file without a row would stay for ever.
async fn remove_files(app: &App, items: Vec<EvidenceItem>) -> Result<(), AccountError> {
    let folder = app.config.evidence.clone();
    service::blocking(&app.pool, move || -> Result<(), AccountError> {
        let files = EvidenceFiles::open(&folder)?;
        items
            .iter()
            .try_for_each(|item| files.remove(&item.blob_digest))?;
        Ok(())
    })
    .await?
}

fn system_event(app: &App, action: &'static str, object: String) -> AuditEvent {
    AuditEvent::new(
        app.sources.uuid(),
        app.sources.now(),
        Actor::system("idp"),
        action,
        object,
    )
}
