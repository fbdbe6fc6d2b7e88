//! One pod's part of a shared log, driven by hand: no server, no tasks.

use std::time::UNIX_EPOCH;

use super::*;
use crate::invalidation::{Bounds, Flush, Mark, Tag, TagId, subject_tags};
use crate::policy::reuse::Validity;

const BLIND: Duration = Duration::from_secs(10);

fn at(ms: u64) -> Now {
    let since = Duration::from_millis(ms);
    Now {
        wall: UNIX_EPOCH + since,
        mono: Mono(since),
    }
}

fn id(ms: u64) -> EventId {
    EventId { ms, seq: 0 }
}

fn nonce(n: u8) -> Nonce {
    Nonce::from_bytes([n; 16])
}

/// A log, and what would append to it.
fn log() -> (Log, mpsc::UnboundedReceiver<Waiting>) {
    let (appends, waiting) = mpsc::unbounded_channel();
    (
        Log::new(Bounds::default(), Some(Shared::new(BLIND, appends))),
        waiting,
    )
}

fn event(tag: &str, strength: Strength) -> Arc<Event> {
    let matter = Matter {
        tags: vec![Tag::Named(tag.to_owned())],
        ..Matter::default()
    };
    Arc::new(Event::new(matter, None, strength))
}

fn hard(tag: &str) -> Arc<Event> {
    event(tag, Strength::Hard)
}

fn logged(ms: u64, events: &[&Arc<Event>]) -> Logged {
    Logged::read(id(ms), &wire::encode(events.iter().copied()))
}

/// Joined to the incarnation `n` with this past, and as current as can be.
fn join(log: &Log, n: u8, past: Vec<Logged>, now: Now) -> Session {
    let session = log
        .join(nonce(n), Arc::from("server"), Past::Loaded(past), now)
        .unwrap();
    log.note_current(&session, now.mono);
    session
}

fn wakes(waiting: &mut mpsc::UnboundedReceiver<Waiting>) -> usize {
    std::iter::from_fn(|| waiting.try_recv().ok()).count()
}

fn joined() -> (Log, Session) {
    let (log, _) = log();
    let session = join(&log, 1, vec![logged(100, &[])], at(1));
    (log, session)
}

/// The tags of what rule `r` stored at `/a` under the tag `tag`.
fn tags(tag: &str) -> Box<[TagId]> {
    subject_tags("r", "/a", [Tag::Named(tag.to_owned())])
}

fn validity(log: &Log, tag: &str, stamp: Order) -> Validity {
    let tags = tags(tag);
    log.validity(
        &Subject {
            tags: &tags,
            path: "/a",
        },
        stamp,
    )
}

fn admit(log: &Log, tag: &str, mark: u64, session: &Session) -> Result<Admitted, Refused> {
    let tags = tags(tag);
    let head = Head {
        id: id(mark),
        nonce: session.nonce,
        replication: session.replication.clone(),
        sent: Mono(Duration::from_millis(2)),
    };
    let subject = Subject {
        tags: &tags,
        path: "/a",
    };
    log.admit(&subject, position(session, mark), &head, session)
}

fn position(session: &Session, ms: u64) -> Position {
    Position {
        nonce: session.nonce,
        id: id(ms),
    }
}

#[test]
fn an_own_event_is_applied_when_confirmed_and_not_again_when_the_tail_brings_it() {
    let (log, session) = joined();
    let (own, before) = (hard("t"), log.order());
    log.sending(std::slice::from_ref(&own));
    let receipt = log
        .confirm(&session, std::slice::from_ref(&own), id(110), at(2))
        .unwrap();
    assert_eq!(receipt.position, Some(position(&session, 110)));
    assert_eq!(validity(&log, "t", before), Validity::Gone);
    // Rule 5: it does not move where the tail stands.
    assert_eq!(log.mark(at(2)).position, Some(position(&session, 100)));
    let after = log.order();
    assert!(log.follow(&session, &[logged(105, &[&hard("u")]), logged(110, &[&own])]));
    assert_eq!(validity(&log, "t", after), Validity::Untouched);
    assert_eq!(
        validity(&log, "u", after),
        Validity::Gone,
        "the earlier one of another pod is not lost"
    );
    assert_eq!(log.mark(at(2)).position, Some(position(&session, 110)));
}

#[test]
fn a_tail_that_is_faster_than_the_reply_applies_an_own_event_once() {
    let (log, session) = joined();
    let own = hard("t");
    log.sending(std::slice::from_ref(&own));
    log.follow(&session, &[logged(110, &[&own])]);
    let after = log.order();
    assert!(log.confirm(&session, &[own], id(110), at(2)).is_some());
    assert_eq!(log.order(), after);
}

#[test]
fn memory_asks_by_order_and_redis_by_id_whichever_came_first() {
    let (log, session) = joined();
    let own = hard("t");
    log.sending(std::slice::from_ref(&own));
    log.confirm(&session, &[own], id(110), at(2)).unwrap();
    log.follow(&session, &[logged(105, &[&hard("t")])]);
    // By id the own event is the last one, although the other was applied after it.
    assert_eq!(admit(&log, "t", 107, &session), Err(Refused::Invalidated));
    assert!(admit(&log, "t", 110, &session).is_ok());
}

