//! How one request ended: filled by the data path once a request, read by everything that counts.

use std::time::Duration;

use http::StatusCode;

use crate::policy::Reason;

/// How a request was answered; the `outcome` label. Every request has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// From the store, fresh.
    Hit,
    /// From the store, stale.
    Stale,
    /// From the store, after the origin said that it still holds.
    Revalidated,
    /// By the origin; the request could have been answered from the store.
    Miss,
    /// By another request's forward.
    Collapsed,
    /// By the origin; the request could not have been answered from the store.
    Bypass,
    /// By Larder itself: the request is not one it forwards.
    Refused,
    /// By Larder itself: the origin, or Larder, failed.
    Error,
}

impl OutcomeKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [OutcomeKind; 8] = [
        OutcomeKind::Hit,
        OutcomeKind::Stale,
        OutcomeKind::Revalidated,
        OutcomeKind::Miss,
        OutcomeKind::Collapsed,
        OutcomeKind::Bypass,
        OutcomeKind::Refused,
        OutcomeKind::Error,
    ];

    /// The word in the metric label and the access log.
    pub const fn word(self) -> &'static str {
        match self {
            OutcomeKind::Hit => "hit",
            OutcomeKind::Stale => "stale",
            OutcomeKind::Revalidated => "revalidated",
            OutcomeKind::Miss => "miss",
            OutcomeKind::Collapsed => "collapsed",
            OutcomeKind::Bypass => "bypass",
            OutcomeKind::Refused => "refused",
            OutcomeKind::Error => "error",
        }
    }
}

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How it was answered.
    pub kind: OutcomeKind,
    /// Why it was not a plain hit.
    pub reason: Option<Reason>,
    /// Whether the origin was asked on behalf of this request.
    pub forwarded: bool,
    /// Whether the answer is being stored, as far as its head tells.
    pub stored: bool,
    /// The status the client got.
    pub status: StatusCode,
    /// From the request's head to the answer's.
    pub duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_kinds_follows_the_enum_since_counters_are_placed_by_it() {
        for (place, kind) in OutcomeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{}", kind.word());
        }
    }
}
