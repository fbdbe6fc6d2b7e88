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
use crate::policy::storing::Terms;

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
        /// How far past its lifetime.
        over: Duration,
    },
    /// Ask the origin whether it still holds; `if_error`: whether it may be served when the
    /// origin fails (RFC 5861 §4).
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
pub fn decide(_candidate: Candidate<'_>, _asked: Asked, _now: Now) -> Reuse {
    todo!()
}
