//! What a write drops, and when (RFC 9111 §4.4 and a rule's `invalidate`).

use http::{HeaderMap, Method, StatusCode, header};

mod reference;
#[cfg(test)]
mod tests;

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

/// Decides what applies after `method` ended with `outcome`; nothing for safe methods. A method
/// that is not known to be safe is not (§4.4).
/// `declared_read`: a rule's `ttl` on the unsafe method says it is a read. It comes here only where
/// a field makes another method of it, and drops nothing by itself then.
pub fn effect(method: &Method, declared_read: bool, outcome: WriteOutcome) -> Effect {
    let (by_rule, by_method) = match outcome {
        WriteOutcome::NotSent => (false, false),
        WriteOutcome::Unknown => (true, true),
        WriteOutcome::Answered(status) => (may_have_written(status), is_success(status)),
    };
    let is_write = !method.is_safe();
    Effect {
        by_rule: is_write && by_rule,
        by_method: is_write && by_method && !declared_read,
    }
}

/// A non-error answer in the words of §4.4.
fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// Success, or a failure that leaves open whether the write took place. A code that no
/// specification knows counts as the 500 of its class, or of none (RFC 9110 §15).
fn may_have_written(status: StatusCode) -> bool {
    match status.as_u16() {
        200..400 => true,
        501 | 505..=508 | 510 | 511 => false,
        500.. => true,
        _ => false,
    }
}

/// A cache group's name among those of all origins (RFC 9875 §2.1). `scheme` and `host` are those of
/// the target URI as the client sent it; no two origins have a name in common, since no authority
/// has a space.
pub fn group_name(scheme: &str, host: &str, group: &str) -> String {
    let default_port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    format!("{scheme}://{} {group}", host.to_ascii_lowercase())
}

/// The paths beside the target's own that a write's answer names: `Location` and
/// `Content-Location`, where of the same origin as the target (RFC 9111 §4.4).
/// `host` is the target's authority as the client sent it.
///
/// Paths come without query, so that every query of theirs is meant. The scheme is not compared:
/// TLS often ends before Larder, and the application writes what its users see.
pub fn named_paths(host: &str, target_path: &str, answer: &HeaderMap) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        for value in answer.get_all(name) {
            let Some(path) = value
                .to_str()
                .ok()
                .and_then(|v| reference::resolve(host, target_path, v))
            else {
                continue;
            };
            if path != target_path && !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}