#[test]
fn a_soft_event_hides_no_hard_one_and_leaves_an_entry_stale() {
    let (log, session) = joined();
    let soft = event("t", Strength::Soft);
    log.follow(&session, &[logged(110, &[&hard("t")]), logged(120, &[&soft])]);
    assert_eq!(admit(&log, "t", 105, &session), Err(Refused::Invalidated));
    let stamp = admit(&log, "t", 115, &session).unwrap().stamp;
    assert_eq!(validity(&log, "t", stamp), Validity::Stale);
    let stamp = admit(&log, "t", 120, &session).unwrap().stamp;
    assert_eq!(validity(&log, "t", stamp), Validity::Untouched);
}

#[test]
fn what_was_stored_before_the_first_join_is_below_the_floor() {
    let (log, _waiting) = log();
    let before = log.mark(at(0));
    assert_eq!(before.position, None);
    join(&log, 1, vec![logged(100, &[])], at(1));
    assert_eq!(validity(&log, "t", before.stamp), Validity::Unknown);
    assert_eq!(log.stats().flushes, [1, 0, 0]);
    assert_eq!(Flush::ALL.len(), 3);
}

#[test]
fn a_flush_loads_the_log_and_knows_nothing_from_before_it() {
    let (log, _waiting) = log();
    let past = vec![logged(100, &[&hard("old")]), logged(200, &[&hard("t")])];
    let session = join(&log, 1, past, at(1));
    let now = log.order();
    assert_eq!(
        validity(&log, "t", now),
        Validity::Untouched,
        "who fetches now comes after it"
    );
    assert_eq!(admit(&log, "t", 150, &session), Err(Refused::Invalidated));
    assert!(admit(&log, "t", 200, &session).is_ok());
    assert!(admit(&log, "u", 100, &session).is_ok());
    assert_eq!(admit(&log, "u", 99, &session), Err(Refused::Unknown));
}

#[test]
fn who_was_away_goes_on_where_the_log_still_has_what_it_knew() {
    let (log, session) = joined();
    let stamp = log.order();
    log.part();
    assert_eq!((log.session(), log.mark(at(3)).position), (None, None));
    let again = log
        .join(session.nonce, Arc::from("server"), Past::Known, at(4))
        .unwrap();
    assert_ne!(again.serial, session.serial);
    assert_eq!(validity(&log, "t", stamp), Validity::Untouched);
    assert_eq!(log.join(nonce(2), Arc::from("server"), Past::Known, at(5)), None);
}

#[test]
fn a_new_incarnation_gets_the_own_events_of_the_last_minute_before_redis_is_used() {
    let (log, session) = joined();
    let (old, recent) = (hard("old"), hard("recent"));
    log.sending(&[old.clone(), recent.clone()]);
    log.confirm(&session, &[old], id(110), at(1_000)).unwrap();
    log.confirm(&session, std::slice::from_ref(&recent), id(111), at(50_000))
        .unwrap();
    log.part();
    let session = join(&log, 2, vec![logged(90, &[])], at(70_000));
    assert_eq!(log.queued(9), std::slice::from_ref(&recent));
    assert_eq!((log.session(), log.mark(at(70_001)).position), (None, None));
    assert!(log.unqueue(&session, &[recent], id(95), at(70_002)));
    assert_eq!(log.session(), Some(session.clone()));
    log.note_current(&session, at(70_002).mono);
    assert_eq!(admit(&log, "recent", 94, &session), Err(Refused::Invalidated));
    assert_eq!(log.stats().flushes, [1, 1, 0]);
}

#[test]
fn whoever_appends_hears_of_what_a_new_incarnation_lacks() {
    let (log, mut waiting) = log();
    let session = join(&log, 1, vec![logged(100, &[])], at(1));
    let own = hard("own");
    log.sending(std::slice::from_ref(&own));
    log.confirm(&session, &[own], id(110), at(1_000)).unwrap();
    log.part();
    assert_eq!(wakes(&mut waiting), 0);
    join(&log, 2, vec![logged(90, &[])], at(2_000));
    assert_eq!(log.queued(9).len(), 1);
    assert_eq!(wakes(&mut waiting), 1, "else it waits for the next write");
}

#[test]
fn an_unlogged_event_holds_here_at_once_and_keeps_redis_out_of_use_until_it_is_logged() {
    let (log, session) = joined();
    let (own, before) = (hard("t"), log.order());
    let receipt = log.unlogged(&own, at(2));
    assert_eq!((receipt.position, receipt.logged), (None, false));
    assert_eq!(validity(&log, "t", before), Validity::Gone);
    assert_eq!(log.session(), None);
    assert_eq!(admit(&log, "u", 100, &session), Err(Refused::Session));
    let after = log.order();
    assert!(log.unqueue(&session, std::slice::from_ref(&own), id(130), at(3)));
    assert_eq!(
        validity(&log, "t", after),
        Validity::Untouched,
        "logged late, it touches nothing new"
    );
    assert_eq!(admit(&log, "t", 120, &session), Err(Refused::Invalidated));
    log.follow(&session, &[logged(130, &[&own])]);
    assert_eq!(log.order(), after);
    assert_eq!((log.stats().unlogged, log.stats().queued), (1, 0));
}

