//! The write queue: one thread carries out all changes of a store, one after the other.
//!
//! Changes that wait together share one transaction and thereby one disk flush (group commit); each has a savepoint
//! of its own, so that a failing one takes nothing of its neighbours with it. Nobody is told "done" before the
//! commit. One writer at a time is also what keeps the audit chain free of forks; between nodes on PostgreSQL an
//! advisory lock does the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::TransactionManager;
use domain::audit::AuditEvent;
use tokio::sync::{mpsc, oneshot};

use crate::audit::{self, AuditHead};
use crate::backend::{AnyConnection, Pooled, Pools};
use crate::{Reader, StoreError, Writer};

/// Changes that may wait before callers do.
const QUEUE_LENGTH: usize = 1_024;
/// Changes that share one commit at most; bounds how long the first of them waits.
const GROUP_LENGTH: usize = 64;

/// Tells the caller how its change ended, once the commit is known to have happened or not.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A change: does its work and returns the new head, or leaves everything to be rolled back.
type Step = Box<dyn FnOnce(Option<Turn<'_>>) -> Done + Send>;

/// A change's turn in the transaction of its group.
struct Turn<'c> {
    connection: &'c mut AnyConnection,
    head: AuditHead,
}

/// What a change came to; `head` is `None` when it has to be undone.
struct Done {
    head: Option<AuditHead>,
    finish: Finish,
}

/// The way to the writing thread.
pub(crate) struct WriteQueue(mpsc::Sender<Step>);

impl WriteQueue {
    /// Starts the thread; it ends when the queue is dropped and empty.
    pub(crate) fn start(pools: Pools) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&pools, receiver))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self(sender))
    }

    /// Queues a change and waits until it is durable.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        event: AuditEvent,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let step: Step = Box::new(move |turn| {
            let result = match turn {
                Some(mut turn) => catch_unwind(AssertUnwindSafe(|| change(&mut turn, event, work)))
                    .unwrap_or(Err(StoreError::Interrupted)),
                None => Err(StoreError::Interrupted),
            };
            let head = result.as_ref().ok().map(|(_, head)| *head);
            let finish: Finish = Box::new(move |committed| {
                let result = committed.and_then(|()| result.map(|(value, _)| value));
                // A caller that went away does not undo its change.
                let _ = answer.send(result);
            });
            Done { head, finish }
        });
        self.0
            .send(step)
            .await
            .map_err(|_| StoreError::Interrupted)?;
        outcome.await.map_err(|_| StoreError::Interrupted)?
    }
}

/// The work and its events, on the connection whose turn it is.
fn change<T>(
    turn: &mut Turn<'_>,
    event: AuditEvent,
    work: impl FnOnce(&mut Writer<'_>) -> Result<T, StoreError>,
) -> Result<(T, AuditHead), StoreError> {
    let mut writer = Writer::new(&mut *turn.connection, event);
    let value = work(&mut writer)?;
    let events = writer.into_events();
    let mut head = audit::append(turn.connection, turn.head, &events.main)?;
    for event in &events.more {
        head = audit::append(turn.connection, head, event)?;
    }
    Ok((value, head))
}

fn serve(pools: &Pools, mut queue: mpsc::Receiver<Step>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_LENGTH
            && let Ok(step) = queue.try_recv()
        {
            group.push(step);
        }
        metrics::histogram!("romduol_store_write_group_size")
            .record(u32::try_from(group.len()).unwrap_or(u32::MAX));
        carry_out(pools, group);
    }
}

/// Runs a group in one transaction and answers all of it.
fn carry_out(pools: &Pools, group: Vec<Step>) {
    // A connection that was lost meanwhile shows before anything was done on it: the next one is a new one.
    let (mut connection, mut head) = match begin(pools).or_else(|_| begin(pools)) {
        Ok(begun) => begun,
        Err(error) => return refuse(group, &error),
    };
    let connection: &mut AnyConnection = &mut connection;
    let alone = group.len() == 1;
    let mut finishes = Vec::with_capacity(group.len());
    let mut changed = false;
    for step in group {
        let (done, kept) = if alone {
            let done = step(Some(Turn { connection, head }));
            let kept = done.head.is_some();
            (done, Ok(kept))
        } else {
            in_savepoint(connection, head, step)
        };
        if let (Some(new_head), Ok(true)) = (done.head, &kept) {
            head = new_head;
            changed = true;
        }
        finishes.push((done.finish, kept.map(|_| ())));
    }
    let committed = if changed {
        <AnyConnection as TransactionManager<AnyConnection>>::commit_transaction(connection)
            .map_err(StoreError::from)
    } else {
        abandon(connection);
        Ok(())
    };
    if let Err(error) = &committed {
        tracing::error!(%error, "commit failed");
        abandon(connection);
    }
    for (finish, kept) in finishes {
        finish(kept.and_then(|()| repeat(&committed)));
    }
}

/// Opens a transaction and reads where the audit chain stands.
fn begin(pools: &Pools) -> Result<(Pooled, AuditHead), StoreError> {
    let mut connection = pools.writer()?;
    let begun = connection
        .begin_write()
        .map_err(StoreError::from)
        .and_then(|()| Reader::new(&mut connection).audit_head());
    match begun {
        Ok(head) => Ok((connection, head)),
        Err(error) => {
            abandon(&mut connection);
            Err(error)
        }
    }
}

/// Runs one change of several inside a savepoint; the second value tells whether its effects are still there.
fn in_savepoint(
    connection: &mut AnyConnection,
    head: AuditHead,
    step: Step,
) -> (Done, Result<bool, StoreError>) {
    if let Err(error) =
        <AnyConnection as TransactionManager<AnyConnection>>::begin_transaction(connection)
    {
        return (step(None), Err(error.into()));
    }
    let done = step(Some(Turn { connection, head }));
    let ended = if done.head.is_some() {
        <AnyConnection as TransactionManager<AnyConnection>>::commit_transaction(connection)
            .map(|()| true)
    } else {
        <AnyConnection as TransactionManager<AnyConnection>>::rollback_transaction(connection)
            .map(|()| false)
    };
    (done, ended.map_err(StoreError::from))
}

/// Rolls back whatever is open; a connection that cannot even do that is not used again.
fn abandon(connection: &mut AnyConnection) {
    if let Err(error) =
        <AnyConnection as TransactionManager<AnyConnection>>::rollback_transaction(connection)
        && !matches!(error, diesel::result::Error::NotInTransaction)
    {
        tracing::warn!(%error, "rollback failed");
    }
}

fn refuse(group: Vec<Step>, error: &StoreError) {
    tracing::error!(%error, "no write transaction");
    for step in group {
        (step(None).finish)(Err(StoreError::Unavailable(error.to_string())));
    }
}

/// The commit's outcome, once per waiting caller.
fn repeat(committed: &Result<(), StoreError>) -> Result<(), StoreError> {
    committed
        .as_ref()
        .copied()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}
