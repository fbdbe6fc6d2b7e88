//! The log against a list of all events, and the traces that broke earlier drafts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::clock::{Mono, Now};
use crate::policy::reuse::Validity;

fn at(ms: u64) -> Now {
    Now {
        wall: UNIX_EPOCH + Duration::from_millis(ms),
        mono: Mono(Duration::from_millis(ms)),
    }
}

fn tags(tags: impl IntoIterator<Item = Tag>) -> Matter {
    Matter {
        tags: tags.into_iter().collect(),
        ..Matter::default()
    }
}

fn named(text: impl Into<String>) -> Tag {
    Tag::Named(text.into())
}

fn hard(matter: Matter) -> Event {
    Event::new(matter, None, Strength::Hard)
}

fn soft(matter: Matter) -> Event {
    Event::new(matter, None, Strength::Soft)
}

fn log() -> Log {
    Log::in_memory(Bounds::default())
}

/// What the log says of a response of rule `r` at `path` with the tag `t`.
fn validity(log: &Log, path: &str, stamp: Order) -> Validity {
    let tags = subject_tags("r", path, [named("t")]);
    log.validity(&Subject { tags: &tags, path }, stamp)
}

#[test]
fn an_event_touches_what_carries_its_matter_and_nothing_else() {
    let deep = "/x".repeat(20);
    let pattern = |p: &str| Matter {
        patterns: vec![p.to_owned()],
        ..Matter::default()
    };
    let under = |p: &str| tags([Tag::Under(p.to_owned())]);
    let path = |p: &str| tags([Tag::Path(p.to_owned())]);
    for (matter, at_path, touched) in [
        (tags([named("t")]), "/a/b", true),
        (tags([named("u")]), "/a/b", false),
        (tags([Tag::Rule("r".to_owned())]), "/a/b", true),
        (tags([Tag::Rule("t".to_owned())]), "/a/b", false),
        (tags([Tag::Group("t".to_owned())]), "/a/b", false),
        (path("/a/b"), "/a/b", true),
        (path("/a/b/"), "/a/b", true),
        (path("/a/b"), "/a/b/", true),
        (path("/a/%62"), "/a/b", true),
        (path("/a"), "/a/b", false),
        (under("/a"), "/a", true),
        (under("/a"), "/a/", true),
        (under("/a/"), "/a/b", true),
        (under("/a"), "/ab", false),
        (under("/"), "/a/b", true),
        (under(&"/x".repeat(16)), deep.as_str(), true),
        (under(&"/x".repeat(17)), deep.as_str(), true),
        (under(&"/x".repeat(20)), deep.as_str(), true),
        (under(&"/x".repeat(21)), deep.as_str(), false),
        (under(&format!("{}/y", "/x".repeat(18))), deep.as_str(), false),
        (pattern("/*/b"), "/a/b", true),
        (pattern("/*/c"), "/a/b", false),
        (pattern("/a/*/c/**"), "/a/b/c", true),
        (pattern("/["), "/a/b", true),
        (
            Matter {
                everything: true,
                ..Matter::default()
            },
            "/",
            true,
        ),
        (Matter::default(), "/a/b", false),
    ] {
        for (event, reached) in [
            (hard(matter.clone()), Validity::Gone),
            (soft(matter), Validity::Stale),
        ] {
            let log = log();
            let shown = format!("{event:?} on {at_path}");
            log.append_unwaited(event, at(1));
            let expected = if touched { reached } else { Validity::Untouched };
            assert_eq!(validity(&log, at_path, Order(0)), expected, "{shown}");
            assert_eq!(
                validity(&log, at_path, log.order()),
                Validity::Untouched,
                "{shown}, fetched after"
            );
        }
    }
}

#[test]
fn a_soft_event_never_hides_a_hard_one_of_the_same_tag() {
    let matter = || tags([named("t"), Tag::Under("/a".to_owned())]);
    let log = log();
    log.append_unwaited(hard(matter()), at(1));
    let between = log.order();
    log.append_unwaited(soft(matter()), at(2));
    assert_eq!(validity(&log, "/a", Order(0)), Validity::Gone);
    assert_eq!(validity(&log, "/a", between), Validity::Stale);
}

