//! What must not allocate: reading and deciding on the way of a hit. Every allocation there is paid
//! for by every request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code fails by panicking"
)]

use std::time::{Duration, SystemTime};

use allocation_counter::measure;
use http::{HeaderMap, HeaderName};
use larder::clock::{Mono, Now};
use larder::fields::cache_control::CacheControl;
use larder::policy::freshness::Times;
use larder::policy::key::CredentialState;
use larder::policy::request::RequestDirectives;
use larder::policy::reuse::{self, Asked, Candidate, Reuse, Validity};
use larder::policy::storing::Terms;

fn message(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    fields
}

/// How often `run` allocates.
fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1]))), 1);
}

#[test]
fn reading_cache_control_allocates_nothing() {
    for line in [
        "public, max-age=3600",
        "max-age=\"60\", s-maxage=30, stale-while-revalidate=5, stale-if-error=7, must-revalidate",
        "no-store, no-cache, private, ext=\"a, b\", max-age='x'",
    ] {
        let answer = message(&[("cache-control", line), ("cache-control", "immutable")]);
        let read = || drop(std::hint::black_box(CacheControl::of(&answer)));
        assert_eq!(allocations(read), 0, "{line}");
    }
}

#[test]
fn scanning_a_request_and_deciding_allocates_nothing() {
    let request = message(&[
        ("host", "shop.example"),
        ("accept-encoding", "gzip, br"),
        ("cache-control", "no-cache, max-age=0"),
        ("pragma", "no-cache"),
        ("connection", "keep-alive"),
    ]);
    let terms = Terms {
        lifetime: Duration::from_secs(60),
        ..Terms::default()
    };
    let times = Times {
        requested: Mono::default(),
        received: Mono::default(),
        initial_age: Duration::ZERO,
    };
    let now = Now {
        wall: SystemTime::UNIX_EPOCH,
        mono: Mono(Duration::from_secs(5)),
    };
    let decide = || {
        let asked = Asked {
            credentials: CredentialState::Absent,
            rule_grants: false,
            wishes: RequestDirectives::scan(&request).wishes,
        };
        let candidate = Candidate {
            terms: &terms,
            times: &times,
            validity: Validity::Untouched,
            strong_etag: false,
            validator: false,
        };
        let decided = reuse::decide(candidate, asked, now);
        assert!(matches!(decided, Reuse::Forward(_)));
    };
    assert_eq!(allocations(decide), 0);
}
