//! What a request's fields ask for, read in one pass.
//!
//! Everything later on the path asks these flags, so that no field is looked up twice on a hit.

use std::time::Duration;

use http::HeaderMap;

use crate::fields::cache_control::{CacheControl, Scope};
use crate::fields::coding::Accepted;
use crate::fields::delta_seconds::DeltaSeconds;
use crate::fields::{connection, list};
use crate::policy::key;

/// What a request's fields say, as far as caching and forwarding care.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `Cache-Control: no-store`: nothing of this exchange is stored (RFC 9111 §5.2.1.5).
    pub no_store: bool,
    /// `Cache-Control: only-if-cached`: answered from the store or with 504 (§5.2.1.7).
    pub only_if_cached: bool,
    /// `If-None-Match` or `If-Modified-Since`: what a store may evaluate (RFC 9110 §13.1).
    pub conditional: bool,
    /// `If-Match`, `If-Unmodified-Since`: what only the origin may evaluate.
    pub origin_conditional: bool,
    /// `If-Range`.
    pub if_range: bool,
    /// `Range`.
    pub range: bool,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
    /// `Upgrade`, and `Connection` names it (RFC 9110 §7.8).
    pub upgrade: bool,
    /// `Connection` names a field other than the hop-by-hop ones: the origin would not see it.
    pub connection_fields: bool,
    /// `Via` is there: somebody has forwarded the request before.
    pub via: bool,
    /// A field such as `X-HTTP-Method-Override`: the origin may act on another method.
    pub method_override: bool,
    /// A field name has `_`: origins that hand fields on as variables take it for `-`, so that
    /// `X_Api_Key` is `X-Api-Key` to them.
    pub underscore: bool,
    /// `Cache-Control: no-transform`: content is passed as it is (RFC 9111 §5.2.1.6).
    pub no_transform: bool,
    /// The content codings that the client reads.
    pub accepted: Accepted,
    /// What the client would like; counts where the rule says so.
    pub wishes: Wishes,
}

/// What a client asks of a stored response's freshness (RFC 9111 §5.2.1): nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `no-store` (§5.2.1.5).
    pub no_store: bool,
    /// `no-cache` (§5.2.1.4), or `Pragma: no-cache` without any `Cache-Control` (§5.4).
    pub no_cache: bool,
    /// `max-age` (§5.2.1.1).
    pub max_age: Option<DeltaSeconds>,
    /// `min-fresh` (§5.2.1.3).
    pub min_fresh: Option<DeltaSeconds>,
    /// `max-stale` (§5.2.1.2).
    pub max_stale: Option<DeltaSeconds>,
}

impl Wishes {
    fn of(said: &CacheControl, pragma_no_cache: bool) -> Wishes {
        Wishes {
            no_store: said.no_store,
            no_cache: pragma_no_cache || said.no_cache != Scope::Absent,
            max_age: said.max_age,
            min_fresh: said.min_fresh,
            max_stale: said.max_stale,
        }
    }

    /// Whether a fresh response of this age will do, with so much of its freshness left.
    pub fn accept_fresh(&self, age: Duration, left: Duration) -> bool {
        !self.no_cache && self.is_young(age) && self.min_fresh.is_none_or(|least| left >= least.duration())
    }

    /// Whether a response of this age will do that has been stale for `over`, where the origin
    /// lets it be served. Whoever asks for freshness does not want a stale one, unless `max-stale`
    /// says so too (§5.2.1.1).
    pub fn accept_stale(&self, age: Duration, over: Duration) -> bool {
        match self.max_stale {
            None => *self == Wishes::default(),
            Some(most) => {
                !self.no_cache && self.min_fresh.is_none() && self.is_young(age) && over <= most.duration()
            }
        }
    }

    fn is_young(&self, age: Duration) -> bool {
        self.max_age.is_none_or(|most| age <= most.duration())
    }
}

