//! The last event of each tag, exactly, for as many tags as there is room; one of these for each
//! strength.

use hashbrown::HashTable;
use parking_lot::RwLock;

use super::TagId;
use super::index::Last;

/// From this many tags on, the map is split to keep readers and the writer apart.
const SPLIT_FROM: usize = 1024;
const SHARDS: usize = 16;

/// A bounded map from tag to its last event; what has been silent for long falls off first.
pub(super) struct Exact {
    shards: Box<[RwLock<Shard>]>,
}

impl Exact {
    /// Room for `tags` tags, at least one a shard. What is not used takes no memory.
    pub(super) fn new(tags: usize) -> Self {
        let shards = if tags >= SPLIT_FROM { SHARDS } else { 1 };
        let bound = (tags / shards).max(1);
        Self {
            shards: (0..shards).map(|_| RwLock::new(Shard::new(bound))).collect(),
        }
    }

    /// How many tags it holds.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().slots.len()).sum()
    }

    /// The tag's last event, as far as it has not fallen off.
    pub(super) fn last(&self, tag: TagId) -> Last {
        let last = self.shard(tag).and_then(|shard| shard.read().last(tag));
        last.unwrap_or_default()
    }

    /// Notes an event. What falls off for room is given to `overflow` before it can no longer be
    /// found here: a reader that asks here first finds the tag in one of the two at any time.
    pub(super) fn record(&self, tag: TagId, last: Last, overflow: impl FnOnce(TagId, Last)) {
        if let Some(shard) = self.shard(tag) {
            shard.write().record(Slot { tag, last }, overflow);
        }
    }

    /// Forgets every tag.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write();
            let bound = shard.bound;
            *shard = Shard::new(bound);
        }
    }

    /// By bits of the hash that address neither filter, stripes nor a shard's table.
    fn shard(&self, tag: TagId) -> Option<&RwLock<Shard>> {
        self.shards.get((tag.0 >> 48) as usize % self.shards.len().max(1))
    }
}

/// A tag and its last event. Some hundred thousand of these may live: nothing is kept here that
/// can be told otherwise.
#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: TagId,
    last: Last,
}

/// Slots in a ring with a hand, and a table that finds them. A link for each to the next younger
/// one would name the oldest exactly, for a quarter more memory.
struct Shard {
    bound: usize,
    slots: Vec<Slot>,
    /// The slots' places, by tag: a tag is a hash already.
    places: HashTable<u32>,
    /// Where the search for what falls off goes on.
    hand: usize,
    /// The order at the start of the hand's present round; who was heard of since is passed over.
    since: u64,
}

impl Shard {
    fn new(bound: usize) -> Self {
        Self {
            bound: bound.min(u32::MAX as usize),
            slots: Vec::new(),
            places: HashTable::new(),
            hand: 0,
            since: 0,
        }
    }

    fn place(&self, tag: TagId) -> Option<usize> {
        let is_it = |at: &u32| self.slots.get(*at as usize).is_some_and(|slot| slot.tag == tag);
        self.places.find(tag.0, is_it).map(|at| *at as usize)
    }

    fn last(&self, tag: TagId) -> Option<Last> {
        self.slots.get(self.place(tag)?).map(|slot| slot.last)
    }

    fn record(&mut self, new: Slot, overflow: impl FnOnce(TagId, Last)) {
        if let Some(known) = self.place(new.tag).and_then(|at| self.slots.get_mut(at)) {
            known.last = known.last.later(new.last);
        } else if self.slots.len() < self.bound {
            self.slots.push(new);
            self.enter(new.tag, self.slots.len() - 1);
        } else {
            let at = self.silent(new.last.order);
            let Some(slot) = self.slots.get_mut(at) else {
                return;
            };
            let old = std::mem::replace(slot, new);
            overflow(old.tag, old.last);
            if let Ok(entry) = self.places.find_entry(old.tag.0, |place| *place as usize == at) {
                entry.remove();
            }
            self.enter(new.tag, at);
        }
    }

    fn enter(&mut self, tag: TagId, at: usize) {
        let slots = &self.slots;
        let hash = |at: &u32| slots.get(*at as usize).map_or(0, |slot| slot.tag.0);
        self.places.insert_unique(tag.0, at as u32, hash);
    }

    /// The next slot that was not heard of in this round. A slot behind the hand has until the
    /// next round to be heard of, so the search ends within two rounds; where `now` is no later
    /// than what all slots hold, as for an event that keeps its old order, any slot will do.
    fn silent(&mut self, now: u64) -> usize {
        let mut rounds = 0;
        loop {
            let at = self.hand;
            self.hand += 1;
            match self.slots.get(at) {
                Some(slot) if slot.last.order > self.since && rounds < 2 => {}
                Some(_) => return at,
                None => {
                    self.hand = 0;
                    self.since = self.since.max(now);
                    rounds += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::EventId;

    fn last(order: u64) -> Last {
        Last {
            order,
            id: EventId::default(),
        }
    }

    #[test]
    fn a_slot_is_no_larger_than_what_it_must_remember() {
        assert_eq!(size_of::<Slot>(), 32);
    }

    #[test]
    fn a_full_index_takes_an_event_of_an_old_order() {
        let exact = Exact::new(10);
        (1..=10).for_each(|order| exact.record(TagId(order), last(order), |_, _| {}));
        let mut fallen = Vec::new();
        exact.record(TagId(99), last(0), |tag, _| fallen.push(tag));
        assert_eq!((exact.len(), fallen.len()), (10, 1));
    }

    #[test]
    fn a_tag_that_keeps_coming_stays_and_each_silent_one_falls_off_once() {
        let exact = Exact::new(10);
        let mut fallen = Vec::new();
        for order in 1..=1_000 {
            let tag = TagId(if order % 2 == 0 { 0 } else { order });
            exact.record(tag, last(order), |tag, last| fallen.push((tag.0, last.order)));
            assert_eq!(exact.last(tag), last(order));
        }
        assert_eq!(exact.len(), 10);
        // The hand may come by just before it is heard of again; not time after time.
        let hot = fallen.iter().filter(|(tag, _)| *tag == 0).count();
        assert!(hot <= 1, "{hot} times");
        fallen.retain(|(tag, _)| *tag != 0);
        fallen.sort_unstable();
        fallen.dedup();
        assert_eq!(fallen.len(), 500 - 9, "all but those still held, each once");
        assert!(fallen.iter().all(|(tag, order)| tag == order));
    }
}
