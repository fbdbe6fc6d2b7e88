//! Keeps a line that anyone can cause from filling the log: one a second, with a count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Mono;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Says when a repeated line may be written again.
#[derive(Debug, Default)]
pub struct Seldom {
    /// When the next line may be written, milliseconds on the monotonic clock.
    next: AtomicU64,
    /// How often it was kept back since the last one.
    kept_back: AtomicU64,
}

impl Seldom {
    /// `Some` if the line may be written now: how often it was kept back before.
    pub fn may_say(&self, now: Mono) -> Option<u64> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now, later) = (millis(now.0), millis(now.0.saturating_add(PAUSE)));
        let next = self.next.load(Ordering::Relaxed);
        // Of two that come at once, one speaks.
        let free = now >= next
            && self
                .next
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if free {
            return Some(self.kept_back.swap(0, Ordering::Relaxed));
        }
        self.kept_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_once_a_second_and_tells_of_those_kept_back() {
        let seldom = Seldom::default();
        let at = |millis| seldom.may_say(Mono(Duration::from_millis(millis)));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(999)), (None, None));
        assert_eq!(at(1000), Some(2));
        assert_eq!((at(1500), at(5000)), (None, Some(1)));
    }
}
