//! What the decisions on a hit's way cost: nanoseconds, where `run.py` measures whole requests.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; `criterion_main` writes the rest"
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use larder::clock::{Mono, Now};
use larder::config::Rule;
use larder::fields::cache_control::CacheControl;
use larder::invalidation::{EventId, Mark, Nonce, Order, Position};
use larder::policy::freshness::Times;
use larder::policy::key::{CacheKey, CredentialState};
use larder::policy::request::RequestDirectives;
use larder::policy::reuse::{self, Asked, Candidate, Validity};
use larder::policy::storing::{self, RequestFacts, Storing, Terms};
use larder::policy::vary::Selecting;
use larder::store::frame::{Sealer, Written, pack, unpack};
use larder::store::{Codings, Content, Parts, StoredResponse};

const ANSWER: &[(&str, &str)] = &[
    ("date", "Mon, 01 Jan 2024 12:00:00 GMT"),
    ("content-type", "application/json"),
    ("etag", "\"33a64df551425fcc\""),
    ("cache-control", "public, max-age=3600, must-revalidate"),
    ("vary", "accept-encoding"),
];

const REQUEST: &[(&str, &str)] = &[
    ("host", "shop.example"),
    ("user-agent", "curl/8.5.0"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, br"),
    ("cache-control", "max-age=0"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
];

fn message(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    };
    lines.iter().map(line).collect()
}

/// The noon of the answer's `Date` and so many seconds.
fn at(seconds: u64) -> Now {
    Now {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_110_400 + seconds),
        mono: Mono(Duration::from_secs(seconds)),
    }
}

fn facts() -> RequestFacts {
    RequestFacts {
        method: Method::GET,
        credentials: CredentialState::Absent,
        authorization: false,
        any_credential: false,
        credential_fields: 0,
        no_store: false,
    }
}

fn stored(rule: &Rule) -> (Terms, Times) {
    let answer = message(ANSWER);
    let times = storing::times(rule, &answer, at(0), at(0));
    match storing::judge(rule, &facts(), StatusCode::OK, &answer, &times, at(0)) {
        Storing::Store(terms) => (terms, times),
        Storing::Skip(reason) => unreachable!("{reason:?}"),
    }
}

fn decide(c: &mut Criterion) {
    let (terms, times) = stored(&Rule::unmatched(u64::MAX));
    let candidate = Candidate {
        terms: &terms,
        times: &times,
        validity: Validity::Untouched,
        strong_etag: true,
        validator: true,
    };
    let asked = Asked {
        credentials: CredentialState::Absent,
        rule_grants: false,
        wishes: RequestDirectives::default().wishes,
    };
    c.bench_function("decide on a fresh hit", |b| {
        b.iter(|| reuse::decide(black_box(candidate), black_box(asked), black_box(at(60))));
    });
    let request = message(REQUEST);
    c.bench_function("scan a request, then decide", |b| {
        b.iter(|| {
            let wishes = RequestDirectives::scan(black_box(&request)).wishes;
            let asked = Asked { wishes, ..asked };
            reuse::decide(black_box(candidate), black_box(asked), black_box(at(60)))
        });
    });
}

fn read(c: &mut Criterion) {
    let answer = message(ANSWER);
    c.bench_function("read a Cache-Control", |b| {
        b.iter(|| CacheControl::of(black_box(&answer)));
    });
    let request = message(REQUEST);
    c.bench_function("scan a request", |b| {
        b.iter(|| RequestDirectives::scan(black_box(&request)));
    });
}

fn judge(c: &mut Criterion) {
    let rule = Rule::unmatched(u64::MAX);
    let answer = message(ANSWER);
    let (_, times) = stored(&rule);
    c.bench_function("judge an answer", |b| {
        b.iter(|| {
            let answer = black_box(&answer);
            storing::judge(&rule, &facts(), StatusCode::OK, answer, &times, at(0))
        });
    });
}

/// An entry of 1 KiB as it comes from Redis, and on its way there.
fn frame(c: &mut Criterion) {
    let (terms, times) = stored(&Rule::unmatched(u64::MAX));
    let position = Some(Position {
        nonce: Nonce::random(),
        id: EventId { ms: 1, seq: 2 },
    });
    let response = StoredResponse::new(Parts {
        key: CacheKey::new(vec![b'k'; 80]),
        status: StatusCode::OK,
        fields: message(ANSWER),
        selecting: Selecting::default(),
        times,
        terms,
        facts: facts(),
        tags: Box::new([]),
        path: "/products/1".into(),
        rule: "product".into(),
        fingerprint: 1,
        mark: Mark {
            position,
            stamp: Order::default(),
            fetched: Mono::default(),
        },
        content: Content::from_chunks(vec![Bytes::from(vec![b'c'; 1024])]),
        codings: Codings::none(),
    });
    let written = Written {
        age: Duration::ZERO,
        wall: at(0).wall,
        retention: Duration::from_secs(60),
        content_id: 1,
    };
    for (how, sealer) in [
        ("checked", Sealer::new(None)),
        ("signed", Sealer::new(Some(b"secret"))),
    ] {
        let frame = Bytes::from(pack(&response, written, &sealer).unwrap().head);
        c.bench_function(&format!("unpack, {how}"), |b| {
            b.iter(|| unpack(black_box(&frame), &response.key, &sealer));
        });
        c.bench_function(&format!("pack, {how}"), |b| {
            b.iter(|| pack(black_box(&response), written, &sealer));
        });
    }
}

criterion_group!(policy, decide, read, judge, frame);
criterion_main!(policy);
