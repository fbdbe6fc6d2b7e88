//! What a rule changes in what clients are told (`client_ttl`).

use std::time::Duration;

use http::HeaderMap;

use crate::config::ClientTtl;

/// Rewrites the cache fields of an answer for the client: `Cache-Control` and `Expires`, and
/// whether `Age` is sent. `left`: remaining freshness here.
/// Returns whether `Age` may be sent.
pub fn tell_client(_told: ClientTtl, _fields: &mut HeaderMap, _left: Duration) -> bool {
    todo!()
}
