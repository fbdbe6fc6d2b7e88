//! Bounds what is asked of the origin only because the log is out of reach: without a bound, every
//! answer that a write could hit would be asked for anew at once, of an origin that the cache is
//! there to spare.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Mono;
use crate::telemetry::BlindFigures;

/// As many may always be under way.
const LEAST: u64 = 4;

/// Over how long recent forwards are counted.
const RECENT: Duration = Duration::from_secs(1);

/// The forwards under way that only blindness causes.
#[derive(Debug)]
pub(super) struct Blind {
    /// Share of recent forwards, 0 to 1.
    share: f64,
    under_way: AtomicU64,
    /// Answers in place of forwards for which there was no place. Raised by fills.
    stood_in: AtomicU64,
    freed: Notify,
    recent: Mutex<Recent>,
}

/// Forwards of all kinds, in the present stretch of time and in the one before.
#[derive(Debug, Default)]
struct Recent {
    since: Mono,
    now: u64,
    before: u64,
}

/// A place among the forwards that only blindness causes; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Blind);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
    }
}

impl Blind {
    pub fn new(share: f64) -> Self {
        Self {
            share,
            under_way: AtomicU64::new(0),
            stood_in: AtomicU64::new(0),
            freed: Notify::new(),
            recent: Mutex::new(Recent::default()),
        }
    }

    /// Counts a forward of any kind.
    pub fn note_forward(&self, now: Mono) {
        self.recent.lock().note(now);
    }

    /// A place, if one is free.
    pub fn enter(&self, now: Mono) -> Option<Place<'_>> {
        let most = self.most(now);
        let one_more = |under_way: u64| (under_way < most).then(|| under_way + 1);
        let entered = self
            .under_way
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        entered.is_ok().then(|| Place(self))
    }

    /// Counts an answer in place of a forward for which there was no place.
    pub fn note_stood_in(&self) {
        self.stood_in.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are under way, and how many were answered from what is stored instead.
    pub fn figures(&self) -> BlindFigures {
        BlindFigures {
            under_way: self.under_way.load(Ordering::Relaxed),
            stood_in: self.stood_in.load(Ordering::Relaxed),
        }
    }

    /// Waits until a place may be free.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn most(&self, now: Mono) -> u64 {
        let recent = self.recent.lock().count(now);
        // Both are small and positive.
        ((recent as f64 * self.share) as u64).max(LEAST)
    }
}

impl Recent {
    fn turn(&mut self, now: Mono) {
        let passed = now.since(self.since);
        if passed < RECENT {
            return;
        }
        self.before = if passed < 2 * RECENT { self.now } else { 0 };
        self.now = 0;
        self.since = now;
    }

    fn note(&mut self, now: Mono) {
        self.turn(now);
        self.now += 1;
    }

    fn count(&mut self, now: Mono) -> u64 {
        self.turn(now);
        self.now.max(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(Duration::from_millis(ms))
    }

    #[test]
    fn who_finds_no_place_frees_none() {
        let blind = Blind::new(0.1);
        let places: Vec<_> = (0..4).map(|_| blind.enter(at(0)).unwrap()).collect();
        assert!((0..10).all(|_| blind.enter(at(0)).is_none()));
        drop(places);
        assert_eq!(
            std::iter::from_fn(|| blind.enter(at(0)))
                .take(9)
                .collect::<Vec<_>>()
                .len(),
            4
        );
    }

    #[test]
    fn four_may_always_be_under_way_and_a_share_of_recent_forwards() {
        let blind = Blind::new(0.1);
        let places: Vec<_> = std::iter::from_fn(|| blind.enter(at(0))).collect();
        assert_eq!(places.len(), 4);
        drop(places);
        (0..100).for_each(|n| blind.note_forward(at(n)));
        let places: Vec<_> = std::iter::from_fn(|| blind.enter(at(1_500))).collect();
        assert_eq!(places.len(), 10);
        drop(places);
        let places: Vec<_> = std::iter::from_fn(|| blind.enter(at(9_000))).collect();
        assert_eq!(places.len(), 4, "what is long past does not count");
    }
}
