//! The traces that broke earlier drafts of the protocol, each as it went, against the whole program.
//!
//! The numbers are those of the list of traces in `docs/consistency.md`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::fleet::{Fleet, MAX_BLIND};
use super::origin::{Stock, item_of};
use super::versions;
use crate::support::{
    Answer, Client, Delays, FailOver, Gate, LarderBuilder, Old, RedisSim, Response, Rng, Step, TestOrigin,
};

const RULES: &str = "store:
  memory: 16MiB
  max_object: 1MiB
  redis: { url: 'redis://redis', namespace: shop, max_blind: 2s }
cache_status: true
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}'], stale_while_revalidate: 1m }
  - { name: each, match: 'GET /each/{id}', ttl: 100ms, collapse: off }
  - { match: ['PUT /items/{id}', 'PUT /stock/{id}'], invalidate: ['item:{id}'] }
  - { match: 'POST /soften/{id}', invalidate: ['item:{id}'], soft: true }
";

const LOG: &str = "larder:{shop}:log";
const INC: &str = "larder:{shop}:inc";

const AT_ONCE: Delays = Delays {
    dial: Duration::ZERO,
    request: Duration::ZERO,
    reply: Duration::ZERO,
};

/// Pods before an origin whose answers a test can hold.
struct Scene {
    fleet: Fleet,
    sim: RedisSim,
    /// What the next fills wait for between reading and answering.
    gate: Arc<Mutex<Option<Gate>>>,
    _origin: TestOrigin,
}

impl Scene {
    async fn new(pods: usize) -> Scene {
        let sim = RedisSim::new(1, AT_ONCE);
        let origin = TestOrigin::unbound();
        let stock = Arc::new(Mutex::new(Stock::default()));
        let gate = Arc::new(Mutex::new(None::<Gate>));
        let (read, held) = (Arc::clone(&stock), Arc::clone(&gate));
        origin.on("GET /*", move |seen| {
            let path = seen.path().replace("/each/", "/items/");
            let content = read.lock().shown(item_of(&path));
            let tag = format!("\"{content}\"");
            let answer = match seen.field("if-none-match") {
                Some(tags) if tags.contains(&tag) => Answer::status(304),
                _ => Answer::ok(content),
            };
            let answer = answer.field("ETag", &tag);
            match &*held.lock() {
                Some(gate) => answer.first(Step::Wait(gate.clone())),
                None => answer,
            }
        });
        origin.on("POST /*", |_| Answer::ok("done"));
        let written = Arc::clone(&stock);
        origin.on("PUT /*", move |seen| {
            let item = item_of(seen.path()).expect("an item");
            written.lock().commit(item, None);
            Answer::ok("done")
        });
        let rng = Arc::new(Mutex::new(Rng::seeded(1)));
        let fleet = Fleet::before(
            &origin,
            pods,
            &sim,
            &LarderBuilder::config_over(RULES),
            stock,
            rng,
        )
        .await;
        fleet.joined().await;
        // Until the tails have asked for the first time.
        rest(20).await;
        Scene {
            fleet,
            sim,
            gate,
            _origin: origin,
        }
    }

    /// Fills read what is there now, and answer when the gate opens.
    fn hold_fills(&self) -> Gate {
        let gate = Gate::shut();
        *self.gate.lock() = Some(gate.clone());
        gate
    }

    /// Later fills are answered at once.
    fn hold_no_fills(&self) {
        *self.gate.lock() = None;
    }

    fn client(&self, pod: usize) -> Client {
        self.fleet.pods[pod].connect()
    }

    async fn ask(&self, pod: usize, method: &str, target: &str) -> Response {
        self.client(pod)
            .request(method, target, &[], b"")
            .await
            .complete()
    }

    /// Asked and not waited for.
    async fn begin(&self, pod: usize, target: &str) -> Client {
        let mut client = self.client(pod);
        client.send_request("GET", target, &[], b"").await;
        // Until it waits for what is held.
        rest(25).await;
        client
    }

