//! The memory tier against its bounds, collisions, and the races of storing and validating.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::cache::Places;
use super::*;
use crate::clock::{Mono, Now};
use crate::codec::Level;
use crate::config::Store;
use crate::fields::coding::Coding;
use crate::invalidation::{Bounds, Event, Log, Mark, Matter, Order, Strength, Tag};
use crate::policy::freshness::Times;
use crate::policy::key::{CacheKey, CredentialState};
use crate::policy::reuse::Validity;
use crate::policy::storing::{RequestFacts, Terms};
use crate::policy::vary::Selecting;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn store(memory: u64, max_object: u64) -> Store {
    Store { memory, max_object }
}

fn memory() -> Memory {
    Memory::new(store(4 * MIB, MIB), 4)
}

fn key(text: &str) -> CacheKey {
    CacheKey::new(text.as_bytes().to_vec())
}

fn now() -> Now {
    Now {
        wall: UNIX_EPOCH,
        mono: Mono::default(),
    }
}

/// A response under `key` of `size` bytes.
fn parts(at: &str, size: usize) -> Parts {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("etag", "\"0123456789abcdef\""),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-request-id", "7f9c24e5-7f9c-24e5-7f9c-24e57f9c24e5"),
    ] {
        fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Parts {
        key: key(at),
        status: StatusCode::OK,
        fields,
        selecting: Selecting::default(),
        times: Times {
            requested: Mono::default(),
            received: Mono::default(),
            initial_age: Duration::ZERO,
        },
        terms: Terms {
            lifetime: Duration::from_secs(60),
            always_validate: false,
            never_stale: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            public: false,
            ..Terms::default()
        },
        facts: RequestFacts {
            method: Method::GET,
            credentials: CredentialState::Absent,
            authorization: false,
            any_credential: false,
            credential_fields: 0,
            no_store: false,
        },
        tags: Box::new([Tag::Named("t".to_owned()).id()]),
        path: at.into(),
        rule: "r".into(),
        fingerprint: 0,
        mark: Mark {
            position: None,
            stamp: Order(0),
            fetched: Mono::default(),
        },
        content: Content::from_chunks(vec![Bytes::from(vec![0; size])]),
        codings: Codings::none(),
    }
}

fn response(at: &str, size: usize) -> Arc<StoredResponse> {
    Arc::new(StoredResponse::new(parts(at, size)))
}

/// A variant for requests with `Accept-Language: language`, fetched at `stamp` and `ms`.
fn variant(at: &str, language: &str, stamp: u64, ms: u64) -> Arc<StoredResponse> {
    let name = http::header::ACCEPT_LANGUAGE;
    let request = HeaderMap::from_iter([(name.clone(), language.parse().unwrap())]);
    let answer = HeaderMap::from_iter([(http::header::VARY, HeaderValue::from(name))]);
    let selecting = Selecting::of(&answer, &request, false).unwrap();
    let mark = Mark {
        position: None,
        stamp: Order(stamp),
        fetched: Mono(Duration::from_millis(ms)),
    };
    Arc::new(StoredResponse::new(Parts {
        selecting,
        mark,
        ..parts(at, 10)
    }))
}

/// Whether this very response is stored.
fn holds(memory: &Memory, response: &Arc<StoredResponse>) -> bool {
    let slot = memory.find(&response.key);
    slot.is_some_and(|slot| {
        slot.variants()
            .iter()
            .any(|variant| Arc::ptr_eq(variant, response))
    })
}

#[test]
fn what_was_stored_is_found_under_its_key_alone() {
    let memory = memory();
    let stored = response("/a", 10);
    assert_eq!(memory.insert(Arc::clone(&stored)), Inserted::Stored);
    assert!(holds(&memory, &stored));
    assert!(memory.find(&key("/b")).is_none());
    assert_eq!(memory.stats().entries, 1);
    assert_eq!(stored.content.len(), 10);
}

#[test]
fn keys_with_one_place_never_answer_for_each_other() {
    let memory = Memory::with_places(store(4 * MIB, MIB), 4, Places::ONE);
    let stored: Vec<_> = (0..20).map(|n| response(&format!("/{n}"), 10)).collect();
    for response in &stored {
        memory.insert(Arc::clone(response));
    }
    for response in &stored {
        assert!(holds(&memory, response));
        assert_eq!(memory.find(&response.key).unwrap().variants().len(), 1);
    }
    assert!(memory.find(&key("/20")).is_none());
    memory.remove(&stored[3]);
    assert!(!holds(&memory, &stored[3]) && holds(&memory, &stored[4]));
}

