//! Very many entries, and very many writes: what a purge costs does not depend on how many entries
//! it hits, Redis holds nothing but what it should, and what nobody writes to keeps hitting.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::support::{Client, LarderProcess, TestLarder, TestRedis};

mod plain;
mod redis;

use plain::Plain;
use redis::{Done, Held, Touched, without_end};

const MIB: f64 = 1_048_576.0;

/// Requests under way at a time.
const CLIENTS: u64 = 64;

/// Entries of the small tag, and of no tag but with content in chunks.
const FEW: u64 = 10;
const LARGE: u64 = 4;

/// Chunks of such an entry.
const CHUNKS: u64 = 3;

/// The log, its incarnation and the list of pods.
const ENDLESS: [&str; 3] = ["larder:{shop}:inc", "larder:{shop}:log", "larder:{shop}:pods"];

const MANY_RULES: &str = "
rules:
  - { name: many, match: 'GET /many/{id}', ttl: 1h, tags: [many] }
  - { name: few, match: 'GET /few/{id}', ttl: 1h, tags: [few] }
  - { name: large, match: 'GET /large/{id}', ttl: 1h }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_a_tag_of_a_thousand_entries_touches_as_much_as_purging_one_of_ten() {
    purge_a_tag_of(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: two minutes"]
async fn soak_purging_a_tag_of_a_million_entries_touches_as_much_as_purging_one_of_ten() {
    purge_a_tag_of(1_000_000).await;
}

/// Every entry is one that Larder fetched and put there itself.
async fn purge_a_tag_of(many: u64) {
    let (redis, origin) = (TestRedis::start().await, Plain::start().await);
    let fetching = pod(&redis, &origin, "256MiB", MANY_RULES).await;
    let other = pod(&redis, &origin, "64MiB", MANY_RULES).await;
    let began = Instant::now();
    for (kind, number) in [("many", many), ("few", FEW), ("large", LARGE)] {
        ask_each(fetching.address(), kind, number).await;
    }
    let entries = many + FEW + LARGE;
    written(&fetching, entries).await;
    println!(
        "{entries} entries fetched and put into Redis in {:.1?}",
        began.elapsed()
    );

    // The other pod has one announcement more in the same list, and nothing else.
    let held = Held::by(&redis).await;
    let per_entry = held.bytes as f64 / entries as f64;
    println!(
        "{held:?}: {:.1} MiB, {per_entry:.0} bytes an entry",
        held.bytes as f64 / MIB
    );
    let endless = ENDLESS.len() as u64;
    assert_eq!(held.keys, entries + LARGE * CHUNKS + endless);
    assert_eq!(held.ending, held.keys - endless);
    assert_eq!(
        without_end(&redis).await,
        BTreeSet::from(ENDLESS.map(str::to_owned))
    );

    // Before, the other pod finds them in Redis; after, neither does.
    let sample = sample(many);
    assert_eq!(forwards(&origin, &other, "many", &sample).await, 0);
    assert_eq!(forwards(&origin, &other, "few", &[0, 1]).await, 0);
    let of_few = purge(&redis, &fetching, "few").await;
    assert_eq!(forwards(&origin, &other, "few", &[0, 1]).await, 2);
    assert_eq!(forwards(&origin, &other, "many", &sample).await, 0);
    let of_many = purge(&redis, &fetching, "many").await;
    assert_eq!(
        forwards(&origin, &other, "many", &sample).await,
        sample.len() as u64
    );

    println!("purging {FEW}: {of_few:?}\npurging {many}: {of_many:?}");
    for touched in [of_few, of_many] {
        assert_eq!(touched.elements, 1);
        assert_eq!(touched.commands, BTreeMap::from([("xadd".to_owned(), 1)]));
        assert!(touched.following < 200, "{touched:?}");
    }
}

async fn pod(redis: &TestRedis, origin: &Plain, memory: &str, rules: &str) -> TestLarder {
    let larder = TestLarder::before(&origin.url(), &over(redis, memory, rules)).await;
    larder
        .until("the log to be followed", async |larder| {
            larder.metric("larder_log_joined", &[]).await == 1.0
        })
        .await;
    larder
}

fn over(redis: &TestRedis, memory: &str, rules: &str) -> String {
    // A test of volume is not one of how long a busy machine lets a reply wait.
    let redis = format!("{{ url: '{}', namespace: shop, timeout: 1s }}", redis.url());
    format!("store: {{ memory: {memory}, max_object: 4MiB, redis: {redis} }}{rules}")
}

/// Asks for `/kind/0` up to `/kind/number`, each once.
async fn ask_each(address: SocketAddr, kind: &'static str, number: u64) {
    let mut asking = JoinSet::new();
    for first in 0..CLIENTS.min(number) {
        asking.spawn(async move {
            let mut client = Client::connect(address).await;
            for id in (first..number).step_by(CLIENTS as usize) {
                let answer = client.get(&format!("/{kind}/{id}")).await.complete();
                assert_eq!((answer.status, &*answer.reason()), (200, "uri-miss"));
            }
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
}

/// Waits until all entries are in Redis.
async fn written(larder: &TestLarder, entries: u64) {
    larder
        .until("every entry to be in Redis", async |larder| {
            let count = async |result| {
                larder
                    .metric("larder_store_writes_total", &[("result", result)])
                    .await
            };
            assert_eq!((count("dropped").await, count("failed").await), (0.0, 0.0));
            count("written").await >= entries as f64
        })
        .await;
}

/// A hundred of so many, all over them.
fn sample(number: u64) -> Vec<u64> {
    (0..100).map(|n| n * number / 100).collect()
}

/// How many of these are fetched from the origin when a pod is asked for them.
async fn forwards(origin: &Plain, larder: &TestLarder, kind: &str, ids: &[u64]) -> u64 {
    let before = origin.reads();
    let mut client = larder.connect().await;
    for id in ids {
        let answer = client.get(&format!("/{kind}/{id}")).await.complete();
        assert_eq!(answer.status, 200);
    }
    origin.reads() - before
}

/// Purges a tag; what Redis had to do for it.
async fn purge(redis: &TestRedis, larder: &TestLarder, tag: &str) -> Touched {
    let before = Done::by(redis).await;
    let began = Instant::now();
    let receipt = larder.purge(&format!("{{\"tags\": [\"{tag}\"]}}")).await;
    let took = began.elapsed();
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    let touched = Done::by(redis).await.since(&before);
    println!("purging {tag} took {took:.1?}");
    touched
}

const ITEM_RULES: &str = "
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}'] }
  - { match: 'PUT /items/{id}', invalidate: ['item:{id}'] }
";

/// How many items there are to write to; none is written to twice.
const ITEMS: u64 = 1_000_000;

/// How hard it goes.
#[derive(Clone, Copy)]
struct Load {
    /// Items that are read and never written to.
    kept: u64,
    /// Reads a second of each pod, and writes a second of both together.
    reads: u64,
    writes: u64,
    lasts: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writes_do_not_touch_keeps_hitting() {
    let load = Load {
        kept: 600,
        reads: 200,
        writes: 200,
        lasts: Duration::from_secs(2),
    };
    keep_hitting(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a minute"]
async fn soak_a_thousand_writes_a_second_leave_what_they_do_not_touch_hitting() {
    let load = Load {
        kept: 5_000,
        reads: 400,
        writes: 1_000,
        lasts: Duration::from_secs(60),
    };
    keep_hitting(load).await;
}

/// One pod has the kept items in memory; the other, with little of that, finds them in Redis.
async fn keep_hitting(load: Load) {
    let (redis, origin) = (TestRedis::start().await, Plain::start().await);
    let roomy = process(&redis, &origin, "256MiB").await;
    let narrow = process(&redis, &origin, "1MiB").await;
    let kept: Vec<String> = (0..load.kept).map(|n| format!("/items/kept-{n}")).collect();
    let mut client = roomy.connect().await;
    for item in &kept {
        assert_eq!(client.get(item).await.complete().status, 200);
    }
    let all_written = |written| written >= load.kept as f64;
    roomy
        .until_metric("larder_store_writes_total", &[("result", "written")], all_written)
        .await;
    let resident = [roomy.resident(), narrow.resident()];
    let fetched = origin.reads();

    let kept: Arc<[String]> = kept.into();
    let (number, end) = (Arc::new(AtomicU64::new(0)), Instant::now() + load.lasts);
    let mut writing = JoinSet::new();
    for pod in [&roomy, &narrow] {
        for _ in 0..WRITERS {
            let each = 2 * WRITERS;
            writing.spawn(write(pod.listen, number.clone(), load.writes / each, end));
        }
    }
    let reading = [&roomy, &narrow].map(|pod| tokio::spawn(read(pod.listen, kept.clone(), load.reads, end)));
    let [in_memory, in_redis] = reading;
    let (in_memory, in_redis) = (in_memory.await.unwrap(), in_redis.await.unwrap());
    while let Some(done) = writing.join_next().await {
        done.unwrap();
    }

    let writes = number.load(Ordering::Relaxed);
    let found = narrow
        .metric("larder_store_lookups_total", &[("result", "hit")])
        .await;
    println!("{writes} writes in {:?}, each to an item of its own", load.lasts);
    println!(
        "in memory: {:.3} % of {} reads hit",
        100.0 * in_memory.ratio(),
        in_memory.all()
    );
    println!(
        "in Redis: {:.3} % of {} reads hit, {found} of them there",
        100.0 * in_redis.ratio(),
        in_redis.all()
    );
    println!("other than hits: {:?}, {:?}", in_memory.reasons, in_redis.reasons);
    for (name, pod, before) in [("roomy", &roomy, resident[0]), ("narrow", &narrow, resident[1])] {
        describe(name, pod, before).await;
    }
    println!(
        "the log: {} entries",
        redis.done(&["XLEN", ENDLESS[1]]).await.int()
    );

    assert_eq!(origin.writes(), writes);
    assert!(in_memory.ratio() >= 0.99, "{in_memory:?}");
    assert!(in_redis.ratio() >= 0.99, "{in_redis:?}");
    // What is told here is told of Redis, not of memory.
    assert!(found >= 0.5 * in_redis.all() as f64, "{found}");
    let missed = in_memory.missed() + in_redis.missed();
    assert_eq!(origin.reads() - fetched, missed);
    // A log that holds so much finds what is written to after all.
    let item = &kept[0];
    assert_eq!(roomy.get(item).await.reason(), "hit");
    let answer = roomy.connect().await.request("PUT", item, &[], b"1").await;
    assert_eq!(answer.status, 204);
    assert_ne!(roomy.get(item).await.reason(), "hit");
}

async fn process(redis: &TestRedis, origin: &Plain, memory: &str) -> LarderProcess {
    let yaml = over(redis, memory, ITEM_RULES).replace("4MiB", "64KiB");
    let process = LarderProcess::start(&yaml, &origin.url()).await;
    process
        .until_metric("larder_log_joined", &[], |joined| joined == 1.0)
        .await;
    process
}

async fn describe(name: &str, pod: &LarderProcess, before: u64) {
    let grown = (pod.resident() as f64 - before as f64) / MIB;
    println!("{name}: {grown:+.1} MiB resident");
    for figure in [
        "tags",
        "stripes",
        "horizon_seconds",
        "unlogged_total",
        "flushes_total",
    ] {
        let value = pod.metric(&format!("larder_log_{figure}"), &[]).await;
        println!("{name}: {value} log {}", figure.replace('_', " "));
    }
}

/// Connections on which writes go to each pod.
const WRITERS: u64 = 4;

/// Writes `rate` items a second, each one that nobody has written to, until `end`.
async fn write(address: SocketAddr, number: Arc<AtomicU64>, rate: u64, end: Instant) {
    let mut client = Client::connect(address).await;
    let mut pace = pace(rate);
    while Instant::now() < end {
        pace.tick().await;
        // All over the items: the factor has no divisor in common with their number.
        let item = number.fetch_add(1, Ordering::Relaxed) * 611_953 % ITEMS;
        let answer = client.request("PUT", &format!("/items/{item}"), &[], b"1").await;
        assert_eq!(answer.status, 204);
    }
}

/// Reads the kept items in turn, `rate` a second, until `end`.
async fn read(address: SocketAddr, kept: Arc<[String]>, rate: u64, end: Instant) -> Tally {
    let mut client = Client::connect(address).await;
    let (mut pace, mut tally) = (pace(rate), Tally::default());
    for item in kept.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        pace.tick().await;
        let answer = client.get(item).await.complete();
        assert_eq!(answer.status, 200);
        match &*answer.reason() {
            "hit" => tally.hits += 1,
            reason => *tally.reasons.entry(reason.to_owned()).or_default() += 1,
        }
    }
    tally
}

fn pace(rate: u64) -> tokio::time::Interval {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}

/// What reads came to.
#[derive(Debug, Default)]
struct Tally {
    hits: u64,
    /// Of the others, why they were forwarded.
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    fn missed(&self) -> u64 {
        self.reasons.values().sum()
    }

    fn all(&self) -> u64 {
        self.hits + self.missed()
    }

    fn ratio(&self) -> f64 {
        self.hits as f64 / self.all() as f64
    }
}
