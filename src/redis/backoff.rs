//! How long to wait before trying again: longer each time, and never the same for all pods.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(400);

/// The waits between attempts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Attempts since the last success.
    failed: u32,
}

impl Backoff {
    /// The next wait: between a half and the whole of 20 ms, doubled each time up to 400 ms.
    pub(super) fn next(&mut self) -> Duration {
        let whole = (FIRST * (1 << self.failed.min(8))).min(LONGEST);
        self.failed = self.failed.saturating_add(1);
        // Without randomness pods still wait, though all alike.
        let share = getrandom::u32().unwrap_or(u32::MAX);
        whole / 2 + (whole / 2).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }

    /// Starts anew after a success.
    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_longest_and_starts_anew() {
        let mut backoff = Backoff::default();
        for whole in [20, 40, 80, 160, 320, 400, 400, 400] {
            let next = backoff.next();
            let whole = Duration::from_millis(whole);
            assert!(whole / 2 <= next && next <= whole, "{next:?} of {whole:?}");
        }
        (0..1000).for_each(|_| assert!(backoff.next() <= LONGEST));
        backoff.succeeded();
        assert!(backoff.next() <= FIRST);
    }
}