#[test]
fn a_variant_replaces_the_one_selected_alike_and_stands_first() {
    let memory = memory();
    let (en, de, newer) = (
        variant("/a", "en", 0, 0),
        variant("/a", "de", 0, 0),
        variant("/a", "en", 0, 1),
    );
    for stored in [&en, &de, &newer] {
        assert_eq!(memory.insert(Arc::clone(stored)), Inserted::Stored);
    }
    let slot = memory.find(&key("/a")).unwrap();
    assert_eq!(slot.variants().len(), 2);
    assert!(Arc::ptr_eq(&slot.variants()[0], &newer) && Arc::ptr_eq(&slot.variants()[1], &de));
}

#[test]
fn what_was_fetched_earlier_does_not_replace_what_was_fetched_later() {
    for (stored, landing, replaces) in [
        ((1, 0), (0, 9), false),
        ((1, 5), (1, 4), false),
        ((1, 5), (1, 5), true),
        ((1, 5), (2, 0), true),
    ] {
        let memory = memory();
        let first = variant("/a", "en", stored.0, stored.1);
        let second = variant("/a", "en", landing.0, landing.1);
        memory.insert(Arc::clone(&first));
        let expected = if replaces {
            Inserted::Stored
        } else {
            Inserted::Refused
        };
        assert_eq!(memory.insert(Arc::clone(&second)), expected);
        assert_eq!(holds(&memory, &second), replaces);
        assert_eq!(holds(&memory, &first), !replaces);
    }
}

#[test]
fn the_oldest_variants_go_where_there_are_too_many() {
    let memory = memory();
    let stored: Vec<_> = (0..6).map(|n| variant("/a", &n.to_string(), 0, n)).collect();
    for response in &stored {
        memory.insert(Arc::clone(response));
    }
    let kept: Vec<bool> = stored.iter().map(|response| holds(&memory, response)).collect();
    assert_eq!(kept, [false, false, true, true, true, true]);
}

#[test]
fn variants_that_together_exceed_their_room_go_oldest_first() {
    let memory = Memory::new(store(4 * MIB, MIB), 32);
    for n in 0..6_u64 {
        let big = Parts {
            content: parts("/a", 900 * 1024).content,
            ..variant("/a", &n.to_string(), 0, n).to_parts()
        };
        assert_eq!(
            memory.insert(Arc::new(StoredResponse::new(big))),
            Inserted::Stored
        );
    }
    let slot = memory.find(&key("/a")).unwrap();
    assert_eq!(slot.variants().len(), 1);
    assert!(memory.stats().bytes <= 4 * MIB);
}

#[test]
fn a_validated_response_takes_the_place_of_the_very_one_that_was_validated() {
    // A 304 must not freshen what landed meanwhile.
    let memory = memory();
    let (old, landed) = (variant("/a", "en", 0, 0), variant("/a", "en", 0, 1));
    let freshened = variant("/a", "en", 0, 2);
    memory.insert(Arc::clone(&old));
    memory.insert(Arc::clone(&landed));
    assert_eq!(memory.replace(&old, Arc::clone(&freshened)), Inserted::Refused);
    assert!(holds(&memory, &landed) && !holds(&memory, &freshened));

    assert_eq!(memory.replace(&landed, Arc::clone(&freshened)), Inserted::Stored);
    assert!(!holds(&memory, &landed) && holds(&memory, &freshened));

    let other = variant("/a", "de", 0, 0);
    memory.insert(Arc::clone(&other));
    assert_eq!(
        memory.replace(&freshened, variant("/a", "de", 0, 1)),
        Inserted::Stored
    );
    assert_eq!(memory.find(&key("/a")).unwrap().variants().len(), 1);

    let gone = Arc::clone(&memory.find(&key("/a")).unwrap().variants()[0]);
    memory.remove(&gone);
    assert_eq!(memory.replace(&gone, landed), Inserted::Refused);
    assert!(memory.find(&key("/a")).is_none());
}

