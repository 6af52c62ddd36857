//! Work beside requests: tasks that last as long as the service, and work that must not end with its request.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::{BlockingError, Shutdown};

/// The tasks of a service, kept on the runtime they were created in; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    shutdown: Shutdown,
    set: Arc<Mutex<JoinSet<()>>>,
}

impl Tasks {
    /// Tasks that end with `shutdown`; call within the runtime that shall carry them.
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            runtime: Handle::current(),
            shutdown,
            set: Arc::default(),
        }
    }

    /// The signal these tasks end with.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Starts a task that is dropped, at its next `await`, when the service ends.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.start(async move {
            tokio::select! {
                () = task => tracing::debug!(task = name, "task ended"),
                () = shutdown.wait() => {}
            }
        });
    }

    /// Runs `round` at once and then again `every` time after it ended, until the service ends.
    pub fn repeat<F>(
        &self,
        name: &'static str,
        every: Duration,
        mut round: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, async move {
            loop {
                round().await;
                tokio::time::sleep(every).await;
            }
        });
    }

    /// Runs `work` to its end, also when the caller goes away or the service is asked to end meanwhile.
    pub async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BlockingError> {
        let (answer, outcome) = oneshot::channel();
        let span = tracing::Span::current();
        self.start(tracing::Instrument::instrument(
            async move {
                // Nobody may be left to hear it.
                let _ = answer.send(work.await);
            },
            span,
        ));
        outcome.await.map_err(|_| BlockingError::Interrupted)
    }

    fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn_on(task, &self.runtime);
    }

    /// Waits for all tasks to end, `at_most` this long; what still runs then is dropped.
    pub async fn drain(&self, at_most: Duration) {
        let mut set = std::mem::take(&mut *self.set.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while set.join_next().await.is_some() {} };
        if tokio::time::timeout(at_most, all).await.is_err() {
            tracing::error!("background work did not end in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_outlives_its_caller_and_the_call_to_end() {
        let tasks = Tasks::new(Shutdown::default());
        let (go, wait) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let inner = tasks.clone();
        let (polled, is_polled) = oneshot::channel();
        let caller = tokio::spawn(async move {
            inner
                .to_the_end(async move {
                    polled.send(()).unwrap();
                    wait.await.unwrap();
                    done.send(()).unwrap();
                })
                .await
        });
        is_polled.await.unwrap();
        caller.abort();
        tasks.shutdown().trigger();
        go.send(()).unwrap();
        tasks.drain(Duration::from_secs(5)).await;
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn endless_tasks_end_with_the_service() {
        let tasks = Tasks::new(Shutdown::default());
        tasks.spawn("endless", std::future::pending());
        tasks.shutdown().trigger();
        tasks.drain(Duration::from_secs(5)).await;
    }
}