#[test]
fn a_soft_event_never_hides_a_hard_one_after_falling_off() {
    let log = Log::in_memory(Bounds {
        tags: 1,
        patterns: 1,
        stripe_bits: 1,
    });
    log.append_unwaited(hard(tags([named("t")])), at(1));
    for n in 0..50 {
        log.append_unwaited(soft(tags([named(n.to_string())])), at(2));
    }
    assert_eq!(validity(&log, "/a", Order(0)), Validity::Gone);
}

#[test]
fn an_own_event_counts_from_its_append_on() {
    // The order compared is the one that the append itself raised.
    let log = log();
    let mark = log.mark(at(1));
    let receipt = log.append_unwaited(hard(tags([named("t")])), at(2));
    assert!(receipt.logged);
    assert_eq!(receipt.order, log.order());
    assert_eq!(validity(&log, "/a", mark.stamp), Validity::Gone);
    assert_eq!(validity(&log, "/a", log.mark(at(3)).stamp), Validity::Untouched);
}

#[test]
fn a_fill_that_began_before_a_write_is_touched_by_it() {
    // The stamp is from before the fetch, not from when its answer is stored.
    let log = log();
    let mark = log.mark(at(1));
    log.append_unwaited(hard(tags([named("t")])), at(2));
    let stored_at = log.order();
    assert!(stored_at > mark.stamp);
    assert_eq!(validity(&log, "/a", mark.stamp), Validity::Gone);
}