#[test]
fn removing_takes_one_variant_and_leaves_the_others() {
    let memory = memory();
    let (en, de) = (variant("/a", "en", 0, 0), variant("/a", "de", 0, 0));
    memory.insert(Arc::clone(&en));
    memory.insert(Arc::clone(&de));
    memory.remove(&variant("/a", "en", 0, 0));
    assert!(holds(&memory, &en) && holds(&memory, &de));
    memory.remove(&en);
    assert!(!holds(&memory, &en) && holds(&memory, &de));
    memory.remove(&de);
    assert_eq!(memory.stats().entries, 0);
    assert_eq!(memory.stats().bytes, 0);
}

#[test]
fn the_newest_variant_that_a_request_selects_answers_it() {
    let memory = memory();
    let (en, de) = (variant("/a", "en", 0, 0), variant("/a", "de", 0, 0));
    memory.insert(Arc::clone(&en));
    memory.insert(Arc::clone(&de));
    let slot = memory.find(&key("/a")).unwrap();
    let request = |language| {
        HeaderMap::from_iter([(http::header::ACCEPT_LANGUAGE, HeaderValue::from_static(language))])
    };
    assert!(Arc::ptr_eq(slot.select(&request("en")).unwrap(), &en));
    assert!(Arc::ptr_eq(slot.select(&request("de")).unwrap(), &de));
    assert!(slot.select(&request("fr")).is_none());
    assert!(slot.select(&HeaderMap::new()).is_none());
}

#[test]
fn the_largest_object_fits_whatever_the_memory_and_more_is_refused() {
    for (memory_size, max_object) in [
        (32 * MIB, 8 * MIB),
        (64 * MIB, 8 * MIB),
        (512 * MIB, 8 * MIB),
        (4 * MIB, MIB),
        (MIB, 64 * KIB),
    ] {
        let memory = Memory::new(store(memory_size, max_object), 4);
        let _in_flight = memory.budget().reserve(memory_size / 2).unwrap();
        assert_eq!(
            memory.insert(response("/a", max_object as usize)),
            Inserted::Stored,
            "{memory_size}"
        );
        assert!(memory.find(&key("/a")).is_some(), "{memory_size}");
        assert_eq!(
            memory.insert(response("/b", memory_size as usize / 2)),
            Inserted::Refused
        );
        assert!(memory.find(&key("/b")).is_none());
        let stats = memory.stats();
        assert!(stats.bytes + stats.in_flight <= stats.capacity, "{stats:?}");
    }
}

#[test]
fn entries_and_fills_together_stay_within_the_memory() {
    let memory = memory();
    for n in 0..2_000 {
        memory.insert(response(&format!("/{n}"), 4096));
    }
    let full = memory.stats();
    assert!(full.bytes > 3 * MIB && full.bytes <= 4 * MIB, "{full:?}");
    assert!(
        full.evictions > 0 && full.entries + full.evictions == 2_000,
        "{full:?}"
    );

    let mut fills = Vec::new();
    while let Some(fill) = memory.budget().reserve(100 * KIB) {
        fills.push(fill);
        let stats = memory.stats();
        assert!(stats.bytes + stats.in_flight <= 4 * MIB, "{stats:?}");
    }
    assert_eq!(fills.len(), 20);
    drop(fills);
    assert_eq!(memory.stats().in_flight, 0);
    for n in 0..2_000 {
        memory.insert(response(&format!("/{n}"), 4096));
    }
    assert!(memory.stats().bytes > 3 * MIB, "{:?}", memory.stats());
}

#[test]
fn a_reservation_grows_within_half_the_memory_and_gives_all_back() {
    let memory = memory();
    let mut fill = memory.budget().reserve(MIB).unwrap();
    assert!(fill.grow(MIB));
    assert!(!fill.grow(1));
    assert_eq!(fill.bytes(), 2 * MIB);
    assert!(memory.budget().reserve(1).is_none());
    assert!(memory.budget().reserve(u64::MAX).is_none());
    drop(fill);
    assert_eq!(memory.budget().in_flight(), 0);
    assert!(memory.budget().reserve(2 * MIB).is_some());
}

