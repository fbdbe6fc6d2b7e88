//! Whether a connection still speaks.

use std::time::Duration;

use crate::clock::Mono;

/// A connection that owes an answer and says nothing for so long is asked for a sign of life.
const MUTE: Duration = Duration::from_secs(10);
/// A connection that says nothing but that it lives is not asked again for so long: servers take more
/// for an attack (gRPC's "too many pings").
const BETWEEN: Duration = Duration::from_secs(300);
/// What the answer to a ping is long, bytes (RFC 9113 §6.7).
const PONG: u64 = 17;

/// What was heard of a connection.
#[derive(Default)]
pub(super) struct Voice {
    /// Bytes so far, and since when no more came.
    heard: u64,
    since: Mono,
    /// A sign of life was asked for since.
    asked: bool,
    /// When it was last asked for, if nothing but the answer has come since.
    last_asked: Option<Mono>,
}

/// What to make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is owed, or something was said of late.
    Speaks,
    /// It owes an answer, and has said nothing for long.
    Mute,
    /// The same, and it is to be asked.
    Ask,
    /// It did not even say that it lives.
    Gone,
}

impl Voice {
    /// Takes note of what was `heard` so far. Who was asked has `patience` to answer.
    pub(super) fn judge(&mut self, heard: u64, owes: bool, patience: Duration, now: Mono) -> Verdict {
        let news = heard.saturating_sub(self.heard);
        if news > 0 || !owes {
            if news > 0 && !(self.asked && news == PONG) {
                self.last_asked = None;
            }
            (self.heard, self.since, self.asked) = (heard, now, false);
        }
        let quiet = now.since(self.since);
        if self.asked {
            return if quiet < patience.max(MUTE) {
                Verdict::Mute
            } else {
                Verdict::Gone
            };
        }
        if quiet < MUTE {
            return Verdict::Speaks;
        }
        if self.last_asked.is_some_and(|at| now.since(at) < BETWEEN) {
            return Verdict::Mute;
        }
        (self.since, self.asked, self.last_asked) = (now, true, Some(now));
        Verdict::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owes_an_answer_is_asked_seldom_and_given_up_if_mute() {
        let mut voice = Voice::default();
        for (second, heard, owes, expected) in [
            (0, 9, true, Verdict::Speaks),
            (9, 9, true, Verdict::Speaks),
            (10, 9, true, Verdict::Ask),
            (11, 9, true, Verdict::Mute),
            // It lives, and says no more than that.
            (12, 26, true, Verdict::Speaks),
            (22, 26, true, Verdict::Mute),
            (309, 26, true, Verdict::Mute),
            (310, 26, true, Verdict::Ask),
            // It has more to say: it may be asked again.
            (311, 100, true, Verdict::Speaks),
            (321, 100, true, Verdict::Ask),
            (322, 117, true, Verdict::Speaks),
            // Nothing is owed.
            (400, 117, false, Verdict::Speaks),
            (409, 117, true, Verdict::Speaks),
            (700, 117, true, Verdict::Ask),
            (729, 117, true, Verdict::Mute),
            (730, 117, true, Verdict::Gone),
        ] {
            let verdict = voice.judge(
                heard,
                owes,
                Duration::from_secs(30),
                Mono(Duration::from_secs(second)),
            );
            assert_eq!(verdict, expected, "{second}");
        }
    }
}
