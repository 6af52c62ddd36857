//! Following the authority's status log, and renewing responder certificates from it.

use std::sync::Arc;
use std::time::Duration;

use hsm_bridge::verify::OpenSslVerifier;
use service::{BlockingPool, Sources, blocking};
use tokio::sync::watch;

use crate::answer::Answers;
use crate::ca_client::CaClient;
use crate::error::Error;
use crate::journal::Journal;
use crate::status::{Change, Statuses};

/// First and longest pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(15);
/// How often the time of contact is written down.
const REMEMBER_EVERY: i64 = 60;

/// Carries the log into journal and memory.
pub(crate) struct Follower {
    client: CaClient,
    journal: Option<Journal>,
    statuses: Arc<Statuses>,
    answers: Answers,
    sources: Sources,
    disk: BlockingPool,
    remembered: i64,
    /// Changes of revocation, for those who publish lists.
    revoked: watch::Sender<Vec<Change>>,
}

impl Follower {
    /// A follower from where `statuses` ends.
    pub(crate) fn new(
        client: CaClient,
        journal: Journal,
        statuses: Arc<Statuses>,
        answers: Answers,
        sources: Sources,
        revoked: watch::Sender<Vec<Change>>,
    ) -> Self {
        if let Some(contact) = journal.last_contact() {
            answers.in_contact(contact);
        }
        Self {
            client,
            journal: Some(journal),
            statuses,
            answers,
            sources,
            disk: BlockingPool::new(1),
            remembered: 0,
            revoked,
        }
    }

    /// Follows for ever; after a failure a little later, then later still.
    pub(crate) async fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            match self.round().await {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "status log not followed");
                    metrics::counter!("romduol_ocsp_follow_failures_total").increment(1);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    async fn round(&mut self) -> Result<(), Error> {
        let cursor = self.statuses.cursor();
        // Until the first contact nothing can be answered: then the log's end is wanted, not news.
        let wait = self.answers.has_been_in_contact();
        // What the page does not contain may have happened right after it was written: it speaks for the moment of
        // the question, or of its last entry.
        let asked_at = self.sources.now();
        let page = self.client.status_log(cursor, wait).await?;
        let complete = !self.client.is_full(&page);
        let newest = page.items.last().map_or(asked_at, |entry| entry.at);
        let known_at = asked_at.max(newest.min(self.sources.now()));
        if !page.items.is_empty() {
            let changes: Vec<Change> = page.items.iter().map(Change::from).collect();
            self.take_over(changes).await?;
        }
        self.statuses.advance(page.next.unwrap_or(cursor));
        metrics::gauge!("romduol_ocsp_log_position").set(position(self.statuses.cursor()));
        if complete {
            self.answers.in_contact(known_at);
            self.remember(known_at).await?;
        }
        Ok(())
    }

    /// Journal first, memory then.
    async fn take_over(&mut self, changes: Vec<Change>) -> Result<(), Error> {
        let mut journal = self
            .journal
            .take()
            .ok_or_else(|| Error::Authority("journal lost".to_owned()))?;
        let statuses = Arc::clone(&self.statuses);
        let (journal, outcome) = blocking(&self.disk, move || {
            let outcome = journal.append(&changes).and_then(|()| {
                let taken: Vec<Change> = changes
                    .into_iter()
                    .filter(|change| statuses.apply(change))
                    .collect();
                journal.fold_if_long(&statuses)?;
                Ok(taken)
            });
            (journal, outcome)
        })
        .await?;
        self.journal = Some(journal);
        let mut taken = outcome?;
        taken.retain(|change| change.record.revoked.is_some());
        if !taken.is_empty() {
            self.revoked
                .send_modify(|waiting| waiting.append(&mut taken));
        }
        Ok(())
    }

    async fn remember(&mut self, at: jiff::Timestamp) -> Result<(), Error> {
        if at.as_second() - self.remembered < REMEMBER_EVERY {
            return Ok(());
        }
        self.remembered = at.as_second();
        let Some(journal) = self.journal.take() else {
            return Ok(());
        };
        let (journal, outcome) = blocking(&self.disk, move || {
            let outcome = journal.remember_contact(at);
            (journal, outcome)
        })
        .await?;
        self.journal = Some(journal);
        outcome
    }
}

/// A position as a gauge shows it; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn position(cursor: i64) -> f64 {
    cursor as f64
}

/// Renews the certificates of responders whose time is running out.
pub(crate) async fn renew_due(client: &CaClient, answers: &Answers) {
    for responder in answers.responders() {
        if !responder.is_due(answers.now()) {
            continue;
        }
        let renewed = match client.renew(responder).await {
            Ok(certificate) => {
                let responder = Arc::clone(responder);
                tokio::task::spawn_blocking(move || responder.renew(certificate, &OpenSslVerifier))
                    .await
                    .unwrap_or_else(|_| Err(Error::Authority("renewal was interrupted".to_owned())))
            }
            Err(error) => Err(error),
        };
        match renewed {
            Ok(()) => tracing::info!(issuer = %responder.issuer, "responder certificate renewed"),
            Err(error) => {
                metrics::counter!("romduol_ocsp_renewal_failures_total").increment(1);
                tracing::error!(%error, issuer = %responder.issuer, "responder certificate not renewed");
            }
        }
    }
}
