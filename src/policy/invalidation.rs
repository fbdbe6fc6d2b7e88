//! What a write drops, and when (RFC 9111 §4.4 and a rule's `invalidate`).

use http::{HeaderMap, Method, StatusCode};

/// How a forwarded request ended, as far as invalidation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The origin answered with this status.
    Answered(StatusCode),
    /// Nothing reached the origin: no byte of the request was written.
    NotSent,
    /// Bytes went out, and no complete head came back: timeout, reset, drain.
    Unknown,
}

/// What of a write's invalidations applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The rules' `invalidate` items: 2xx, 3xx, unknown outcomes, 500, 502, 503, 504.
    pub by_rule: bool,
    /// RFC 9111 §4.4's own: the target URI, on 2xx, 3xx and unknown outcomes; its `Location`
    /// and `Content-Location` too where a head came.
    pub by_method: bool,
}

/// Decides what applies after `method` ended with `outcome`; nothing for safe methods.
/// `declared_read`: a rule's `ttl` on the unsafe method says it is a read.
pub fn effect(_method: &Method, _declared_read: bool, _outcome: WriteOutcome) -> Effect {
    todo!()
}

/// The paths beside the target's own that a write's answer names: `Location` and
/// `Content-Location`, where of the same origin as the target (RFC 9111 §4.4).
/// `host` is the target's authority as the client sent it.
pub fn named_paths(_host: &str, _target_path: &str, _answer: &HeaderMap) -> Vec<String> {
    todo!()
}