#[test]
fn what_is_still_read_after_its_eviction_counts_until_its_last_reader_has_gone() {
    let memory = memory();
    let reading: Vec<_> = (0..12)
        .map(|n| {
            let response = response(&format!("/{n}"), 900 * 1024);
            memory.insert(response.clone());
            response
        })
        .collect();
    let stats = memory.stats();
    let kept = reading.iter().filter(|response| holds(&memory, response)).count();
    let gone: u64 = reading
        .iter()
        .filter(|response| !holds(&memory, response))
        .map(|response| response.weight())
        .sum();
    assert!(kept < reading.len(), "some must have been evicted");
    assert_eq!(stats.in_flight, gone);
    assert!(
        memory.budget().reserve(MIB).is_none(),
        "so much is held that no fill gets room"
    );
    drop(reading);
    assert_eq!(memory.stats().in_flight, 0);
    assert!(memory.budget().reserve(MIB).is_some());
}

#[test]
fn a_response_replaced_while_it_is_read_counts_and_the_variants_beside_it_do_not() {
    let memory = memory();
    let (french, german) = (variant("/a", "fr", 1, 1), variant("/a", "de", 1, 1));
    memory.insert(french.clone());
    memory.insert(german.clone());
    assert_eq!(memory.stats().in_flight, 0);
    memory.insert(variant("/a", "fr", 2, 2));
    assert_eq!(memory.stats().in_flight, french.weight());
    drop((french, german));
    assert_eq!(memory.stats().in_flight, 0);
}

#[test]
fn room_goes_back_and_forth_without_wearing_the_cache_down() {
    let memory = memory();
    for _ in 0..3_000 {
        drop(memory.budget().reserve(2 * MIB));
    }
    for n in 0..2_000 {
        memory.insert(response(&format!("/{n}"), 4096));
    }
    assert!(memory.stats().bytes > 3 * MIB);
}

#[test]
fn walking_shows_every_stored_response_once_and_no_ballast() {
    let memory = memory();
    let _fill = memory.budget().reserve(MIB);
    for n in 0..50 {
        memory.insert(variant(&format!("/{}", n % 25), &n.to_string(), 0, 0));
    }
    let mut seen = Vec::new();
    memory.walk(|response| seen.push((response.path.clone(), response.selecting.clone())));
    assert_eq!(seen.len(), 50);
    assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), 50);
}

/// A response of `size` bytes, and half as much again in a coding.
fn coded(at: &str, size: usize) -> (Arc<StoredResponse>, Form) {
    let bare = StoredResponse::new(Parts {
        codings: Codings::negotiable(),
        ..parts(at, size)
    });
    let form = Form {
        coding: Coding::Gzip,
        level: Level::Fast,
        content: Content::from_chunks(vec![Bytes::from(vec![1; size / 2])]),
    };
    (Arc::new(bare), form)
}

fn is_coded(memory: &Memory, at: &str) -> bool {
    let slot = memory.find(&key(at)).expect("the content stays");
    !slot.variants()[0].codings.forms().is_empty()
}

#[test]
fn codings_give_way_before_any_content_does() {
    let memory = Memory::new(store(4 * MIB, MIB), 4);
    let path = |n: u64| format!("/{n}");
    let codings = 16;
    for n in 0..codings {
        let (bare, form) = coded(&path(n), 64 << 10);
        assert_eq!(memory.insert(bare.clone()), Inserted::Stored);
        assert!(memory.attach(&bare, form).is_some());
    }
    let used = memory.find(&key(&path(0))).unwrap();
    used.variants()[0].codings.making().unwrap().hit(Coding::Gzip);
    let lost = || {
        (0..codings)
            .filter(|n| !is_coded(&memory, &path(*n)))
            .collect::<Vec<_>>()
    };
    let (mut stored, mut first) = (codings, Vec::new());
    while lost().len() < codings as usize {
        memory.insert(response(&path(stored), 64 << 10));
        stored += 1;
        if first.is_empty() {
            first = lost();
        }
        assert_eq!(memory.stats().evictions, 0, "{stored}");
    }
    assert_eq!(first, [1, 2], "those made first, but for the one asked for since");
    assert!(stored > 45, "while there was room they stayed: {stored}");
    let stripped = memory.find(&key(&path(1))).unwrap();
    let codings = &stripped.variants()[0].codings;
    assert!(codings.making().is_some(), "the coding may be made again");
    assert_eq!(stripped.variants()[0].content.len(), 64 * KIB);
}

