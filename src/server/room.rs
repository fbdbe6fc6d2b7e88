//! Room for client connections, which can be made larger or smaller while some are open.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::tasks::Tasks;

/// A bound on connections at once.
#[derive(Debug)]
pub(super) struct Room {
    /// One permit a connection.
    permits: Arc<Semaphore>,
    size: Mutex<Size>,
}

/// Changed by [`Room::resize`] and by what that leaves behind.
#[derive(Debug)]
struct Size {
    /// Permits there are, taken or not.
    permits: usize,
    /// Counts the changes, so that what an earlier one left behind knows that it is over.
    change: u64,
    /// Takes away permits as connections end.
    shrinking: Option<AbortHandle>,
}

impl Room {
    pub fn new(most: usize) -> Arc<Room> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Room {
            permits: Arc::new(Semaphore::new(most)),
            size: Mutex::new(Size {
                permits: most,
                change: 0,
                shrinking: None,
            }),
        })
    }

    /// A place, as soon as there is one; `None`: never.
    pub async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Has room for `most` connections from now on. Who is connected beyond that stays, and nobody
    /// else is let in until enough of them have left.
    pub fn resize(self: &Arc<Self>, most: usize, tasks: &Tasks) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let mut size = self.size.lock();
        size.change += 1;
        if let Some(shrinking) = size.shrinking.take() {
            shrinking.abort();
        }
        if most >= size.permits {
            self.permits.add_permits(most - size.permits);
            size.permits = most;
            return;
        }
        size.permits -= self.permits.forget_permits(size.permits - most);
        if size.permits > most {
            // All at once: one after the other would let newcomers in between.
            let surplus = u32::try_from(size.permits - most).unwrap_or(u32::MAX);
            let mut taking = Box::pin(self.permits.clone().acquire_many_owned(surplus));
            // In the queue before anybody who comes from now on.
            match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => {
                    let shrinking = self.clone().shrink(most, taking, size.change);
                    size.shrinking = Some(tasks.detach(shrinking));
                }
                Poll::Ready(Ok(taken)) => {
                    taken.forget();
                    size.permits = most;
                }
                // Closed: nobody comes in any more.
                Poll::Ready(Err(_)) => {}
            }
        }
    }

    async fn shrink(
        self: Arc<Self>,
        most: usize,
        taking: impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>>,
        change: u64,
    ) {
        let Ok(taken) = taking.await else {
            return;
        };
        let mut size = self.size.lock();
        if size.change == change {
            taken.forget();
            size.permits = most;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether there is room within a moment.
    async fn has_room(room: &Room) -> bool {
        let entered = tokio::time::timeout(Duration::from_millis(20), room.enter()).await;
        entered.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn larger_room_lets_in_at_once() {
        let (room, tasks) = (Room::new(1), Tasks::new());
        let _one = room.enter().await;
        assert!(!has_room(&room).await);
        room.resize(2, &tasks);
        assert!(has_room(&room).await);
    }

    #[tokio::test(start_paused = true)]
    async fn smaller_room_puts_nobody_out_and_lets_nobody_in_until_there_is_some() {
        let (room, tasks) = (Room::new(4), Tasks::new());
        let mut inside = Vec::new();
        for _ in 0..4 {
            inside.push(room.enter().await);
        }
        room.resize(2, &tasks);
        inside.pop();
        assert!(!has_room(&room).await, "three are inside, of two");
        inside.pop();
        assert!(!has_room(&room).await, "two of two");
        inside.pop();
        assert!(has_room(&room).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_changes_their_mind_is_left_with_the_last_word() {
        let (room, tasks) = (Room::new(4), Tasks::new());
        let mut inside = Vec::new();
        for _ in 0..4 {
            inside.push(room.enter().await);
        }
        for most in [1, 3, 2, 6, 5] {
            room.resize(most, &tasks);
        }
        inside.push(room.enter().await);
        assert!(!has_room(&room).await, "five of five");
        room.resize(0, &tasks);
        inside.clear();
        tokio::task::yield_now().await;
        assert!(!has_room(&room).await);
        room.resize(1, &tasks);
        let _one = room.enter().await;
        assert!(!has_room(&room).await);
    }
}
