//! The memory tier: finds, stores, replaces and removes, within `store.memory`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::budget::Inner;
use super::cache::{Cache, Places};
use super::coded::CodedKeys;
use super::{Budget, Codings, Form, Slot, StoredResponse};
use crate::config::Store;
use crate::policy::key::CacheKey;

/// Locks for changing slots, spread by key.
const LOCKS: usize = 64;

/// How many codings are looked at for what takes room: with more, storing would take the longer.
const LOOKS: usize = 8;

/// Stored responses by cache key.
#[derive(Debug)]
pub struct Memory {
    /// Holds the cache too, since what fills reserve is taken from it.
    budget: Budget,
    /// Variants kept under one key; changed by [`Memory::keep_variants`].
    variants: AtomicUsize,
    /// Held while a slot is read, remade and put back; hits need none of them.
    locks: Box<[Mutex<()>]>,
    coded: CodedKeys,
}

/// What came of storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    Stored,
    /// It is not: too large for its share of the memory, or what it would replace was fetched
    /// later, or, replacing, no longer there.
    Refused,
}

/// What came of giving up the codings under a key.
#[derive(PartialEq, Eq)]
enum GivenUp {
    /// There are none any more.
    Gone,
    /// They were asked for, and stay.
    InUse,
}

/// `new`, with the codings that `old` has by now, if they are of the same content.
fn with_present_codings(slot: &Slot, old: &StoredResponse, new: Arc<StoredResponse>) -> Arc<StoredResponse> {
    let present = slot.variants().iter().find(|variant| variant.is_same(old));
    match present {
        Some(present)
            if present.codings.shares_with(&new.codings)
                && present.codings.forms().len() > new.codings.forms().len() =>
        {
            Arc::new(new.with_codings(present.codings.clone()))
        }
        Some(_) | None => new,
    }
}

/// Whether any variant has a coding kept beside it.
fn is_coded(slot: &Slot) -> bool {
    let mut variants = slot.variants().iter();
    variants.any(|variant| !variant.codings.forms().is_empty())
}

/// Figures about the memory tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStats {
    /// Keys stored under.
    pub entries: u64,
    /// What entries take with their overhead, bytes.
    pub bytes: u64,
    /// What fills hold, bytes.
    pub in_flight: u64,
    /// Bound on both together, bytes.
    pub capacity: u64,
    /// Keys evicted for room since the start.
    pub evictions: u64,
}

impl Memory {
    /// An empty tier that keeps up to `variants` variants under one key.
    pub fn new(store: Store, variants: usize) -> Memory {
        Self::with_places(store, variants, Places::ALL)
    }

    pub(super) fn with_places(store: Store, variants: usize, places: Places) -> Memory {
        let cache = Cache::new(store, places);
        Memory {
            budget: Budget::new(cache, store.memory),
            variants: AtomicUsize::new(variants),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
            coded: CodedKeys::default(),
        }
    }

    /// Keeps up to `variants` variants under one key from now on; where there are more, they go when
    /// the next is stored.
    pub fn keep_variants(&self, variants: usize) {
        self.variants.store(variants, Ordering::Relaxed);
    }

    /// What is stored under exactly this key.
    pub fn find(&self, key: &CacheKey) -> Option<Arc<Slot>> {
        self.inner().cache.find(key)
    }

    /// As [`Memory::find`], without counting as a use.
    pub fn peek(&self, key: &CacheKey) -> Option<Arc<Slot>> {
        self.inner().cache.peek(key)
    }

    /// Puts a coding beside the content of a response, if that is still there and has room for it
    /// without any other variant's going; then the response as it stands from now on.
    pub fn attach(&self, to: &StoredResponse, form: Form) -> Option<Arc<StoredResponse>> {
        let inner = self.inner();
        let key = to.key.clone();
        self.relieve(form.content.len());
        let (attached, swapped) = {
            let _lock = self.lock(&key);
            let slot = inner.cache.peek(&key)?;
            let present = slot.variants().iter().find(|variant| variant.is_same(to))?;
            let attached = Arc::new(present.with_codings(present.codings.with(form)));
            let renewed = slot.renewing(&attached)?;
            if renewed.weight() > inner.cache.largest_slot() {
                return None;
            }
            let (swapped, left) = inner.cache.swap(key.clone(), renewed);
            self.budget.note_left(&left, Some(&slot));
            (attached, swapped)
        };
        if swapped {
            self.note_coded(key);
        }
        swapped.then_some(attached)
    }

    /// Stores a response, in place of the one with equal nominated fields unless that was fetched
    /// later. The oldest variants go where there are too many.
    pub fn insert(&self, response: Arc<StoredResponse>) -> Inserted {
        let inner = self.inner();
        let key = response.key.clone();
        self.relieve(response.weight());
        if !response.codings.forms().is_empty() {
            self.note_coded(key.clone());
        }
        let _lock = self.lock(&key);
        let old = inner.cache.peek(&key);
        let variants = old.as_deref().map_or(&[][..], Slot::variants);
        let Some(slot) = self.slot(variants, &response) else {
            return Inserted::Refused;
        };
        let left = inner.cache.put(key, slot);
        self.budget.note_left(&left, old.as_deref());
        Inserted::Stored
    }

