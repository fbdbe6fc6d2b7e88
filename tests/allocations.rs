//! What must not allocate: reading and deciding on the way of a hit. Every allocation there is paid
//! for by every request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code fails by panicking, and prints seeds"
)]

use std::time::{Duration, SystemTime};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::clock::{Mono, Now};
use larder::fields::cache_control::CacheControl;
use larder::policy::freshness::Times;
use larder::policy::key::CredentialState;
use larder::policy::request::RequestDirectives;
use larder::policy::reuse::{self, Asked, Candidate, Reuse, Validity};
use larder::policy::storing::Terms;
use larder::policy::vary::Selecting;
use larder::store::StoredResponse;
use larder::store::frame::{self, MOST_FIELDS, READING};

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/frames/damage.rs"]
mod damage;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/support/rng.rs"]
mod rng;

use damage::Sample;
use rng::Rng;

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

/// What reading a frame allocates in all, bytes, whether it can be read or not.
fn reading(sample: &Sample, frame: &Bytes, signed: bool) -> u64 {
    let sealer = damage::sealer(signed);
    measure(|| drop(std::hint::black_box(sample.read(frame, &sealer)))).bytes_total
}

#[test]
fn reading_a_usual_frame_allocates_no_more_than_twice_its_length() {
    for signed in [false, true] {
        for sample in damage::samples(&damage::sealer(signed)) {
            let frame = Bytes::from(sample.frame.clone());
            let (taken, len) = (reading(&sample, &frame, signed), frame.len() as u64);
            // Where there is little content, the fields' table counts.
            let room = if len > 1024 { 0 } else { 2048 };
            assert!(taken <= 2 * len + room, "{taken} for {len} bytes");
        }
    }
}

#[test]
fn reading_the_most_fields_there_may_be_stays_within_what_is_said() {
    let line = |n: usize| HeaderName::try_from(format!("{n:x}")).unwrap();
    let one = |_| HeaderName::from_static("a");
    let names: [Box<dyn Fn(usize) -> HeaderName>; 2] = [Box::new(line), Box::new(one)];
    for name in names {
        let mut fields = HeaderMap::new();
        for n in 0..MOST_FIELDS {
            fields.append(name(n), HeaderValue::from_static(""));
        }
        let selecting = Selecting {
            fields: (0..MOST_FIELDS).map(|n| (name(n), None)).collect(),
            language: None,
        };
        let response = StoredResponse::new(damage::parts("k", fields, selecting, 0));
        let head = frame::pack(&response, damage::written(), &damage::sealer(false))
            .unwrap()
            .head;
        let sample = Sample {
            key: response.key.clone(),
            frame: head.clone(),
            chunk: None,
        };
        let (taken, len) = (
            reading(&sample, &Bytes::from(head.clone()), false),
            head.len() as u64,
        );
        assert!(taken <= 2 * len + READING as u64, "{taken} for {len} bytes");
    }
}

#[test]
fn whatever_a_frame_says_it_costs_little_to_read() {
    let mut rng = Rng::from_env("costs");
    let all = [false, true].map(|signed| damage::samples(&damage::sealer(signed)));
    for number in 0..20_000 {
        let signed = number % 2 == 1;
        let samples = &all[usize::from(signed)];
        let sample = &samples[rng.below(samples.len() as u64) as usize];
        // Half of them with a seal that is right, so that they are read to where they go wrong.
        let frame = if number % 4 < 2 {
            let mut body = damage::body(&sample.frame, signed).to_vec();
            damage::damage(&mut body, samples, &mut rng);
            damage::seal(body, signed.then_some(damage::SECRET))
        } else {
            let mut frame = sample.frame.clone();
            damage::damage(&mut frame, samples, &mut rng);
            frame
        };
        let len = frame.len() as u64;
        let taken = reading(sample, &Bytes::from(frame), signed);
        assert!(taken <= 2 * len + READING as u64, "{taken} for {len} bytes");
    }
}
