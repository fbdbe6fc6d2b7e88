//! The only reader of the clocks. Everything else is handed a [`Now`].
//!
//! Two clocks, because each is wrong where the other is right: ages and timeouts count on the
//! monotonic one, so that a wall clock that jumps can neither keep an answer fresh too long nor
//! make an age negative; the wall clock is for what HTTP writes as a date.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// One reading of both clocks, taken together and passed down to the pure code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time, for `Date`, `Expires` and logs.
    pub wall: SystemTime,
    /// Time on the monotonic clock, for ages.
    pub mono: Mono,
}

/// A point on the monotonic clock: the time since the [`Clock`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// The time from `earlier` to this point; zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A source of [`Now`], cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Where the monotonic count starts. Follows tokio's paused clock in tests.
    base: tokio::time::Instant,
    wall: Wall,
}

#[derive(Debug, Clone)]
enum Wall {
    System,
    /// The wall clock at `base`, and what a test has added since, in nanoseconds.
    Manual {
        start: SystemTime,
        ahead: Arc<AtomicU64>,
    },
}

impl Clock {
    /// The operating system's clocks.
    #[allow(
        clippy::disallowed_methods,
        reason = "this file is the one reader of the clock"
    )]
    pub fn system() -> Self {
        Self {
            base: tokio::time::Instant::now(),
            wall: Wall::System,
        }
    }

    /// A clock that starts at `start` and can be moved ahead with [`Clock::advance`].
    ///
    /// It also follows tokio's clock, paused or not, so that timers and ages agree.
    #[allow(
        clippy::disallowed_methods,
        reason = "this file is the one reader of the clock"
    )]
    pub fn manual(start: SystemTime) -> Self {
        Self {
            base: tokio::time::Instant::now(),
            wall: Wall::Manual {
                start,
                ahead: Arc::new(AtomicU64::new(0)),
            },
        }
    }

    /// Reads both clocks.
    #[allow(
        clippy::disallowed_methods,
        reason = "this file is the one reader of the clock"
    )]
    pub fn now(&self) -> Now {
        let mono = self.mono();
        let wall = match &self.wall {
            Wall::System => SystemTime::now(),
            Wall::Manual { start, .. } => *start + mono.0,
        };
        Now { wall, mono }
    }

    /// Reads the monotonic clock alone: half the price, for durations.
    #[allow(
        clippy::disallowed_methods,
        reason = "this file is the one reader of the clock"
    )]
    pub fn mono(&self) -> Mono {
        let elapsed = tokio::time::Instant::now().saturating_duration_since(self.base);
        match &self.wall {
            Wall::System => Mono(elapsed),
            Wall::Manual { ahead, .. } => Mono(elapsed + Duration::from_nanos(ahead.load(Ordering::Relaxed))),
        }
    }

    /// Moves a manual clock ahead; a system clock does not move.
    pub fn advance(&self, by: Duration) {
        if let Wall::Manual { ahead, .. } = &self.wall {
            let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            ahead.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}