    /// Puts `new` in the place of `old` if that very response is still there: after a 304, which
    /// must not freshen what has been stored meanwhile. Codings that `old` was given meanwhile are
    /// `new`'s too.
    pub fn replace(&self, old: &Arc<StoredResponse>, new: Arc<StoredResponse>) -> Inserted {
        let inner = self.inner();
        let _lock = self.lock(&old.key);
        let Some(slot) = inner.cache.peek(&old.key).filter(|_| new.key == old.key) else {
            return Inserted::Refused;
        };
        let new = with_present_codings(&slot, old, new);
        let Some(remade) = slot.without(old).and_then(|others| self.slot(&others, &new)) else {
            return Inserted::Refused;
        };
        let (swapped, left) = inner.cache.swap(new.key.clone(), remade);
        self.budget.note_left(&left, Some(&slot));
        if swapped {
            Inserted::Stored
        } else {
            Inserted::Refused
        }
    }

    /// Removes this very response, if it is still there.
    pub fn remove(&self, response: &Arc<StoredResponse>) {
        let cache = &self.inner().cache;
        let _lock = self.lock(&response.key);
        let Some(slot) = cache.peek(&response.key) else {
            return;
        };
        let Some(others) = slot.without(response) else {
            return;
        };
        if others.is_empty() {
            cache.remove(&response.key);
        } else {
            drop(cache.swap(response.key.clone(), Slot::new(others)));
        }
    }

    /// Gives up codings for `needed` bytes where room is short, before what they were made of would
    /// have to go: those made first, unless they were asked for since they were last looked at.
    fn relieve(&self, needed: u64) {
        for _ in 0..LOOKS {
            if self.coded.is_empty() || !self.is_short_of(needed) {
                return;
            }
            let Some(key) = self.coded.take_first() else {
                return;
            };
            if self.give_up_codings(&key) == GivenUp::InUse {
                self.note_coded(key);
            }
        }
    }

    /// Whether `needed` more bytes would soon have something evicted: shards fill unevenly.
    fn is_short_of(&self, needed: u64) -> bool {
        let inner = self.inner();
        inner.cache.weight() + inner.taken() + needed > inner.memory() / 16 * 15
    }

    fn give_up_codings(&self, key: &CacheKey) -> GivenUp {
        let cache = &self.inner().cache;
        let _lock = self.lock(key);
        let Some(slot) = cache.peek(key).filter(|slot| is_coded(slot)) else {
            return GivenUp::Gone;
        };
        let in_use = |variant: &Arc<StoredResponse>| {
            let making = variant.codings.making();
            making.is_some_and(|making| making.take_hits())
        };
        // All are asked, so that each begins to count anew.
        if slot.variants().iter().filter(|variant| in_use(variant)).count() > 0 {
            return GivenUp::InUse;
        }
        let bare = |variant: &Arc<StoredResponse>| {
            if variant.codings.forms().is_empty() {
                return variant.clone();
            }
            Arc::new(variant.with_codings(Codings::negotiable()))
        };
        let (_, left) = cache.swap(key.clone(), Slot::new(slot.variants().iter().map(bare).collect()));
        self.budget.note_left(&left, Some(&slot));
        GivenUp::Gone
    }

    /// How many keys are on the list of those with codings.
    #[cfg(test)]
    pub(super) fn coded_keys(&self) -> usize {
        self.coded.len()
    }

    fn note_coded(&self, key: CacheKey) {
        let cache = &self.inner().cache;
        self.coded.note(key, cache.len(), |key| {
            cache.peek(key).is_some_and(|slot| is_coded(&slot))
        });
    }

    /// Whether this very response is stored.
    pub fn holds(&self, response: &Arc<StoredResponse>) -> bool {
        self.inner().cache.holds(response)
    }

    /// The bytes that fills hold.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Figures for metrics. Not for the hot path: it asks every shard.
    pub fn stats(&self) -> MemoryStats {
        let inner = self.inner();
        MemoryStats {
            entries: inner.cache.len() as u64,
            bytes: inner.cache.weight(),
            in_flight: self.budget.in_flight(),
            capacity: inner.memory(),
            evictions: inner.evictions.load(Ordering::Relaxed),
        }
    }

    /// Shows every stored response, taking a lock for one slot at a time. What is stored or
    /// removed meanwhile may or may not be seen.
    pub fn walk(&self, mut f: impl FnMut(&StoredResponse)) {
        for slot in self.inner().cache.slots() {
            for variant in slot.variants() {
                f(variant);
            }
        }
    }

    /// The slot that holds `variants` and `new`, if that may be stored beside them and has room.
    fn slot(&self, variants: &[Arc<StoredResponse>], new: &Arc<StoredResponse>) -> Option<Slot> {
        let room = self.inner().cache.largest_slot();
        Slot::with(variants, new, self.variants.load(Ordering::Relaxed), room)
            .filter(|slot| slot.weight() <= room)
    }

    fn inner(&self) -> &Inner {
        self.budget.inner()
    }

    fn lock(&self, key: &CacheKey) -> Option<MutexGuard<'_, ()>> {
        let at = (key.place() % LOCKS as u128) as usize;
        self.locks.get(at).map(Mutex::lock)
    }
}
