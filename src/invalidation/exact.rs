//! The last hard and soft event of each tag, exactly, for as many tags as there is room.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use parking_lot::RwLock;

use super::index::{Last, Lasts};
use super::stripes::Stripes;
use super::{Strength, TagId};

/// From this many tags on, the map is split to keep readers and the writer apart.
const SPLIT_FROM: usize = 1024;
const SHARDS: usize = 16;

/// A bounded map from tag to its last events; what has been silent longest falls off first.
pub(super) struct Exact {
    shards: Box<[RwLock<Shard>]>,
}

impl Exact {
    /// Room for `tags` tags, at least one a shard.
    pub(super) fn new(tags: usize) -> Self {
        let shards = if tags >= SPLIT_FROM { SHARDS } else { 1 };
        let bound = (tags / shards).max(1);
        Self {
            shards: (0..shards).map(|_| RwLock::new(Shard::new(bound))).collect(),
        }
    }

    /// How many tags it holds.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().tags.len()).sum()
    }

    /// The tag's last events, as far as they have not fallen off.
    pub(super) fn lasts(&self, tag: TagId) -> Lasts {
        let shard = self.shard(tag).map(|shard| shard.read().tags.get(&tag).copied());
        shard.flatten().unwrap_or_default()
    }

    /// Notes an event; what falls off for room goes to `overflow`.
    pub(super) fn record(&self, tag: TagId, strength: Strength, last: Last, overflow: &Stripes) {
        if let Some(shard) = self.shard(tag) {
            shard.write().record(tag, strength, last, overflow);
        }
    }

    /// By the hash's upper bits: the lower ones address filter and stripes.
    fn shard(&self, tag: TagId) -> Option<&RwLock<Shard>> {
        self.shards.get((tag.0 >> 48) as usize % self.shards.len().max(1))
    }
}

struct Shard {
    bound: usize,
    tags: HashMap<TagId, Lasts, BuildHasherDefault<Unhashed>>,
    /// Every noted event, oldest first; of a tag's several only the newest counts.
    ages: VecDeque<(TagId, u64)>,
}

impl Shard {
    fn new(bound: usize) -> Self {
        Self {
            bound,
            tags: HashMap::default(),
            ages: VecDeque::new(),
        }
    }

    fn record(&mut self, tag: TagId, strength: Strength, last: Last, overflow: &Stripes) {
        self.tags.entry(tag).or_default().note(strength, last);
        self.ages.push_back((tag, last.order));
        while self.tags.len() > self.bound {
            let Some((oldest, order)) = self.ages.pop_front() else {
                return;
            };
            let Some(lasts) = self.tags.get(&oldest).filter(|lasts| lasts.newest() == order) else {
                continue;
            };
            // Into the stripe before out of the map: a reader asks the map first, so it finds the
            // tag in one of them at any time.
            overflow.absorb(oldest, *lasts);
            self.tags.remove(&oldest);
        }
        // A tag written again and again leaves its older ages behind.
        if self.ages.len() > 2 * self.bound + 16 {
            let tags = &self.tags;
            self.ages
                .retain(|(tag, order)| tags.get(tag).is_some_and(|lasts| lasts.newest() == *order));
        }
    }
}

/// Tags are hashes already.
#[derive(Default)]
struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
