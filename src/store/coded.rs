//! Which stored responses hold codings: the first to give way where room is short.

use std::collections::{HashSet, VecDeque};

use parking_lot::Mutex;

use crate::policy::key::CacheKey;

/// Keys whose stored responses were given a coding, in that order. Some may have lost it since.
#[derive(Debug, Default)]
pub(super) struct CodedKeys(Mutex<VecDeque<CacheKey>>);

/// A list no longer than this is not worth tidying.
const FEW: usize = 64;

impl CodedKeys {
    /// Notes that there is a coding under a key. `entries`: keys stored under; `is_coded`: whether
    /// there is still a coding under one. What has none is forgotten before the list is twice as long
    /// as it could be.
    pub(super) fn note(&self, key: CacheKey, entries: usize, is_coded: impl Fn(&CacheKey) -> bool) {
        let mut keys = self.0.lock();
        keys.push_back(key);
        if keys.len() > 2 * entries + FEW {
            let mut seen = HashSet::new();
            // The latest mention of a key says when it was last given one.
            let latest: Vec<CacheKey> = keys
                .drain(..)
                .rev()
                .filter(|key| seen.insert(key.clone()) && is_coded(key))
                .collect();
            keys.extend(latest.into_iter().rev());
        }
    }

    /// The key that was given a coding first, taken off the list.
    pub(super) fn take_first(&self) -> Option<CacheKey> {
        self.0.lock().pop_front()
    }

    /// Whether nothing has a coding.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// How many keys are on the list.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