#[test]
fn an_append_whose_reply_was_lost_is_logged_if_the_tail_has_brought_it() {
    let (log, session) = joined();
    let own = hard("t");
    log.sending(std::slice::from_ref(&own));
    log.follow(&session, &[logged(110, &[&own])]);
    assert!(log.unlogged(&own, at(2)).logged);
    assert_eq!((log.stats().unlogged, log.stats().queued), (0, 0));
}

#[test]
fn replies_of_another_session_count_for_nothing() {
    let (log, session) = joined();
    log.part();
    let next = join(&log, 2, vec![logged(200, &[])], at(3));
    let own = hard("t");
    log.sending(std::slice::from_ref(&own));
    assert_eq!(
        log.confirm(&session, std::slice::from_ref(&own), id(110), at(4)),
        None
    );
    assert!(!log.unqueue(&session, &[own], id(110), at(4)));
    assert!(!log.follow(&session, &[logged(110, &[])]));
    assert_eq!(admit(&log, "t", 110, &session), Err(Refused::Session));
    let mut head = Head {
        id: id(200),
        nonce: next.nonce,
        replication: Arc::from("another"),
        sent: Mono(Duration::from_millis(3)),
    };
    let tags = tags("t");
    let subject = Subject {
        tags: &tags,
        path: "/a",
    };
    let asked = |head: &Head, mark| log.admit(&subject, mark, head, &next);
    assert_eq!(asked(&head, position(&next, 200)), Err(Refused::Session));
    head.replication = next.replication.clone();
    assert!(asked(&head, position(&next, 200)).is_ok());
    assert_eq!(asked(&head, position(&session, 200)), Err(Refused::Unknown));
    head.nonce = session.nonce;
    assert_eq!(asked(&head, position(&next, 200)), Err(Refused::Session));
}

#[test]
fn what_is_out_of_sight_for_too_long_is_not_reused() {
    let (log, session) = joined();
    let second = |s| Mono(Duration::from_secs(s));
    assert!(!log.is_blind(second(0), second(10)));
    assert!(log.is_blind(second(0), second(11)));
    assert!(!log.is_blind(second(5), second(15)), "counted from the fetch");
    log.note_current(&session, second(9));
    assert!(!log.is_blind(second(0), second(19)), "or from the last sight");
    let tags = tags("t");
    let head = Head {
        id: id(100),
        nonce: session.nonce,
        replication: session.replication.clone(),
        sent: second(20),
    };
    let subject = Subject {
        tags: &tags,
        path: "/a",
    };
    let refused = log.admit(&subject, position(&session, 100), &head, &session);
    assert_eq!(refused, Err(Refused::Blind));
}

#[test]
fn more_own_events_than_can_wait_become_one_that_touches_everything() {
    let (log, _session) = joined();
    for n in 0..10_001 {
        log.unlogged(&hard(&n.to_string()), at(2));
    }
    let queued = log.queued(10);
    assert!(queued.len() == 1 && queued[0].matter.everything);
}

#[test]
fn what_other_rules_derive_is_dropped_even_by_a_soft_event() {
    let (log, session) = joined();
    log.derive_with(Arc::new(|write| Matter {
        tags: vec![Tag::Named(write.target.clone())],
        ..Matter::default()
    }));
    let write = Write {
        method: http::Method::PUT,
        target: "derived".to_owned(),
        rules: 1,
    };
    let soft = Arc::new(Event::new(Matter::default(), Some(write), Strength::Soft));
    let before = log.order();
    log.follow(&session, &[logged(110, &[&soft])]);
    assert_eq!(validity(&log, "derived", before), Validity::Gone);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_tail_waits_once() {
    let (log, session) = joined();
    let limit = Duration::from_millis(50);
    assert!(log.reached(&session, id(100), limit).await);
    let clock = crate::clock::Clock::manual(UNIX_EPOCH);
    let began = clock.mono();
    assert!(!log.reached(&session, id(110), limit).await);
    assert!(!log.reached(&session, id(110), limit).await);
    assert_eq!(
        clock.mono().since(began),
        limit,
        "the second does not wait in vain again"
    );
    log.follow(&session, &[logged(110, &[])]);
    assert!(log.reached(&session, id(110), limit).await);
}

#[test]
fn a_mark_is_what_was_applied_before_the_fetch() {
    let (log, session) = joined();
    let Mark {
        position: before,
        stamp,
        fetched,
    } = log.mark(at(7));
    log.follow(&session, &[logged(110, &[&hard("t")])]);
    assert_eq!(before, Some(position(&session, 100)));
    assert_eq!(fetched, at(7).mono);
    assert_eq!(validity(&log, "t", stamp), Validity::Gone);
}