    /// The version that a read through a pod shows, and whether it was a hit.
    async fn read(&self, pod: usize, item: usize) -> (u64, bool) {
        let answer = self.ask(pod, "GET", &format!("/items/{item}")).await;
        shown(&answer)
    }

    async fn write(&self, pod: usize, item: usize) {
        let answer = self.ask(pod, "PUT", &format!("/items/{item}")).await;
        assert_eq!(answer.status, 200);
    }

    /// The same, known to hit the item by a tag that only the answer to a read has.
    async fn restock(&self, pod: usize, item: usize) {
        let answer = self.ask(pod, "PUT", &format!("/stock/{item}")).await;
        assert_eq!(answer.status, 200);
    }

    /// A read through a pod that is not the first one there: stored in memory.
    async fn stored(&self, pod: usize, item: usize) {
        self.read(pod, item).await;
        rest(20).await;
        assert!(self.read(pod, item).await.1, "stored");
    }

    fn unlogged(&self, pod: usize) -> u64 {
        self.fleet.pods[pod].larder.log().unlogged
    }

    fn redis_hits(&self, pod: usize) -> u64 {
        self.fleet.pods[pod].larder.tier().hits
    }

    fn flushes(&self, pod: usize) -> u64 {
        self.fleet.pods[pod].larder.log().flushes.iter().sum()
    }
}

fn shown(answer: &Response) -> (u64, bool) {
    (versions(answer)[0].1, answer.cache_status().hit)
}

