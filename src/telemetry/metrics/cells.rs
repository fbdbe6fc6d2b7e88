//! The counters of one rule.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use metrics::Histogram;

use super::{CLASSES, OUTCOMES, REASONS, RuleCounts};

/// What is counted for one rule.
pub(super) struct Cells {
    pub(super) rule: Arc<str>,
    pub(super) requests: Counts<OUTCOMES>,
    pub(super) forwards: Counts<REASONS>,
    pub(super) not_stored: Counts<REASONS>,
    pub(super) stored: AtomicU64,
    /// By outcome; made when first used.
    pub(super) durations: [OnceLock<Histogram>; OUTCOMES],
    /// By class of status; made when first used.
    pub(super) origin: [OnceLock<Histogram>; CLASSES.len()],
}

impl Cells {
    pub(super) fn new(rule: Arc<str>) -> Self {
        Self {
            rule,
            requests: Counts::default(),
            forwards: Counts::default(),
            not_stored: Counts::default(),
            stored: AtomicU64::new(0),
            durations: Default::default(),
            origin: Default::default(),
        }
    }

    pub(super) fn counts(&self) -> RuleCounts {
        RuleCounts {
            rule: self.rule.clone(),
            outcomes: std::array::from_fn(|place| self.requests.sum(place)),
            forwards: (0..REASONS).map(|place| self.forwards.sum(place)).sum(),
            stored: self.stored.load(Ordering::Relaxed),
        }
    }
}

/// Counters in a row, placed by an enum's discriminant.
pub(super) struct Counts<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Counts<N> {
    pub(super) fn add(&self, place: usize) {
        if let Some(count) = self.0.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self, place: usize) -> u64 {
        self.0
            .get(place)
            .map(|count| count.load(Ordering::Relaxed))
            .unwrap_or_default()
    }
}
