//! `quick_cache` as the memory tier needs it: weighed in bytes, found by place, with room that
//! can be taken away from it.
//!
//! Room is taken by ballast: one pinned slot a shard whose weight stands for bytes used
//! elsewhere. Changing the capacity itself would do the same once, but each change rounds down
//! what the cache remembers of evicted keys, until nothing is left of it.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache as Quick;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::{Slot, StoredResponse};
use crate::config::Store;
use crate::policy::key::CacheKey;

/// Most shards: more do not help, as hits only share a lock.
const SHARDS: u64 = 16;
/// What a stored response is expected to weigh; only the memory of evicted keys depends on it.
const EXPECTED_WEIGHT: u64 = 4096;

/// The slots by key, and the ballast among them.
pub(super) struct Cache {
    slots: Quick<CacheKey, Arc<Slot>, ByWeight, Places, Pins>,
    /// The key of each shard's ballast.
    ballast: Box<[CacheKey]>,
    shard_capacity: u64,
}

/// What left the cache in one operation, to be dropped after its locks.
pub(super) type Left = Vec<Arc<Slot>>;

impl Cache {
    /// An empty cache of `store.memory` bytes. Every shard has room for several objects of the
    /// largest size, so that the split costs no object its place.
    pub(super) fn new(store: Store, places: Places) -> Self {
        // What is set aside pays for the keys remembered after eviction.
        let memory = store.memory - store.memory / 64;
        let largest = store.max_object.max(1);
        let most = (memory / (4 * largest).max(1)).clamp(1, SHARDS);
        let shards = if most.is_power_of_two() {
            most
        } else {
            most.next_power_of_two() / 2
        };
        let expected = usize::try_from(memory / EXPECTED_WEIGHT)
            .unwrap_or(usize::MAX)
            .max(SHARDS as usize * 32);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(expected)
            .weight_capacity(memory)
            .build();
        let slots = match options {
            Ok(options) => Quick::with_options(options, ByWeight, places, Pins),
            // Only where a capacity is missing; it then has as many shards as the cores suggest.
            Err(_) => Quick::with(expected, memory, ByWeight, places, Pins),
        };
        let shard_capacity = memory / slots.num_shards() as u64;
        let ballast = (0..slots.num_shards())
            .filter_map(|shard| key_in(&slots, shard))
            .collect();
        let cache = Self {
            slots,
            ballast,
            shard_capacity,
        };
        // While there is room: what enters a full cache is first to be looked at for eviction.
        cache.set_ballast(0);
        cache
    }

    /// What one slot may weigh: less than the half of a shard that is there however many fills
    /// are on their way.
    pub(super) fn largest_slot(&self) -> u64 {
        self.shard_capacity / 16 * 7
    }

    pub(super) fn find(&self, key: &CacheKey) -> Option<Arc<Slot>> {
        self.slots.get(key)
    }

    /// As [`Cache::find`], without counting as a use.
    pub(super) fn peek(&self, key: &CacheKey) -> Option<Arc<Slot>> {
        self.slots.peek(key)
    }

    /// Whether this response is among the slots, with whatever codings.
    pub(super) fn holds(&self, response: &StoredResponse) -> bool {
        self.any_beside(response, |kept| kept.is_same(response))
    }

    /// Whether the content of this response is among the slots, freshened or not.
    pub(super) fn holds_content(&self, response: &StoredResponse) -> bool {
        self.any_beside(response, |kept| kept.content.shares_with(&response.content))
    }

    fn any_beside(&self, response: &StoredResponse, is: impl Fn(&StoredResponse) -> bool) -> bool {
        let slot = self.peek(&response.key);
        slot.is_some_and(|slot| slot.variants().iter().any(|kept| is(kept)))
    }

    /// Puts a slot under a key, in place of any before it.
    pub(super) fn put(&self, key: CacheKey, slot: Slot) -> Left {
        let mut left = Left::new();
        self.slots.insert_with_lifecycle(key, Arc::new(slot), &mut left);
        left
    }

    /// Puts a slot under a key that still has one; `false` where it has none any more.
    pub(super) fn swap(&self, key: CacheKey, slot: Slot) -> (bool, Left) {
        let mut left = Left::new();
        let swapped = self
            .slots
            .replace_with_lifecycle(key, Arc::new(slot), true, &mut left);
        (swapped.is_ok(), left)
    }

    pub(super) fn remove(&self, key: &CacheKey) {
        drop(self.slots.remove(key));
    }

    /// Takes `bytes` of room, spread over all shards, in place of what was taken before.
    pub(super) fn set_ballast(&self, bytes: u64) -> Left {
        let share = bytes.div_ceil(self.ballast.len().max(1) as u64);
        self.ballast
            .iter()
            .flat_map(|key| self.put(key.clone(), Slot::ballast(share)))
            .collect()
    }

    /// Keys stored under.
    pub(super) fn len(&self) -> usize {
        let ballast = self
            .ballast
            .iter()
            .filter(|key| self.slots.contains_key(*key))
            .count();
        self.slots.len().saturating_sub(ballast)
    }

    /// The weight of all slots but the ballast.
    pub(super) fn weight(&self) -> u64 {
        let ballast: u64 = self
            .ballast
            .iter()
            .filter_map(|key| self.peek(key))
            .map(|slot| slot.weight())
            .sum();
        self.slots.weight().saturating_sub(ballast)
    }

    /// Every slot, one lock at a time.
    pub(super) fn slots(&self) -> impl Iterator<Item = Arc<Slot>> {
        self.slots.iter().map(|(_, slot)| slot)
    }
}

/// A key for ballast that falls into `shard`. Length-prefixed keys never begin as it does.
fn key_in(slots: &Quick<CacheKey, Arc<Slot>, ByWeight, Places, Pins>, shard: usize) -> Option<CacheKey> {
    let key = |n: u32| CacheKey::new([&[0xff; 16][..], &n.to_be_bytes()].concat());
    (0..100_000).map(key).find(|key| slots.shard_index(key) == shard)
}

#[derive(Debug, Clone)]
struct ByWeight;

impl Weighter<CacheKey, Arc<Slot>> for ByWeight {
    fn weight(&self, _: &CacheKey, slot: &Arc<Slot>) -> u64 {
        slot.weight()
    }
}

#[derive(Debug, Clone)]
struct Pins;

impl Lifecycle<CacheKey, Arc<Slot>> for Pins {
    type RequestState = Left;

    fn is_pinned(&self, _: &CacheKey, slot: &Arc<Slot>) -> bool {
        slot.is_ballast()
    }

    fn on_evict(&self, left: &mut Left, _: CacheKey, slot: Arc<Slot>) {
        left.push(slot);
    }
}

/// Takes a key's place for its hash, which it is. Tests make places collide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    kept: u64,
}

impl Places {
    /// All bits of a place count.
    pub(super) const ALL: Self = Self { kept: u64::MAX };
    /// Every key has the same place.
    #[cfg(test)]
    pub(super) const ONE: Self = Self { kept: 0 };
}

impl BuildHasher for Places {
    type Hasher = Place;

    fn build_hasher(&self) -> Place {
        Place {
            kept: self.kept,
            place: 0,
        }
    }
}

/// The place of the key being hashed.
pub(super) struct Place {
    kept: u64,
    place: u64,
}

impl Hasher for Place {
    fn finish(&self) -> u64 {
        self.place & self.kept
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.place = self.place.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, place: u128) {
        self.place = (place >> 64) as u64 ^ place as u64;
    }
}
