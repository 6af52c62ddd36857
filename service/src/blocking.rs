//! Blocking work (token calls, files, hashing) off the request threads, bounded in number and in queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// Callers that may wait for a place, per place, before new ones are turned away.
const WAITING_PER_PLACE: usize = 64;

/// A number of places for blocking work; cheap to clone.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
}

/// Why blocking work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// Too many wait already; the work was not started.
    #[error("too much work is waiting")]
    Overloaded,
    /// The work ended by a panic or the process is ending.
    #[error("work was interrupted")]
    Interrupted,
}

impl BlockingPool {
    /// A pool that runs at most `places` pieces of work at once.
    pub fn new(places: usize) -> Self {
        let places = places.max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::new(AtomicUsize::new(0)),
            max_waiting: places * WAITING_PER_PLACE,
        }
    }
}

/// One waiting caller, counted until it got its place or went away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `work` in the pool. Once started it runs to its end, also when the caller goes away.
pub async fn blocking<T: Send + 'static>(
    pool: &BlockingPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    let permit = {
        let before = pool.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&pool.waiting);
        if before >= pool.max_waiting {
            return Err(BlockingError::Overloaded);
        }
        Arc::clone(&pool.places)
            .acquire_owned()
            .await
            .map_err(|_| BlockingError::Interrupted)?
    };
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(work)
    })
    .await
    .map_err(|_| BlockingError::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_runs_to_its_end_when_the_caller_goes_away() {
        let pool = BlockingPool::new(1);
        let (go, wait) = mpsc::channel::<()>();
        let (done, ended) = mpsc::channel();
        let (started, is_started) = tokio::sync::oneshot::channel();
        let inner = pool.clone();
        let caller = tokio::spawn(async move {
            blocking(&inner, move || {
                started.send(()).unwrap();
                wait.recv().unwrap();
                done.send(()).unwrap();
            })
            .await
        });
        is_started.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        tokio::task::spawn_blocking(move || ended.recv().unwrap())
            .await
            .unwrap();
        assert_eq!(
            blocking(&pool, || 7).await,
            Ok(7),
            "the place is free again"
        );
    }

    #[tokio::test]
    async fn a_full_queue_turns_callers_away() {
        let pool = BlockingPool {
            max_waiting: 0,
            ..BlockingPool::new(1)
        };
        assert_eq!(blocking(&pool, || ()).await, Err(BlockingError::Overloaded));
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let outcome = blocking(&BlockingPool::new(1), || panic!("on purpose")).await;
        assert_eq!(outcome, Err::<(), _>(BlockingError::Interrupted));
    }
}