#[test]
fn a_response_stays_itself_when_it_is_given_a_coding() {
    let memory = memory();
    let (bare, form) = coded("/a", 1000);
    memory.insert(bare.clone());
    let with = memory.attach(&bare, form.clone()).unwrap();
    assert!(with.is_same(&bare) && memory.holds(&bare));
    // A validation that began before: what it renews has the coding all the same.
    let mut renewed = bare.to_parts();
    renewed.terms.lifetime = Duration::from_secs(1);
    let renewed = Arc::new(StoredResponse::new(renewed));
    assert_eq!(memory.replace(&bare, renewed.clone()), Inserted::Stored);
    assert!(!memory.holds(&bare) && memory.holds(&renewed));
    assert!(is_coded(&memory, "/a"));
    assert!(memory.attach(&bare, form.clone()).is_none(), "it was replaced");
    // One that says that it must not be kept removes it.
    memory.remove(&renewed);
    assert!(memory.find(&key("/a")).is_none());
}

#[test]
fn a_coding_takes_no_place_of_another_variant_nor_its_own_first_place() {
    let memory = Memory::new(store(4 * MIB, MIB), 4);
    let mut kept = Vec::new();
    for (number, language) in ["en", "de", "fr"].into_iter().enumerate() {
        let parts = variant("/a", language, 1, number as u64).to_parts();
        let response = Arc::new(StoredResponse::new(Parts {
            codings: Codings::negotiable(),
            content: Content::from_chunks(vec![Bytes::from(vec![0; 256 << 10])]),
            ..parts
        }));
        memory.insert(response.clone());
        kept.push(response);
    }
    let form = |size: usize| Form {
        coding: Coding::Gzip,
        level: Level::Fast,
        content: Content::from_chunks(vec![Bytes::from(vec![1; size])]),
    };
    let order = |memory: &Memory| {
        let slot = memory.find(&key("/a")).unwrap();
        let place = |variant: &Arc<StoredResponse>| kept.iter().position(|kept| kept.is_same(variant));
        slot.variants().iter().filter_map(place).collect::<Vec<_>>()
    };
    let before = order(&memory);
    assert_eq!(before.len(), 3);
    assert!(memory.attach(&kept[0], form(1000)).is_some());
    assert_eq!(order(&memory), before);
    assert!(
        memory.attach(&kept[1], form(2 << 20)).is_none(),
        "one would have to go"
    );
    assert_eq!(order(&memory), before);
}

#[test]
fn what_a_log_check_established_stays_known_with_a_coding() {
    let log = Log::in_memory(Bounds::default());
    let (bare, form) = coded("/a", 1000);
    for n in 0..3 {
        let tags = vec![Tag::Named(format!("other-{n}"))];
        let matter = Matter {
            tags,
            ..Matter::default()
        };
        log.append_unwaited(Event::new(matter, None, Strength::Hard), now());
    }
    assert_eq!(bare.validity(&log, true, Mono::default()), Validity::Untouched);
    let with = bare.with_codings(bare.codings.with(form));
    assert!(with.checked() > Order(0) && with.checked() == bare.checked());
}

#[test]
fn renewing_a_coding_for_ever_keeps_one_key_on_the_list() {
    let memory = memory();
    for _ in 0..10_000 {
        let (bare, form) = coded("/a", 100);
        memory.insert(bare.clone());
        memory.attach(&bare, form);
    }
    assert!(memory.coded_keys() < 100, "{}", memory.coded_keys());
}

#[test]
fn concurrent_inserts_of_variants_lose_none() {
    let memory = Memory::new(store(4 * MIB, MIB), 64);
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let memory = &memory;
            threads.spawn(move || {
                for n in 0..16 {
                    memory.insert(variant("/a", &format!("{thread}-{n}"), 0, 0));
                }
            });
        }
    });
    assert_eq!(memory.find(&key("/a")).unwrap().variants().len(), 64);
}

