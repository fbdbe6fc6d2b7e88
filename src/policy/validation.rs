//! Conditional requests, both ways (RFC 9110 §13, RFC 9111 §4.3).

use http::{HeaderMap, StatusCode};

/// What a client's conditional means against what is stored (RFC 9110 §13.2.2, for GET and HEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Answer in full.
    Proceed,
    /// Answer 304.
    NotModified,
}

/// Evaluates `If-None-Match` and `If-Modified-Since` against a stored head. Only a 200 is
/// ever answered 304.
pub fn evaluate(_request: &HeaderMap, _status: StatusCode, _stored: &HeaderMap) -> Precondition {
    todo!()
}

/// Puts the stored head's validators into a request, in place of the client's own conditionals.
/// `strong_only`: only a strong `ETag` counts (after a hard invalidation a one-second
/// `Last-Modified` would bring the old content back). `false`: nothing usable, ask in full.
pub fn add_validators(_request: &mut HeaderMap, _stored: &HeaderMap, _strong_only: bool) -> bool {
    todo!()
}

/// The stored head freshened by a 304's (RFC 9111 §3.2): its fields replace those stored, but
/// `Content-Encoding`, `Content-Type`, `Content-Range`, `Content-Length` and what §3.2 excludes.
pub fn freshen(_stored: &HeaderMap, _not_modified: &HeaderMap) -> HeaderMap {
    todo!()
}

/// The fields of a 304 to a client: exactly those of RFC 9110 §15.4.5 that the 200 would carry,
/// and `Age` and such are added by the caller.
pub fn not_modified_fields(_stored: &HeaderMap) -> HeaderMap {
    todo!()
}
