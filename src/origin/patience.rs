//! How long this origin lets a kept connection rest, as far as it has shown.
//!
//! An origin that closes a resting connection at the moment a request is written to it leaves
//! that request's fate unknown: a safe one is sent again, an unsafe one must fail. No look at the
//! connection can exclude it, since the end may still be under way. So unsafe requests keep away
//! from connections that this origin might be about to close, and until it has shown how it
//! behaves they get a fresh connection each.

use std::time::Duration;

use crate::clock::Mono;

/// No unsafe request uses a connection that has rested longer than this.
const LONGEST: Duration = Duration::from_millis(500);
/// Rests without an early silent end that an origin has to show, added up. An origin that closes
/// at random, once in so long on average, does it within the some 50 µs between look and arrival
/// for about two requests in a million.
const PROOF: Duration = Duration::from_secs(30);
/// How long a silent end is remembered.
const MEMORY: Duration = Duration::from_secs(60);
/// A quarter of the shortest rest, if it is below this, is not worth the risk.
const WORTHWHILE: Duration = Duration::from_millis(5);

/// What the origin has shown.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Rests that went well since the last early end, added up.
    proven: Duration,
    /// The shortest rest that the origin ended unannounced, and when it last ended one.
    silent_end: Option<(Duration, Mono)>,
}

impl Patience {
    /// A connection rested this long and still stood.
    pub(super) fn stood(&mut self, rested: Duration) {
        self.proven = self.proven.saturating_add(rested).min(PROOF);
    }

    /// The origin ended a resting connection without having announced it.
    pub(super) fn ended(&mut self, rested: Duration, now: Mono) {
        let shortest = match self.remembered(now) {
            Some(before) => before.min(rested),
            None => rested,
        };
        self.silent_end = Some((shortest, now));
        // Longer rests are no danger to anybody who stays below a quarter of them.
        if rested < LONGEST {
            self.proven = Duration::ZERO;
        }
    }

    /// Below which rest a connection may carry an unsafe request; zero: none may.
    pub(super) fn rest_for_unsafe(&self, now: Mono) -> Duration {
        if self.proven < PROOF {
            return Duration::ZERO;
        }
        match self.remembered(now).map(|shortest| shortest / 4) {
            Some(quarter) if quarter < WORTHWHILE => Duration::ZERO,
            Some(quarter) => quarter.min(LONGEST),
            None => LONGEST,
        }
    }

    fn remembered(&self, now: Mono) -> Option<Duration> {
        self.silent_end
            .filter(|(_, seen)| now.since(*seen) < MEMORY)
            .map(|(shortest, _)| shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn proven() -> Patience {
        let mut patience = Patience::default();
        patience.stood(PROOF);
        patience
    }

    #[test]
    fn an_unknown_origin_gets_a_fresh_connection_for_every_unsafe_request() {
        assert_eq!(Patience::default().rest_for_unsafe(at(0)), Duration::ZERO);
    }

    #[test]
    fn rests_that_went_well_add_up() {
        let mut patience = Patience::default();
        for _ in 0..2999 {
            patience.stood(ms(10));
        }
        assert_eq!(patience.rest_for_unsafe(at(5)), Duration::ZERO);
        patience.stood(ms(10));
        assert_eq!(patience.rest_for_unsafe(at(5)), LONGEST);
    }

    #[test]
    fn a_silent_end_bounds_later_rests_to_a_quarter() {
        // rested before the end, what is allowed once the origin has proven itself
        let table = [
            (ms(4000), ms(500)),
            (ms(1200), ms(300)),
            (ms(20), ms(5)),
            (ms(19), ms(0)),
            (ms(0), ms(0)),
        ];
        for (rested, allowed) in table {
            let mut patience = proven();
            patience.ended(rested, at(1));
            patience.stood(PROOF);
            assert_eq!(patience.rest_for_unsafe(at(2)), allowed, "{rested:?}");
        }
    }

    #[test]
    fn an_early_end_undoes_the_proof_and_a_late_one_does_not() {
        let mut patience = proven();
        patience.ended(ms(800), at(1));
        assert_eq!(patience.rest_for_unsafe(at(1)), ms(200));
        patience.ended(ms(499), at(1));
        assert_eq!(patience.rest_for_unsafe(at(1)), Duration::ZERO);
    }

    #[test]
    fn the_shortest_end_counts_until_none_was_seen_for_a_minute() {
        let mut patience = proven();
        patience.ended(ms(800), at(1));
        patience.ended(ms(2000), at(30));
        assert_eq!(patience.rest_for_unsafe(at(89)), ms(200));
        assert_eq!(patience.rest_for_unsafe(at(90)), LONGEST);
    }
}
