//! What the Redis tier counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::invalidation::Refused;
use crate::redis::FailureKind;
use crate::store::frame::Corrupt;

/// What looking an entry up came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// It may be used.
    Hit,
    /// There is none.
    Miss,
    /// There is one, and the log does not let it be used.
    Refused(Refused),
    /// It cannot be read.
    Corrupt(Corrupt),
    /// Chunks of its content are gone.
    Incomplete,
    /// No memory was free to hold its content.
    NoRoom,
    /// Redis did not answer.
    Failed(FailureKind),
}

/// What writing an entry came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stands there.
    Done,
    /// One of a later mark does.
    Outdated,
    /// Too much was on its way already.
    Dropped,
    /// Redis did not take it.
    Failed,
}

/// Counters, each raised where it happens.
#[derive(Debug, Default)]
pub(super) struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    incomplete: AtomicU64,
    no_room: AtomicU64,
    failed: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    corrupt: [AtomicU64; Corrupt::ALL.len()],
    put: [AtomicU64; 4],
    /// Bytes on their way to Redis. Raised and lowered by whoever writes.
    pub(super) writing: AtomicU64,
}

/// Figures about the Redis tier, since the start where not said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TierStats {
    /// Entries found and used.
    pub hits: u64,
    /// Keys under which nothing was.
    pub misses: u64,
    /// Entries of which chunks were gone.
    pub incomplete: u64,
    /// Entries for whose content no memory was free.
    pub no_room: u64,
    /// Lookups that Redis did not answer.
    pub failed: u64,
    /// Entries that the log did not let be used, by [`Refused::ALL`].
    pub refused: [u64; Refused::ALL.len()],
    /// Entries that could not be read, by [`Corrupt::ALL`].
    pub corrupt: [u64; Corrupt::ALL.len()],
    /// Entries written.
    pub written: u64,
    /// Entries not written, as one of a later mark was there.
    pub outdated: u64,
    /// Entries not written, as too much was on its way already.
    pub dropped: u64,
    /// Entries that Redis did not take.
    pub write_failed: u64,
    /// Bytes on their way to Redis now.
    pub writing: u64,
}

impl TierStats {
    /// What lookups came to, each under its word; together all lookups.
    pub fn lookups(&self) -> Vec<(&'static str, u64)> {
        let refused = Refused::ALL.into_iter().map(Refused::word).zip(self.refused);
        let mut lookups = vec![("hit", self.hits), ("miss", self.misses)];
        lookups.extend(refused);
        lookups.extend([
            ("corrupt", self.corrupt.iter().sum()),
            ("incomplete", self.incomplete),
            ("no-room", self.no_room),
            ("failed", self.failed),
        ]);
        lookups
    }

    /// What was wrong with entries that could not be read, each under its word.
    pub fn corruptions(&self) -> Vec<(&'static str, u64)> {
        Corrupt::ALL
            .into_iter()
            .map(Corrupt::word)
            .zip(self.corrupt)
            .collect()
    }

    /// What writing came to, each under its word.
    pub fn writes(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("written", self.written),
            ("outdated", self.outdated),
            ("dropped", self.dropped),
            ("failed", self.write_failed),
        ]
    }
}

impl Counts {
    pub(super) fn looked(&self, looked: Looked) {
        let counter = match looked {
            Looked::Hit => Some(&self.hits),
            Looked::Miss => Some(&self.misses),
            Looked::Incomplete => Some(&self.incomplete),
            Looked::NoRoom => Some(&self.no_room),
            Looked::Failed(_) => Some(&self.failed),
            Looked::Refused(refused) => place(&Refused::ALL, refused).and_then(|at| self.refused.get(at)),
            Looked::Corrupt(corrupt) => place(&Corrupt::ALL, corrupt).and_then(|at| self.corrupt.get(at)),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn put(&self, put: Put) {
        if let Some(counter) = self.put.get(put as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn stats(&self) -> TierStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [written, outdated, dropped, write_failed] = self.put.each_ref().map(read);
        TierStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            incomplete: read(&self.incomplete),
            no_room: read(&self.no_room),
            failed: read(&self.failed),
            refused: self.refused.each_ref().map(read),
            corrupt: self.corrupt.each_ref().map(read),
            written,
            outdated,
            dropped,
            write_failed,
            writing: read(&self.writing),
        }
    }
}

fn place<T: PartialEq>(all: &[T], one: T) -> Option<usize> {
    all.iter().position(|other| *other == one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lookup_counts_under_exactly_one_word_and_every_word_is_its_own() {
        let counts = Counts::default();
        let mut all = vec![
            Looked::Hit,
            Looked::Miss,
            Looked::Incomplete,
            Looked::NoRoom,
            Looked::Failed(FailureKind::Timeout),
        ];
        all.extend(Refused::ALL.map(Looked::Refused));
        let plain = all.len();
        all.extend(Corrupt::ALL.map(Looked::Corrupt));
        all.iter().for_each(|&looked| counts.looked(looked));
        for put in [Put::Done, Put::Outdated, Put::Dropped, Put::Failed] {
            counts.put(put);
        }

        let stats = counts.stats();
        let sum = |sums: &[(&str, u64)]| sums.iter().map(|(_, sum)| sum).sum::<u64>();
        let lookups = stats.lookups();
        assert_eq!(sum(&lookups), all.len() as u64);
        // All kinds of corruption are one result.
        assert_eq!(lookups.len(), plain + 1);
        let words: std::collections::BTreeSet<_> = lookups.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), lookups.len());
        assert!(stats.corruptions().iter().all(|(_, sum)| *sum == 1));
        assert_eq!(sum(&stats.corruptions()), Corrupt::ALL.len() as u64);
        assert!(stats.writes().iter().all(|(_, sum)| *sum == 1));
    }
}
