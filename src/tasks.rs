//! Background tasks that shutdown waits for, or ends.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
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
        // Boxed: the way to where a task stands moves it several times, and a fill has kilobytes.
        self.tracker.spawn(Box::pin(future)).abort_handle()
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

/// A thread that works off what it is given when nothing else wants the processor: at the lowest
/// priority, one piece at a time. Begun when first given something.
pub struct Leisure<T> {
    name: &'static str,
    work: fn(T),
    queue: OnceLock<SyncSender<T>>,
}

/// Most pieces of work that wait; more are not taken.
const QUEUE: usize = 64;

impl<T: Send + 'static> Leisure<T> {
    /// A thread named `name` that does `work`, once there is any.
    pub fn new(name: &'static str, work: fn(T)) -> Self {
        Self {
            name,
            work,
            queue: OnceLock::new(),
        }
    }

    /// Gives it something to do; drops that where enough is waiting.
    pub fn give(&self, piece: T) {
        let queue = self.queue.get_or_init(|| {
            let (sender, receiver) = sync_channel::<T>(QUEUE);
            let work = self.work;
            let begun = std::thread::Builder::new()
                .name(self.name.to_owned())
                .spawn(move || {
                    // On Linux this is the thread's own. Where it is refused, the work competes.
                    let _ = rustix::process::nice(19);
                    while let Ok(piece) = receiver.recv() {
                        work(piece);
                    }
                });
            // Without a thread nobody receives, and everything given is dropped.
            drop(begun);
            sender
        });
        drop(queue.try_send(piece));
    }
}

impl<T> std::fmt::Debug for Leisure<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leisure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