#[test]
fn bounds_hold_while_threads_store_fill_and_remove() {
    let memory = memory();
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for thread in 0..3_usize {
            let memory = &memory;
            let ended = &ended;
            threads.spawn(move || {
                for n in 0..1_500 {
                    let fill = memory.budget().reserve(50 * KIB);
                    let stored = response(&format!("/{}", (n * 7 + thread) % 900), 3_000 + n % 5_000);
                    memory.insert(Arc::clone(&stored));
                    if n % 5 == 0 {
                        memory.remove(&stored);
                    }
                    drop(fill);
                }
                ended.store(true, Ordering::Relaxed);
            });
        }
        while !ended.load(Ordering::Relaxed) {
            assert!(memory.stats().bytes <= 4 * MIB);
        }
    });
    assert_eq!(memory.stats().in_flight, 0);
}

#[test]
fn the_flags_of_validators_follow_the_head() {
    for (name, value, strong, any) in [
        ("etag", "\"a\"", true, true),
        ("etag", "W/\"a\"", false, true),
        ("etag", "a", false, true),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT", false, true),
        ("x-a", "1", false, false),
    ] {
        let fields = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        let stored = StoredResponse::new(Parts {
            fields,
            ..parts("/a", 0)
        });
        assert_eq!(
            (stored.strong_etag(), stored.validator()),
            (strong, any),
            "{name}: {value}"
        );
    }
}

#[test]
fn an_event_is_seen_at_the_very_next_check_and_a_later_fetch_is_free_of_it() {
    let log = Log::in_memory(Bounds::default());
    let purge = |tag: &str, strength| {
        let tags = vec![Tag::Named(tag.to_owned())];
        log.append_unwaited(
            Event::new(
                Matter {
                    tags,
                    ..Matter::default()
                },
                None,
                strength,
            ),
            now(),
        );
    };
    let stored = StoredResponse::new(Parts {
        mark: log.mark(now()),
        ..parts("/a", 0)
    });
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Untouched);
    purge("other", Strength::Hard);
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Untouched);
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Untouched);
    purge("t", Strength::Soft);
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Stale);
    purge("t", Strength::Hard);
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Gone);
    assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Gone);
    let again = StoredResponse::new(Parts {
        mark: log.mark(now()),
        ..stored.to_parts()
    });
    assert_eq!(again.validity(&log, true, Mono::default()), Validity::Untouched);
}

#[test]
fn rule_and_path_tags_are_added_where_they_were_left_out() {
    for matter in [
        Tag::Rule("r".to_owned()),
        Tag::Path("/a/b".to_owned()),
        Tag::Under("/a".to_owned()),
    ] {
        let log = Log::in_memory(Bounds::default());
        let stored = StoredResponse::new(Parts {
            tags: Box::new([]),
            mark: log.mark(now()),
            ..parts("/a/b", 0)
        });
        log.append_unwaited(
            Event::new(
                Matter {
                    tags: vec![matter],
                    ..Matter::default()
                },
                None,
                Strength::Hard,
            ),
            now(),
        );
        assert_eq!(stored.validity(&log, true, Mono::default()), Validity::Gone);
    }
}

/// Prints what answers of one size, more than there is room for, add to this process; run by the
/// test below in a process of its own.
#[test]
#[ignore = "measures its own process; the next test runs it"]
fn resident_growth() {
    let size: usize = std::env::var("LARDER_TEST_SIZE").unwrap().parse().unwrap();
    let before = resident();
    let memory = Memory::new(store(64 * MIB, 8 * MIB), 32);
    for n in 0..60_000 {
        memory.insert(response(&format!("/products/{n}"), size));
    }
    let growth = resident() - before;
    writeln!(std::io::stdout(), "growth {growth} of {:?}", memory.stats()).unwrap();
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn the_process_grows_by_what_the_tier_counts() {
    for size in ["4096", "200"] {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::tests::resident_growth",
                "--ignored",
                "--nocapture",
            ])
            .env("LARDER_TEST_SIZE", size)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stdout).into_owned();
        let growth = printed
            .split("growth ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let growth: u64 = growth.unwrap_or_else(|| panic!("{printed}")).parse().unwrap();
        // Test threads and pages of the program itself are in it too: seen up to 71.1 MiB.
        assert!((56 * MIB..=73 * MIB).contains(&growth), "{size}: {printed}");
    }
}