#[test]
fn ids_never_go_back_when_the_wall_clock_does() {
    let log = log();
    let mut last = EventId::default();
    for ms in [5, 5, 9, 3, 0, 9, 10] {
        let id = log
            .append_unwaited(hard(Matter::default()), at(ms))
            .position
            .unwrap()
            .id;
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    assert_eq!(last, EventId { ms: 10, seq: 0 });
    let before_1970 = Now {
        wall: SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        mono: Mono::default(),
    };
    assert_eq!(
        log.append_unwaited(hard(Matter::default()), before_1970)
            .position
            .unwrap()
            .id,
        EventId { ms: 10, seq: 1 }
    );
}

#[test]
fn every_incarnation_has_its_own_nonce() {
    let now = at(1);
    assert_ne!(
        log().mark(now).position.map(|p| p.nonce),
        log().mark(now).position.map(|p| p.nonce)
    );
}

#[test]
fn the_event_behind_an_answer_can_be_named() {
    let log = log();
    let receipt = log.append_unwaited(hard(tags([named("t")])), at(1));
    log.append_unwaited(hard(tags([named("u")])), at(2));
    let ids = subject_tags("r", "/a", [named("t")]);
    let subject = Subject {
        tags: &ids,
        path: "/a",
    };
    assert_eq!(log.touched_by(&subject, Order(0)), receipt.position);
    assert_eq!(log.touched_by(&subject, receipt.order), None);
}

#[test]
fn patterns_that_fall_off_raise_the_floor() {
    let log = Log::in_memory(Bounds {
        patterns: 2,
        ..Bounds::default()
    });
    let mut orders = Vec::new();
    for n in 0..3 {
        let matter = Matter {
            patterns: vec![format!("/{n}/*/x")],
            ..Matter::default()
        };
        orders.push(log.append_unwaited(hard(matter), at(1)).order);
    }
    assert_eq!(log.stats().floor_order, orders[0]);
    assert_eq!(validity(&log, "/other", Order(0)), Validity::Unknown);
    assert_eq!(validity(&log, "/other", orders[0]), Validity::Untouched);
    assert_eq!(validity(&log, "/2/a/x", Order(0)), Validity::Gone);
}

#[test]
fn an_idle_log_holds_nothing_and_its_figures_add_up() {
    let log = log();
    let stats = log.stats();
    assert_eq!(
        (
            stats.exact,
            stats.patterns,
            stats.stripes_used,
            stats.recent.len()
        ),
        (0, 0, 0, 0)
    );
    for n in 0..40 {
        log.append_unwaited(hard(tags([named(n.to_string())])), at(1));
    }
    let receipt = log.append_unwaited(soft(tags([named("0")])), at(1));
    let stats = log.stats();
    assert_eq!(
        (stats.exact, stats.appended_hard, stats.appended_soft),
        (41, 40, 1)
    );
    assert_eq!(
        (stats.position, stats.order),
        (receipt.position.unwrap(), receipt.order)
    );
    assert_eq!(stats.recent.len(), 32);
    assert_eq!(stats.recent[0].id, receipt.position.unwrap().id);
}

#[test]
fn a_hundred_thousand_writes_leave_what_they_do_not_name_untouched() {
    let log = log();
    let paths: Vec<String> = (0..1_000).map(|n| format!("/kept/{}/{n}", n % 7)).collect();
    let ids: Vec<_> = paths
        .iter()
        .map(|p| subject_tags("kept", p, [named(p), named(format!("also {p}"))]))
        .collect();
    for n in 0..100_000_u64 {
        let path = format!("/written/{n}");
        log.append_unwaited(
            hard(tags([
                named(&path),
                named(format!("list of {n}")),
                named(format!("{n} guessed")),
                Tag::Path(path),
                Tag::Rule("written".to_owned()),
            ])),
            at(n),
        );
    }
    // Neither who was asked for all the time nor who was not since before the first of them.
    for (path, tags) in paths.iter().zip(&ids) {
        let validity = log.validity(&Subject { tags, path }, Order(0));
        assert_eq!(validity, Validity::Untouched, "{path}");
    }
    let stats = log.stats();
    assert_eq!((stats.exact, stats.stripes_used), (400_001, 0));
}

#[test]
fn far_beyond_the_bound_what_keeps_being_read_is_untouched() {
    let log = Log::in_memory(Bounds {
        tags: 4_096,
        ..Bounds::default()
    });
    let path = "/kept";
    let ids = subject_tags("kept", path, [named(path)]);
    let mut checked = Order(0);
    for n in 0..100_000_u64 {
        log.append_unwaited(hard(tags([named(n.to_string())])), at(n));
        if n % 1_000 == 0 {
            let order = log.order();
            let subject = Subject { tags: &ids, path };
            assert_eq!(log.validity(&subject, checked), Validity::Untouched, "{n}");
            checked = order;
        }
    }
    let stats = log.stats();
    assert!(stats.exact <= 4_096 && stats.stripes_used > 50_000, "{stats:?}");
}

#[test]
fn within_bounds_a_shared_filter_slot_costs_nothing() {
    // One bit: two filter slots for everything, and room for every tag.
    let log = Log::in_memory(Bounds {
        tags: 10_000,
        patterns: 16,
        stripe_bits: 1,
    });
    for n in 0..5_000 {
        log.append_unwaited(hard(tags([named(n.to_string())])), at(1));
    }
    assert_eq!(validity(&log, "/a", Order(0)), Validity::Untouched);
    assert_eq!(log.stats().stripes_used, 0);
}

#[test]
fn a_reader_beside_the_writer_misses_no_event_up_to_the_order_it_read() {
    const EVENTS: u64 = 4_000;
    let log = Log::in_memory(Bounds {
        tags: 8,
        patterns: 2,
        stripe_bits: 4,
    });
    let ended = AtomicBool::new(false);
    let checks = AtomicU64::new(0);
    let matter = |n: u64| match n % 3 {
        0 => tags([named(n.to_string()), Tag::Under(format!("/p/{n}"))]),
        1 => tags([Tag::Path(format!("/p/{n}"))]),
        _ => Matter {
            patterns: vec![format!("/p/{n}*")],
            ..Matter::default()
        },
    };
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let order = log.order();
                    for n in order.count().saturating_sub(20)..order.count() {
                        checks.fetch_add(1, Ordering::Relaxed);
                        let path = format!("/p/{n}");
                        let ids = subject_tags("r", &path, [named(n.to_string())]);
                        let found = log.validity(
                            &Subject {
                                tags: &ids,
                                path: &path,
                            },
                            Order(n),
                        );
                        assert!(
                            matches!(found, Validity::Gone | Validity::Unknown),
                            "{n} at {order:?}: {found:?}"
                        );
                    }
                }
            });
        }
        for n in 0..EVENTS {
            log.append_unwaited(hard(matter(n)), at(n));
        }
        while checks.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(log.order().count(), EVENTS);
}

/// A subject or the matter of an event, small enough that they often meet.
#[derive(Debug, Clone)]
enum Item {
    Name(u8),
    Rule(u8),
    Path(u8, u8),
    Under(u8),
    Below(u8, u8),
    Glob(u8),
    Everything,
}

#[derive(Debug, Clone)]
struct Thing {
    name: u8,
    rule: u8,
    path: (u8, u8),
}

