//! Who is connected to the admin port: few at once, and the one that has rested longest makes room
//! for a newcomer, so that connections which say nothing keep no probe out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Stands for a seat whose request is being answered.
const BUSY: u64 = u64::MAX;

/// A bounded number of seats.
pub(super) struct Seats {
    most: usize,
    taken: Mutex<Vec<Arc<Seat>>>,
    /// Counts every beginning of a rest: who has the lower number has rested longer.
    turns: AtomicU64,
}

/// One connection's seat.
struct Seat {
    /// When it began to rest, in turns, or [`BUSY`].
    rests: AtomicU64,
    /// Told when it has to make room.
    leave: Notify,
}

/// A seat taken; free again when dropped.
pub(super) struct Taken {
    seats: Arc<Seats>,
    seat: Arc<Seat>,
}

/// A request being answered; its connection rests when this is dropped.
pub(super) struct Busy {
    seats: Arc<Seats>,
    seat: Arc<Seat>,
}

impl Seats {
    pub fn new(most: usize) -> Arc<Seats> {
        Arc::new(Seats {
            most,
            taken: Mutex::default(),
            turns: AtomicU64::new(0),
        })
    }

    /// A seat, if need be that of the connection that has rested longest; `None`: all are busy.
    pub fn take(self: &Arc<Self>) -> Option<Taken> {
        let seat = Arc::new(Seat {
            rests: AtomicU64::new(self.turn()),
            leave: Notify::new(),
        });
        let mut taken = self.taken.lock();
        if taken.len() >= self.most {
            let rests = |seat: &Arc<Seat>| seat.rests.load(Ordering::Relaxed);
            let (place, _) = taken
                .iter()
                .enumerate()
                .filter(|(_, seat)| rests(seat) != BUSY)
                .min_by_key(|(_, seat)| rests(seat))?;
            taken.swap_remove(place).leave.notify_one();
        }
        taken.push(seat.clone());
        Some(Taken {
            seats: self.clone(),
            seat,
        })
    }

    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

impl Taken {
    /// A request has come.
    pub fn busy(&self) -> Busy {
        self.seat.rests.store(BUSY, Ordering::Relaxed);
        Busy {
            seats: self.seats.clone(),
            seat: self.seat.clone(),
        }
    }

    /// Waits until the seat is somebody else's.
    pub async fn lost(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats
            .taken
            .lock()
            .retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.seat.rests.store(self.seats.turn(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_lost(taken: &Taken) -> bool {
        !taken
            .seats
            .taken
            .lock()
            .iter()
            .any(|seat| Arc::ptr_eq(seat, &taken.seat))
    }

    #[test]
    fn the_longest_rested_makes_room_and_the_busy_never_do() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().unwrap(), seats.take().unwrap());
        drop(first.busy());
        let third = seats.take().unwrap();
        assert!(has_lost(&second) && !has_lost(&first), "first has rested since");
        let answering = (first.busy(), third.busy());
        assert!(seats.take().is_none());
        drop(answering);
        drop(first);
        assert!(seats.take().is_some() && !has_lost(&third));
    }
}
