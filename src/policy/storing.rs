//! Decides whether an answer may be stored, and on what terms (RFC 9111 §3).

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::clock::Now;
use crate::config::Rule;
use crate::policy::Reason;
use crate::policy::freshness::Times;
use crate::policy::key::CredentialState;

/// The facts of a request that storing depends on; kept with the stored response, so that
/// changed rules can decide again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method.
    pub method: Method,
    /// Credentials as seen by the rule that stored it.
    pub credentials: CredentialState,
    /// Whether the request had `Authorization` at all.
    pub authorization: bool,
    /// Whether the request had any credential at all, named or not.
    pub any_credential: bool,
    /// Whether the client said `no-store`.
    pub no_store: bool,
}

/// The terms a response is stored on: everything reuse needs, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Freshness lifetime, counted against `Times::current_age`.
    pub lifetime: Duration,
    /// Whether reuse always needs validation (`no-cache` in force).
    pub always_validate: bool,
    /// Whether it may never be served stale (`must-revalidate`, `proxy-revalidate`, `s-maxage`, `no-cache`).
    pub never_stale: bool,
    /// How long past its lifetime it may be served while a fresh one is fetched.
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime it may be served when the origin fails.
    pub stale_if_error: Duration,
    /// Whether the answer itself lets everyone share it (`public` or `s-maxage`), whatever the
    /// request carried.
    pub public: bool,
}

/// Whether an answer may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// On these terms.
    Store(Terms),
    /// Not, and why.
    Skip(Reason),
}

/// Decides about an answer's head. `times` are those of the exchange; content is not looked at.
///
/// An answer without any freshness is stored if it can be validated (strong or weak `ETag`, or
/// `Last-Modified`), with a lifetime of zero; else [`Reason::NoFreshness`].
pub fn judge(
    _rule: &Rule,
    _facts: &RequestFacts,
    _status: StatusCode,
    _fields: &HeaderMap,
    _times: &Times,
    _now: Now,
) -> Storing {
    todo!()
}

/// The times of an exchange from its two clock readings and the answer's `Age` and `Date`
/// (RFC 9111 §4.2.3); under a rule with a fixed `ttl`, `Date` is not consulted.
pub fn times(_rule: &Rule, _fields: &HeaderMap, _sent: Now, _received: Now) -> Times {
    todo!()
}
