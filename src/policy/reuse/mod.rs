//! Decides whether a stored response may answer a request (RFC 9111 §4).
//!
//! The answer is always one [`Reuse`], and it carries its reason, so that logs and metrics need
//! no guess. Whether the stored response was selected by key and `Vary`, and whether its rule
//! still stands, was settled before.

use std::time::Duration;

use crate::clock::Now;
use crate::policy::Reason;
use crate::policy::freshness::Times;
use crate::policy::key::CredentialState;
use crate::policy::request::Wishes;
use crate::policy::storing::Terms;

#[cfg(test)]
mod tests;

/// What the invalidation log says of a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// No matching event since it was fetched.
    Untouched,
    /// A matching soft event: stale from then on.
    Stale,
    /// A matching hard event: never reused; a base for validation with a strong ETag only.
    Gone,
    /// Older than what the log remembers: validate.
    Unknown,
    /// A write could have hit it, and the log that would tell is out of reach for too long.
    Blind,
}

/// What a decision needs of the stored response.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its terms.
    pub terms: &'a Terms,
    /// Its times.
    pub times: &'a Times,
    /// What the log says of it.
    pub validity: Validity,
    /// Whether it has a strong `ETag`.
    pub strong_etag: bool,
    /// Whether it has any validator.
    pub validator: bool,
}

/// What a decision needs of the request.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Its credentials, as its rule sees them.
    pub credentials: CredentialState,
    /// Whether its rule grants freshness itself.
    pub rule_grants: bool,
    /// What the client asks of freshness; nothing where the rule ignores it.
    pub wishes: Wishes,
}

/// What to do with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Serve it. `age` for the `Age` field, `left` until it is stale.
    Serve {
        /// Current age.
        age: Duration,
        /// Remaining freshness.
        left: Duration,
    },
    /// Serve it stale and fetch a fresh one in the background (RFC 5861 §3).
    ServeStale {
        /// Current age.
        age: Duration,
        /// How far past its lifetime; zero where an event made it stale before its time.
        over: Duration,
    },
    /// Serve it stale, since this client wants it so (§5.2.1.2); nothing follows for others.
    ServeAsWished {
        /// Current age.
        age: Duration,
        /// How far past its lifetime.
        over: Duration,
    },
    /// Ask the origin whether it still holds; `if_error`: whether it may be served when the
    /// origin fails (RFC 5861 §4). Without a validator this is a plain request, and the stored
    /// response only stands by for an error.
    Validate {
        /// Why.
        reason: Reason,
        /// Whether it may be served if the origin fails.
        if_error: bool,
    },
    /// Fetch anew; nothing of the stored response may be used.
    Forward(Reason),
}

/// Decides.
///
/// After a soft event the response is stale at once, whatever its lifetime; its stale windows
/// still end where they would have ended without it, since the moment of the event is not known
/// here and they must not grow.
pub fn decide(candidate: Candidate<'_>, asked: Asked, now: Now) -> Reuse {
    // First of all: nobody learns anything from a response that is not for them, not even by a
    // validation that lends its content.
    if !may_share(candidate.terms, asked) {
        return Reuse::Forward(Reason::Credentials);
    }
    // §5.2.1.5 forbids to store, not to reuse; but a rule that honors clients takes the hint.
    if asked.wishes.no_store {
        return Reuse::Forward(Reason::RequestNoStore);
    }
    match candidate.validity {
        Validity::Untouched => by_age(candidate, asked.wishes, now),
        Validity::Stale => stale(candidate, asked.wishes, Reason::SoftInvalidated, now),
        // A `Last-Modified` counts in whole seconds: after a hard event it could bring back what
        // the event dropped, and so could a weak tag.
        Validity::Gone => validate_or_forward(candidate.strong_etag, Reason::Invalidated),
        // What was forgotten may have been a hard event.
        Validity::Unknown => validate_or_forward(candidate.strong_etag, Reason::BelowFloor),
        Validity::Blind => blind(candidate, now),
    }
}

