//! Bytes in flight: what fills have read and not yet stored or dropped, and what clients still read
//! of what was evicted.
//!
//! They share `store.memory` with the entries. What fills take is taken from the cache in coarse
//! steps, so that most chunks of a fill touch one counter and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::cache::{Cache, Left};

/// The bytes that fills may hold together: half of `store.memory`.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

pub(super) struct Inner {
    pub(super) cache: Cache,
    memory: u64,
    limit: u64,
    /// Room is taken from the cache, and given back, in multiples of this.
    step: u64,
    /// Bytes reserved. Changed by reservations.
    in_flight: AtomicU64,
    /// Room taken from the cache; at least what is in flight once a reservation is granted.
    /// Written under `settling`, read without.
    taken: AtomicU64,
    settling: Mutex<()>,
    /// Slots evicted for room.
    pub(super) evictions: AtomicU64,
}

impl Budget {
    pub(super) fn new(cache: Cache, memory: u64) -> Self {
        Self(Arc::new(Inner {
            cache,
            memory,
            limit: memory / 2,
            step: (memory / 64).max(1),
            in_flight: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            settling: Mutex::new(()),
            evictions: AtomicU64::new(0),
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Sets bytes aside for a fill; `None` where fills already hold too many.
    pub fn reserve(&self, bytes: u64) -> Option<Reservation> {
        self.take(bytes).then(|| Reservation {
            budget: self.clone(),
            bytes,
        })
    }

    /// What may be reserved in all, bytes.
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Bytes reserved now.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("in_flight", &self.in_flight())
            .field("limit", &self.0.limit)
            .finish()
    }
}

impl Inner {
    /// `store.memory`, bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// What fills have taken of it, bytes.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Budget {
    fn take(&self, bytes: u64) -> bool {
        let inner = &*self.0;
        let grown = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= inner.limit);
        let granted = inner
            .in_flight
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, grown)
            .is_ok();
        if granted {
            self.settle();
        }
        granted
    }

    /// Counts bytes that are held whether there is room for them or not. Beyond the limit no fill
    /// gets any more, so that nothing else is evicted that could be held in its turn.
    fn charge(&self, bytes: u64) -> Reservation {
        self.0.in_flight.fetch_add(bytes, Ordering::AcqRel);
        self.settle();
        Reservation {
            budget: self.clone(),
            bytes,
        }
    }

    fn give_back(&self, bytes: u64) {
        self.0.in_flight.fetch_sub(bytes, Ordering::AcqRel);
        self.settle();
    }

    /// Takes room from the cache, or gives it back, where what it has given is too little or
    /// clearly too much for what is in flight.
    fn settle(&self) {
        let inner = &*self.0;
        let settled = |in_flight: u64, taken: u64| (in_flight..=in_flight + 2 * inner.step).contains(&taken);
        let now = || {
            (
                inner.in_flight.load(Ordering::Acquire).min(inner.limit),
                inner.taken.load(Ordering::Acquire),
            )
        };
        let (in_flight, taken) = now();
        if settled(in_flight, taken) {
            return;
        }
        let lock = inner.settling.lock();
        let (in_flight, taken) = now();
        if settled(in_flight, taken) {
            return;
        }
        let target = in_flight.next_multiple_of(inner.step);
        let left = inner.cache.set_ballast(target);
        inner.taken.store(target, Ordering::Release);
        drop(lock);
        self.note_left(&left, None);
    }

    /// Counts what left the cache for room; `replaced` did not. What clients are still reading of
    /// it is memory all the same, and counts as in flight until the last of them has gone.
    pub(super) fn note_left(&self, left: &Left, replaced: Option<&super::Slot>) {
        let gone = left.iter().filter(|slot| !slot.is_ballast());
        let evicted = gone
            .clone()
            .filter(|slot| !replaced.is_some_and(|old| std::ptr::eq(old, &***slot)))
            .count();
        if evicted > 0 {
            self.0.evictions.fetch_add(evicted as u64, Ordering::Relaxed);
        }
        for response in gone.flat_map(|slot| slot.variants()) {
            if Arc::strong_count(response) > 1 && !self.0.cache.holds_content(response) {
                response.hold(|| self.charge(response.weight()));
            }
        }
    }
}

/// Bytes set aside for one fill; dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// Sets more bytes aside; `false`, and no more than before, where fills hold too many.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.budget.take(bytes);
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Gives back all above `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > 0 {
            self.bytes -= surplus;
            self.budget.give_back(surplus);
        }
    }

    /// What is set aside.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}
