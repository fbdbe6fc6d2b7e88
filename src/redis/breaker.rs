//! Decides whether a server may be asked: after some requests in a row without a reply it is left
//! alone, but for a probe now and then, until it replies.
//!
//! Without it, every request would wait out its deadline while a server hangs. Nothing here waits
//! or reads a clock: callers pass `now`.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Mono;

/// Requests in a row without a reply that open a breaker.
const ENOUGH: u32 = 3;
/// Between two probes of a server whose breaker is open.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// The breaker of one server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Requests in a row without a reply. Every request changes it.
    silent: AtomicU32,
    /// Whether nothing but probes is sent.
    open: AtomicBool,
    /// When the next probe may be sent, milliseconds on the monotonic clock.
    probe: AtomicU64,
}

/// What a reply, or none, did to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is as it was.
    None,
    /// It has just opened.
    Opened,
    /// It has just closed.
    Closed,
}

impl Breaker {
    /// Whether a request may be sent.
    pub(super) fn admits(&self) -> bool {
        !self.is_open()
    }

    /// Whether nothing but probes is sent.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// A reply came within its deadline, to a request or a probe.
    pub(super) fn replied(&self) -> Turn {
        // Reading first keeps the line shared between cores while all is well.
        if self.silent.load(Ordering::Relaxed) != 0 {
            self.silent.store(0, Ordering::Relaxed);
        }
        if self.is_open() && self.open.swap(false, Ordering::Relaxed) {
            return Turn::Closed;
        }
        Turn::None
    }

    /// A request got no reply within its deadline.
    pub(super) fn was_silent(&self, now: Mono) -> Turn {
        let before = self.silent.fetch_add(1, Ordering::Relaxed);
        if before.saturating_add(1) < ENOUGH || self.open.swap(true, Ordering::Relaxed) {
            return Turn::None;
        }
        self.probe.store(millis(now.0 + PAUSE), Ordering::Relaxed);
        Turn::Opened
    }

    /// Whether the caller is to probe now; of several that ask at once, one.
    pub(super) fn may_probe(&self, now: Mono) -> bool {
        let next = self.probe.load(Ordering::Relaxed);
        self.is_open()
            && millis(now.0) >= next
            && self
                .probe
                .compare_exchange(next, millis(now.0 + PAUSE), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One step: what happens at which millisecond, and what is to be true then.
    enum Step {
        Silent(u64, Turn),
        Replied(Turn),
        Admits(bool),
        Probes(u64, bool),
    }

    use Step::{Admits, Probes, Replied, Silent};

    fn run(name: &str, steps: &[Step]) {
        let breaker = Breaker::default();
        let at = |millis| Mono(Duration::from_millis(millis));
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Silent(now, turn) => assert_eq!(breaker.was_silent(at(now)), turn, "{name}: {number}"),
                Replied(turn) => assert_eq!(breaker.replied(), turn, "{name}: {number}"),
                Admits(admits) => assert_eq!(breaker.admits(), admits, "{name}: {number}"),
                Probes(now, probes) => assert_eq!(breaker.may_probe(at(now)), probes, "{name}: {number}"),
            }
        }
    }

    #[test]
    fn three_silences_in_a_row_open_it_and_a_reply_closes_it() {
        run(
            "in a row",
            &[
                Admits(true),
                Silent(0, Turn::None),
                Silent(1, Turn::None),
                Admits(true),
                Silent(2, Turn::Opened),
                Admits(false),
                Silent(3, Turn::None),
                Replied(Turn::Closed),
                Admits(true),
                Replied(Turn::None),
            ],
        );
        run(
            "not in a row",
            &[
                Silent(0, Turn::None),
                Silent(1, Turn::None),
                Replied(Turn::None),
                Silent(2, Turn::None),
                Silent(3, Turn::None),
                Admits(true),
                Silent(4, Turn::Opened),
            ],
        );
        run(
            "counts from nothing once closed",
            &[
                Silent(0, Turn::None),
                Silent(0, Turn::None),
                Silent(0, Turn::Opened),
                Replied(Turn::Closed),
                Silent(1, Turn::None),
                Silent(1, Turn::None),
                Admits(true),
                Silent(1, Turn::Opened),
            ],
        );
    }

    #[test]
    fn an_open_one_is_probed_each_hundred_milliseconds_and_a_closed_one_never() {
        run(
            "probes",
            &[
                Probes(0, false),
                Silent(1000, Turn::None),
                Silent(1000, Turn::None),
                Probes(1000, false),
                Silent(1000, Turn::Opened),
                Probes(1099, false),
                Probes(1100, true),
                Probes(1100, false),
                Probes(1199, false),
                Probes(1250, true),
                Admits(false),
                Replied(Turn::Closed),
                Probes(9000, false),
            ],
        );
    }
}