impl Thing {
    fn path(&self) -> String {
        format!("/{}/{}", self.path.0, self.path.1)
    }

    fn tags(&self) -> Box<[TagId]> {
        subject_tags(
            &self.rule.to_string(),
            &self.path(),
            [named(self.name.to_string())],
        )
    }
}

impl Item {
    fn matter(&self) -> Matter {
        match self {
            Item::Name(n) => tags([named(n.to_string())]),
            Item::Rule(n) => tags([Tag::Rule(n.to_string())]),
            Item::Path(a, b) => tags([Tag::Path(format!("/{a}/{b}"))]),
            Item::Under(a) => tags([Tag::Under(format!("/{a}"))]),
            Item::Below(a, b) => tags([Tag::Under(format!("/{a}/{b}"))]),
            Item::Glob(b) => Matter {
                patterns: vec![format!("/*/{b}")],
                ..Matter::default()
            },
            Item::Everything => Matter {
                everything: true,
                ..Matter::default()
            },
        }
    }

    fn touches(&self, thing: &Thing) -> bool {
        match self {
            Item::Name(n) => thing.name == *n,
            Item::Rule(n) => thing.rule == *n,
            Item::Path(a, b) | Item::Below(a, b) => thing.path == (*a, *b),
            Item::Under(a) => thing.path.0 == *a,
            Item::Glob(b) => thing.path.1 == *b,
            Item::Everything => true,
        }
    }
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        6 => (0..12_u8).prop_map(Item::Name),
        1 => (0..6_u8).prop_map(Item::Rule),
        4 => (0..6_u8, 0..6_u8).prop_map(|(a, b)| Item::Path(a, b)),
        2 => (0..6_u8).prop_map(Item::Under),
        2 => (0..6_u8, 0..6_u8).prop_map(|(a, b)| Item::Below(a, b)),
        2 => (0..6_u8).prop_map(Item::Glob),
        1 => Just(Item::Everything),
    ]
}

fn thing() -> impl Strategy<Value = Thing> {
    (0..12_u8, 0..6_u8, (0..6_u8, 0..6_u8)).prop_map(|(name, rule, path)| Thing { name, rule, path })
}

/// How much a validity holds back; a bounded index may say more than the truth, never less.
/// Unknown is what it says where it has forgotten whether an event was hard.
fn weight(validity: Validity) -> u8 {
    match validity {
        Validity::Untouched => 0,
        Validity::Stale => 1,
        Validity::Unknown | Validity::Blind | Validity::Gone => 2,
    }
}

/// The truth: every event since the stamp, looked at one by one.
fn naive(events: &[(Item, Strength)], thing: &Thing, stamp: usize) -> Validity {
    let touching = || events[stamp..].iter().filter(|(item, _)| item.touches(thing));
    if touching().any(|(_, strength)| *strength == Strength::Hard) {
        Validity::Gone
    } else if touching().next().is_some() {
        Validity::Stale
    } else {
        Validity::Untouched
    }
}

proptest! {
    #[test]
    fn bounds_cost_hit_ratio_and_never_correctness(
        events in prop::collection::vec((item(), prop::bool::ANY), 0..60),
        things in prop::collection::vec(thing(), 1..12),
        (room, patterns, stripe_bits) in (0..6_usize, 0..4_usize, 0..5_u32),
    ) {
        let events: Vec<_> = events
            .into_iter()
            .map(|(item, hard)| (item, if hard { Strength::Hard } else { Strength::Soft }))
            .collect();
        let ample = log();
        let tiny = Log::in_memory(Bounds { tags: room, patterns, stripe_bits });
        for (item, strength) in &events {
            for log in [&ample, &tiny] {
                log.append_unwaited(Event::new(item.matter(), None, *strength), at(1));
            }
        }
        for thing in &things {
            let (tags, path) = (thing.tags(), thing.path());
            let subject = Subject { tags: &tags, path: &path };
            for stamp in 0..=events.len() {
                let truth = naive(&events, thing, stamp);
                let order = Order(stamp as u64);
                prop_assert_eq!(ample.validity(&subject, order), truth);
                let bounded = tiny.validity(&subject, order);
                prop_assert!(weight(bounded) >= weight(truth), "{:?} where {:?}", bounded, truth);
            }
        }
    }
}