impl RequestDirectives {
    /// Reads the fields once, in whatever order they came.
    pub fn scan(fields: &HeaderMap) -> RequestDirectives {
        let mut found = RequestDirectives::default();
        let mut said = CacheControl::default();
        let (mut has_cache_control, mut pragma_no_cache) = (false, false);
        for (name, value) in fields {
            match name.as_str() {
                "cache-control" => {
                    has_cache_control = true;
                    said.add_line(value.as_bytes());
                }
                "accept-encoding" => found.accepted.add_line(value.as_bytes()),
                "pragma" => pragma_no_cache |= has_no_cache(value.as_bytes()),
                "if-none-match" | "if-modified-since" => found.conditional = true,
                "if-match" | "if-unmodified-since" => found.origin_conditional = true,
                "if-range" => found.if_range = true,
                "range" => found.range = true,
                "expect" => found.expect_continue |= value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
                "upgrade" => found.upgrade = true,
                "via" => found.via = true,
                "connection" => found.connection_fields |= names_fields(value.as_bytes()),
                name if name.contains('_') => {
                    found.underscore = true;
                    found.method_override |= key::overrides_method(name);
                }
                "x-http-method-override" | "x-http-method" | "x-method-override" => {
                    found.method_override = true;
                }
                _ => {}
            }
        }
        found.no_store = said.no_store;
        found.no_transform = said.no_transform;
        found.only_if_cached = said.only_if_cached;
        found.wishes = Wishes::of(&said, pragma_no_cache && !has_cache_control);
        // Rare enough to look `Connection` up only then.
        found.upgrade = found.upgrade && connection::has_option(fields, "upgrade");
        found
    }

    /// Whether the request asks for anything but the whole, unconditional representation.
    pub fn asks_for_part(&self) -> bool {
        self.conditional || self.origin_conditional || self.if_range || self.range
    }
}

fn has_no_cache(pragma: &[u8]) -> bool {
    list::members(pragma).any(|member| member.eq_ignore_ascii_case(b"no-cache"))
}

/// Whether a `Connection` line names anything but the options that every client may send.
fn names_fields(line: &[u8]) -> bool {
    const USUAL: [&[u8]; 6] = [
        b"keep-alive",
        b"close",
        b"upgrade",
        b"te",
        b"http2-settings",
        b"proxy-connection",
    ];
    let mut members = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.any(|member| !member.is_empty() && !USUAL.iter().any(|usual| member.eq_ignore_ascii_case(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn scan(lines: &[(&str, &str)]) -> RequestDirectives {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            fields.append(name, value.parse().unwrap());
        }
        RequestDirectives::scan(&fields)
    }

    #[test]
    fn each_field_sets_its_own_flag() {
        let none = RequestDirectives::default();
        let no_store = RequestDirectives {
            no_store: true,
            wishes: Wishes {
                no_store: true,
                ..Wishes::default()
            },
            ..none
        };
        let table: &[(&[(&str, &str)], RequestDirectives)] = &[
            (&[], none),
            (&[("accept", "*/*"), ("host", "a")], none),
            (&[("cache-control", "no-store")], no_store),
            (&[("cache-control", "x, No-Store")], no_store),
            (&[("cache-control", "x"), ("cache-control", "no-store")], no_store),
            (
                &[("cache-control", "only-if-cached")],
                RequestDirectives {
                    only_if_cached: true,
                    ..none
                },
            ),
            (
                &[("if-none-match", "*")],
                RequestDirectives {
                    conditional: true,
                    ..none
                },
            ),
            (
                &[("if-modified-since", "x")],
                RequestDirectives {
                    conditional: true,
                    ..none
                },
            ),
            (
                &[("if-match", "*")],
                RequestDirectives {
                    origin_conditional: true,
                    ..none
                },
            ),
            (
                &[("if-unmodified-since", "x")],
                RequestDirectives {
                    origin_conditional: true,
                    ..none
                },
            ),
            (
                &[("if-range", "x")],
                RequestDirectives {
                    if_range: true,
                    ..none
                },
            ),
            (
                &[("range", "bytes=0-")],
                RequestDirectives { range: true, ..none },
            ),
            (
                &[("expect", "100-Continue")],
                RequestDirectives {
                    expect_continue: true,
                    ..none
                },
            ),
            (&[("expect", "x")], none),
            (
                &[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")],
                RequestDirectives {
                    upgrade: true,
                    ..none
                },
            ),
            (&[("upgrade", "websocket")], none), // §7.8: not named, so not asked for
            (&[("connection", "upgrade")], none),
        ];
        for (lines, expected) in table {
            assert_eq!(scan(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn conditions_and_ranges_ask_for_a_part() {
        for name in [
            "if-none-match",
            "if-modified-since",
            "if-match",
            "if-unmodified-since",
            "if-range",
            "range",
        ] {
            assert!(scan(&[(name, "x")]).asks_for_part(), "{name}");
        }
        assert!(!scan(&[("accept", "x")]).asks_for_part());
    }
}