/// Whether the response may answer a request with these credentials. Under a rule that grants
/// freshness only the answer's own word opens it to credentials that nothing names; without one,
/// `Authorization` needs what RFC 9111 §3.5 allows, and a guessed lifetime is good for nobody
/// who says who they are.
pub fn may_share(terms: &Terms, asked: Asked) -> bool {
    match asked.credentials {
        CredentialState::Absent | CredentialState::Named => true,
        CredentialState::UnnamedAuthorization | CredentialState::Unnamed if asked.rule_grants => terms.public,
        CredentialState::UnnamedAuthorization => terms.authorization_shareable && !terms.heuristic,
        CredentialState::Unnamed => !terms.heuristic,
    }
}

/// What is not heard of may have been a hard event, so that no failure of the origin brings the
/// response back. Where it may stand in for an origin that fails, it may for one that must be
/// spared: whoever bounds that asks [`stands_in`].
fn blind(candidate: Candidate<'_>, now: Now) -> Reuse {
    let spares = stands_in(candidate.terms, candidate.times, now);
    validate_or_forward(candidate.strong_etag || spares, Reason::Blind)
}

fn by_age(candidate: Candidate<'_>, wishes: Wishes, now: Now) -> Reuse {
    let terms = candidate.terms;
    if terms.always_validate {
        return validate_or_forward(candidate.validator, Reason::MustValidate);
    }
    let age = candidate.times.current_age(now);
    // §4.2: fresh as long as the lifetime exceeds the age.
    if terms.lifetime > age {
        let left = terms.lifetime.saturating_sub(age);
        if wishes.accept_fresh(age, left) {
            return Reuse::Serve { age, left };
        }
        return stand_by(candidate, Reason::RequestFreshness, Duration::ZERO);
    }
    stale(candidate, wishes, Reason::Stale, now)
}

/// Whether a stale response may stand in for an origin that fails now (RFC 5861 §4). Asked anew when
/// that is known: the window may have ended while it was tried.
pub fn stands_in(terms: &Terms, times: &Times, now: Now) -> bool {
    let over = times.current_age(now).saturating_sub(terms.lifetime);
    !terms.never_stale && !terms.stale_if_error.is_zero() && over <= terms.stale_if_error
}

/// What a stale response is good for (§4.2.4, RFC 5861).
fn stale(candidate: Candidate<'_>, wishes: Wishes, reason: Reason, now: Now) -> Reuse {
    let terms = candidate.terms;
    if terms.always_validate {
        return validate_or_forward(candidate.validator, Reason::MustValidate);
    }
    let age = candidate.times.current_age(now);
    let over = age.saturating_sub(terms.lifetime);
    let accepted = wishes.accept_stale(age, over);
    if accepted && is_within(terms, terms.stale_while_revalidate, over) {
        return Reuse::ServeStale { age, over };
    }
    // §4.2.4: a client may ask for what is stale where nothing forbids it, and where it is known how
    // stale it is, which it is not after a soft event.
    let may_ask = !terms.never_stale && candidate.validity == Validity::Untouched;
    if accepted && may_ask && wishes.max_stale.is_some() {
        return Reuse::ServeAsWished { age, over };
    }
    stand_by(candidate, reason, over)
}

/// Whether a stale window is open for a response that has been stale for `over`.
fn is_within(terms: &Terms, window: Duration, over: Duration) -> bool {
    !terms.never_stale && !window.is_zero() && over <= window
}

/// Asks the origin; the response stands by for an error as long as the origin, or the rule, lets
/// it. That holds regardless of what the client would like (RFC 5861 §4).
fn stand_by(candidate: Candidate<'_>, reason: Reason, over: Duration) -> Reuse {
    let if_error = is_within(candidate.terms, candidate.terms.stale_if_error, over);
    if if_error || candidate.validator {
        Reuse::Validate { reason, if_error }
    } else {
        Reuse::Forward(reason)
    }
}

fn validate_or_forward(usable: bool, reason: Reason) -> Reuse {
    if usable {
        Reuse::Validate {
            reason,
            if_error: false,
        }
    } else {
        Reuse::Forward(reason)
    }
}