async fn rest(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn lag(writes: usize, skew: i64) -> FailOver {
    FailOver {
        lag: writes,
        skew,
        old: Old::Gone,
    }
}

/// Trace 1, first half.
#[tokio::test(start_paused = true)]
async fn an_own_event_counts_before_the_tail_comes_by_it() {
    let scene = Scene::new(1).await;
    scene.stored(0, 0).await;
    scene.sim.hold_replies(0, "XREAD", true);
    scene.write(0, 0).await;
    assert_eq!(scene.unlogged(0), 0);
    assert_eq!(scene.read(0, 0).await, (1, false));
}

/// Trace 1, second half.
#[tokio::test(start_paused = true)]
async fn an_own_event_does_not_hide_an_earlier_one_of_another_pod() {
    let scene = Scene::new(3).await;
    scene.stored(2, 0).await;
    scene.sim.hold_replies(0, "XREAD", true);
    scene.write(1, 0).await;
    scene.write(0, 1).await;
    assert_eq!([scene.unlogged(0), scene.unlogged(1)], [0, 0]);
    assert_eq!(scene.read(0, 0).await, (1, false), "what Redis has is older");
    assert_eq!(scene.redis_hits(0), 0);
    // And once the tail goes on it brings the event.
    let applied = scene.fleet.pods[0].larder.log().appended_hard;
    scene.sim.hold_replies(0, "XREAD", false);
    rest(20).await;
    assert_eq!(scene.fleet.pods[0].larder.log().appended_hard, applied + 1);
}

/// Trace 2.
#[tokio::test(start_paused = true)]
async fn what_a_write_overtakes_on_its_way_from_redis_is_not_promoted() {
    // Wherever in the reading of Redis the write falls.
    for early in 0..12 {
        for late in 0..4 {
            let scene = Scene::new(2).await;
            scene.stored(1, 0).await;
            scene.sim.set_delays(Delays {
                dial: Duration::ZERO,
                request: Duration::from_millis(4),
                reply: Duration::from_millis(4),
            });
            let reading = async {
                rest(early).await;
                scene.read(0, 0).await
            };
            let writing = async {
                rest(late).await;
                scene.write(1, 0).await;
            };
            tokio::join!(reading, writing);
            // Slow connections are eight times as slow.
            rest(100).await;
            assert_eq!(
                scene.read(0, 0).await.0,
                1,
                "{early} {late}\n{}",
                scene.sim.journal()
            );
        }
    }
}

/// Trace 3.
#[tokio::test(start_paused = true)]
async fn nobody_follows_a_fill_that_is_older_than_a_write() {
    for writer in [0, 1] {
        let scene = Scene::new(2).await;
        let gate = scene.hold_fills();
        let mut leader = scene.begin(0, "/items/0").await;
        scene.hold_no_fills();
        scene.write(writer, 0).await;
        rest(20).await;
        let late = scene.read(0, 0);
        tokio::pin!(late);
        let done = tokio::time::timeout(Duration::from_secs(1), &mut late).await;
        gate.open();
        assert_eq!(done.expect("an answer of its own").0, 1);
        assert_eq!(shown(&leader.response().await).0, 0);
        assert_eq!(scene.read(0, 0).await.0, 1, "nor is it stored");
        assert_eq!(scene.read(1, 0).await.0, 1);
    }
}

/// Trace 3, where the write is not known to hit the fill before the head of that has come.
#[tokio::test(start_paused = true)]
async fn whoever_follows_a_fill_asks_again_when_its_tags_are_known() {
    for writer in [0, 1] {
        let scene = Scene::new(2).await;
        let gate = scene.hold_fills();
        let mut leader = scene.begin(0, "/items/0").await;
        scene.hold_no_fills();
        scene.restock(writer, 0).await;
        rest(20).await;
        let mut follower = scene.begin(0, "/items/0").await;
        gate.open();
        assert_eq!(shown(&leader.response().await).0, 0);
        assert_eq!(shown(&follower.response().await).0, 1);
        assert_eq!(scene.read(1, 0).await.0, 1);
    }
}

/// Trace 4.
#[tokio::test(start_paused = true)]
async fn a_soft_event_hides_no_hard_one_from_memory_or_redis() {
    let scene = Scene::new(2).await;
    scene.stored(0, 0).await;
    scene.write(0, 0).await;
    scene.ask(0, "POST", "/soften/0").await;
    rest(20).await;
    // Stale, it would be served while it is fetched anew.
    assert_eq!(scene.read(1, 0).await, (1, false), "from Redis");
    assert_eq!(scene.read(0, 0).await.0, 1, "from memory");
}

/// Trace 5.
#[tokio::test(start_paused = true)]
async fn a_304_makes_nothing_new_of_another_response_that_landed_meanwhile() {
    let scene = Scene::new(1).await;
    let stock = Arc::clone(&scene.fleet.stock);
    let old = scene.hold_fills();
    let mut older = scene.begin(0, "/each/0").await;
    stock.lock().commit(0, None);
    scene.hold_no_fills();
    scene.ask(0, "GET", "/each/0").await;
    rest(200).await;
    let validated = scene.hold_fills();
    let mut validating = scene.begin(0, "/each/0").await;
    old.open();
    assert_eq!(shown(&older.response().await).0, 0);
    rest(10).await;
    validated.open();
    let answer = validating.response().await;
    assert_eq!(answer.cache_status().fwd_status, Some(304));
    assert_eq!(shown(&answer).0, 1);
    assert_eq!(shown(&scene.ask(0, "GET", "/each/0").await), (1, true));
    // Nor of a newer one.
    rest(200).await;
    let validated = scene.hold_fills();
    let mut validating = scene.begin(0, "/each/0").await;
    stock.lock().commit(0, None);
    scene.hold_no_fills();
    assert_eq!(shown(&scene.ask(0, "GET", "/each/0").await).0, 2);
    validated.open();
    let answer = validating.response().await;
    assert_eq!(answer.cache_status().fwd_status, Some(304));
    assert_eq!(shown(&answer).0, 1);
    assert_eq!(shown(&scene.ask(0, "GET", "/each/0").await), (2, true));
}

/// Trace 6.
#[tokio::test(start_paused = true)]
async fn what_is_read_from_redis_while_an_append_is_lost_is_not_promoted() {
    // An item whose entry goes over another connection than the log.
    let (mut promoted, mut refused) = (0, 0);
    for item in 0..2 {
        let scene = Scene::new(2).await;
        scene.stored(1, item).await;
        scene.sim.hold(0, "XADD", true);
        let target = format!("/items/{item}");
        let mut writer = scene.client(0);
        writer.send_request("PUT", &target, &[], b"").await;
        // The append has 50 ms from here on.
        rest(25).await;
        scene.sim.hold_replies(0, "XREVRANGE", true);
        let mut reader = scene.begin(0, &target).await;
        writer.response_to("PUT").await;
        assert_eq!(scene.unlogged(0), 1);
        scene.sim.hold_replies(0, "XREVRANGE", false);
        reader.response().await;
        promoted += scene.redis_hits(0);
        assert_eq!(scene.read(0, item).await.0, 1);
        refused += scene.fleet.pods[0].larder.tier().refused.iter().sum::<u64>();
    }
    assert!(promoted == 0 && refused > 0);
}

/// Trace 7.
#[tokio::test(start_paused = true)]
async fn a_promoted_response_is_as_old_as_the_head_that_was_read_with_it() {
    let scene = Scene::new(2).await;
    scene.stored(1, 0).await;
    scene.sim.hold_replies(0, "XREVRANGE", true);
    let began = tokio::time::Instant::now();
    let mut reader = scene.begin(0, "/items/0").await;
    // The tail gets nothing more.
    scene.sim.hold_replies(0, "XREAD", true);
    rest(20).await;
    scene.sim.hold_replies(0, "XREVRANGE", false);
    assert_eq!(shown(&reader.response().await), (0, true));
    assert_eq!(scene.redis_hits(0), 1);
    scene.write(1, 0).await;
    tokio::time::sleep_until(began + MAX_BLIND - Duration::from_millis(5)).await;
    assert_eq!(scene.read(0, 0).await, (0, true), "not yet");
    tokio::time::sleep_until(began + MAX_BLIND + Duration::from_millis(30)).await;
    assert_eq!(scene.read(0, 0).await, (1, false));
}

/// Trace 7, for what is in memory already.
#[tokio::test(start_paused = true)]
async fn the_log_was_seen_when_it_was_asked_and_not_when_the_reply_came() {
    let scene = Scene::new(2).await;
    // The tail's second request; one that announces the pod too.
    rest(1_030).await;
    scene.sim.hold_replies(0, "XREAD", true);
    // It has found nothing, and the reply is on its way.
    rest(1_050).await;
    scene.stored(0, 0).await;
    scene.write(1, 0).await;
    rest(600).await;
    scene.sim.hold(0, "XREAD", true);
    scene.sim.hold_replies(0, "XREAD", false);
    tokio::time::sleep(MAX_BLIND - Duration::from_millis(550)).await;
    assert_eq!(scene.read(0, 0).await.0, 1);
}

/// Before trace 8: what comes late comes whole.
#[tokio::test(start_paused = true)]
async fn a_tail_that_brings_several_events_at_once_applies_each_of_them() {
    let scene = Scene::new(2).await;
    scene.sim.hold(0, "XREAD", true);
    // Until the one that waits for events has come back.
    rest(1_100).await;
    scene.stored(0, 0).await;
    scene.stored(0, 1).await;
    scene.write(1, 0).await;
    scene.write(1, 1).await;
    let flushes = scene.flushes(0);
    scene.sim.hold(0, "XREAD", false);
    rest(30).await;
    assert_eq!([scene.read(0, 0).await.0, scene.read(0, 1).await.0], [1, 1]);
    assert_eq!(scene.flushes(0), flushes);
}

/// Trace 8.
#[tokio::test(start_paused = true)]
async fn a_tail_that_trimming_overtakes_knows_that_it_has_missed_events() {
    let scene = Scene::new(2).await;
    scene.sim.hold(0, "XREAD", true);
    // Until the one that waits for events has come back.
    rest(1_100).await;
    scene.stored(0, 0).await;
    scene.write(1, 0).await;
    scene.write(1, 1).await;
    scene.sim.trim_log(1);
    let flushes = scene.flushes(0);
    scene.sim.hold(0, "XREAD", false);
    rest(30).await;
    assert_eq!(scene.flushes(0), flushes + 1);
    assert_eq!(scene.read(0, 0).await.0, 1);
}

/// Trace 9.
#[tokio::test(start_paused = true)]
async fn a_pod_behind_a_half_open_connection_trusts_its_memory_no_longer_than_it_may() {
    let scene = Scene::new(2).await;
    scene.stored(0, 0).await;
    scene.sim.cut(0);
    scene.write(1, 0).await;
    tokio::time::sleep(MAX_BLIND + Duration::from_millis(1)).await;
    assert_eq!(scene.read(0, 0).await.0, 1);
    // For as long as it lasts.
    for _ in 0..5 {
        scene.write(1, 0).await;
        tokio::time::sleep(MAX_BLIND + Duration::from_millis(1)).await;
        let present = scene.fleet.stock.lock().present[0];
        assert_eq!(scene.read(0, 0).await.0, present);
    }
}

/// Trace 9, for fills.
#[tokio::test(start_paused = true)]
async fn nobody_follows_a_fill_for_longer_than_a_pod_may_be_blind() {
    let scene = Scene::new(2).await;
    let gate = scene.hold_fills();
    let mut leader = scene.begin(0, "/items/0").await;
    scene.hold_no_fills();
    scene.sim.cut(0);
    scene.write(1, 0).await;
    let mut early = scene.begin(0, "/items/0").await;
    tokio::time::sleep(MAX_BLIND).await;
    let mut late = scene.begin(0, "/items/0").await;
    gate.open();
    assert_eq!(shown(&leader.response().await).0, 0);
    assert_eq!(shown(&early.response().await).0, 0, "nobody could know");
    assert_eq!(shown(&late.response().await).0, 1);
}

/// Trace 10, with the writer alive or gone.
#[tokio::test(start_paused = true)]
async fn an_acknowledged_event_that_a_fail_over_loses_is_not_forgotten() {
    for writer_is_gone in [false, true] {
        let scene = Scene::new(3).await;
        scene.stored(1, 0).await;
        scene.sim.hold_replies(1, "XREAD", true);
        scene.write(0, 0).await;
        assert_eq!(scene.unlogged(0), 0);
        if writer_is_gone {
            scene.sim.cut(0);
        }
        scene.sim.fail_over(&lag(1, 0));
        scene.sim.hold_replies(1, "XREAD", false);
        rest(100).await;
        assert_eq!(scene.read(1, 0).await.0, 1);
        assert_eq!(scene.read(2, 0).await.0, 1);
        if !writer_is_gone {
            rest(200).await;
            assert_eq!(scene.sim.events(LOG).len(), 3, "two beginnings, and the event");
            assert!(scene.fleet.pods[0].larder.shared_log().session().is_some());
        }
    }
}

/// Trace 10: the id of the lost event is given again, or a much later one is.
#[tokio::test(start_paused = true)]
async fn an_event_of_the_new_master_is_heard_whatever_its_id() {
    for skew in [-200, -1, 0, 1, 5_000] {
        let scene = Scene::new(2).await;
        scene.stored(0, 0).await;
        scene.write(1, 1).await;
        rest(20).await;
        scene.sim.fail_over(&lag(1, skew));
        rest(150).await;
        scene.stored(0, 0).await;
        scene.write(1, 0).await;
        rest(20).await;
        assert_eq!(scene.read(0, 0).await.0, 1, "{skew}");
    }
}

/// Trace 10: an entry that was made after the lost event.
#[tokio::test(start_paused = true)]
async fn an_entry_of_an_incarnation_that_is_lost_is_no_hit() {
    let scene = Scene::new(2).await;
    scene.write(0, 1).await;
    rest(20).await;
    scene.stored(0, 0).await;
    // Where entries are on other servers, these two go alone.
    scene.sim.evict(LOG);
    scene.sim.evict(INC);
    rest(1_100).await;
    // Nobody announces this: only entries of the present incarnation are as of now.
    scene.fleet.stock.lock().commit(0, None);
    assert_eq!(scene.read(1, 0).await, (1, false));
    assert_eq!(scene.redis_hits(1), 0);
}

/// Trace 11.
#[tokio::test(start_paused = true)]
async fn an_old_fill_that_lands_in_a_new_incarnation_is_no_hit() {
    let faults: [fn(&RedisSim); 4] = [
        RedisSim::restart_empty,
        RedisSim::flush,
        |sim| sim.evict(LOG),
        |sim| {
            sim.step_clock(10_000);
            sim.flush();
        },
    ];
    for fault in faults {
        let scene = Scene::new(2).await;
        scene.write(1, 1).await;
        rest(20).await;
        scene.sim.hold(0, "larder put", true);
        scene.stored(0, 0).await;
        fault(&scene.sim);
        // A tail that waits for events hears nothing of it before it asks again.
        rest(1_100).await;
        scene.write(1, 0).await;
        scene.sim.hold(0, "larder put", false);
        rest(100).await;
        assert_eq!(scene.read(1, 0).await.0, 1);
        assert_eq!(scene.read(0, 0).await.0, 1);
        assert_eq!(scene.redis_hits(1), 0);
    }
}

/// Trace 11, where it is an append that finds no log.
#[tokio::test(start_paused = true)]
async fn an_append_begins_no_log_whose_ids_are_older_than_entries() {
    let scene = Scene::new(3).await;
    scene.stored(2, 0).await;
    scene.sim.evict(LOG);
    scene.sim.step_clock(-10_000);
    scene.write(1, 0).await;
    assert_eq!(scene.unlogged(1), 1);
    rest(1_100).await;
    assert_eq!(scene.read(0, 0).await, (1, false));
    assert_eq!(scene.sim.events(LOG).len(), 2, "the beginning, and the event");
}

/// Trace 12.
#[tokio::test(start_paused = true)]
async fn replies_of_an_old_master_are_of_no_use_in_a_session_with_the_new_one() {
    let scene = Scene::new(3).await;
    scene.stored(2, 0).await;
    scene.sim.fail_over(&FailOver {
        lag: 0,
        skew: 0,
        old: Old::Stays {
            pods: vec![0],
            writes: false,
            lasting: Duration::from_millis(200),
        },
    });
    rest(100).await;
    scene.write(1, 0).await;
    rest(150).await;
    // The split is over; the old connections may stand for another second.
    for item in [0, 1] {
        let present = scene.fleet.stock.lock().present[item];
        for _ in 0..20 {
            assert_eq!(scene.read(0, item).await.0, present);
            rest(60).await;
        }
    }
}

/// Trace 13.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_full_is_followed_by_nobody_for_long() {
    let scene = Scene::new(3).await;
    scene.stored(1, 0).await;
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    scene.sim.refuse(&["XADD", "SET", "HSET", "EVAL"], full);
    scene.write(0, 0).await;
    assert_eq!(scene.unlogged(0), 1);
    assert_eq!(scene.read(0, 0).await, (1, false));
    assert_eq!(
        scene.redis_hits(0),
        0,
        "what Redis has is older, and this pod knows it"
    );
    tokio::time::sleep(MAX_BLIND + Duration::from_millis(1)).await;
    assert_eq!(scene.read(1, 0).await.0, 1, "memory");
    assert_eq!(scene.read(2, 0).await.0, 1, "Redis");
    scene.sim.accept();
    rest(300).await;
    assert_eq!(scene.sim.events(LOG).len(), 2);
}
