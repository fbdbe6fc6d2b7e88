//! Background tasks that shutdown waits for, or ends.

use std::future::Future;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// The tasks of one running [`App`](crate::app::App), cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` in the background; [`Tasks::drained`] waits for its end.
    pub fn spawn<F>(&self, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(future).abort_handle()
    }

    /// Runs `future` in the background without anyone waiting for its end: for loops that live
    /// as long as the process, such as a kept connection's driver.
    #[allow(clippy::disallowed_methods, reason = "this is the place that spawns")]
    pub fn detach<F>(&self, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(future).abort_handle()
    }

    /// How many tracked tasks are running.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until every tracked task has ended, at most for `limit`; `true` when all have.
    pub async fn drained(&self, limit: Duration) -> bool {
        self.tracker.close();
        let ended = tokio::time::timeout(limit, self.tracker.wait()).await.is_ok();
        self.tracker.reopen();
        ended
    }
}
