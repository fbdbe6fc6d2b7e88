//! Seeded histories over sockets: pods, each behind a proxy of its own, one Redis, and faults of
//! both; every request succeeds, and none shows less than it must.

mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::ledger::{self, Ledger, MAX_BLIND, Source};
use super::pod::{Came, Pod};
use super::{ITEMS, yaml};
use crate::support::{Rng, TestOrigin, TestRedis};
use faults::Fault;

const ITEM_COUNT: usize = 12;
/// Clients of each pod.
const CLIENTS: usize = 3;
/// How long clients ask before everything is healed.
const LASTS: Duration = Duration::from_millis(2_200);
/// Histories at a time: most of one is waiting.
const AT_ONCE: usize = 5;

/// What happened in all histories together: a run in which nothing happened proves nothing.
#[derive(Debug, Default, Clone)]
struct Tally {
    reads: u64,
    hits: u64,
    /// Hits in Redis, for certain.
    redis: u64,
    /// Reads that something binds.
    bound: u64,
    writes: u64,
    /// Of these, answered before the log had them.
    unlogged: u64,
    /// Requests to a pod that was killed meanwhile.
    killed: u64,
    flushes: u64,
    faults: BTreeMap<&'static str, u64>,
    failed: Vec<String>,
    wrong: Vec<String>,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.redis += other.redis;
        self.bound += other.bound;
        self.writes += other.writes;
        self.unlogged += other.unlogged;
        self.killed += other.killed;
        self.flushes += other.flushes;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.failed.extend(other.failed);
        self.wrong.extend(other.wrong);
    }
}

#[test]
fn no_request_fails_and_none_shows_less_than_it_must_whatever_happens_to_redis_and_pods() {
    explore(30);
}

#[test]
#[ignore = "soak: a quarter of an hour"]
fn soak_no_request_fails_and_none_shows_less_than_it_must_whatever_happens_to_redis_and_pods() {
    explore(1_000);
}

fn explore(histories: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut rng = Rng::from_env("histories");
    let tally = runtime.block_on(async {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = Vec::new();
        for number in 0..histories {
            let (seed, places) = (rng.next(), places.clone());
            running.push(tokio::spawn(async move {
                let _place = places.acquire_owned().await;
                let one = tokio::spawn(history(number, seed)).await;
                one.unwrap_or_else(|_| panic!("history {number}, seed {seed}: see the panic above"))
            }));
        }
        let mut tally = Tally::default();
        for history in running {
            tally += history.await.expect("see the panic above");
        }
        tally
    });
    println!(
        "{histories} histories: {} failed, {} wrong; {tally:?}",
        tally.failed.len(),
        tally.wrong.len()
    );
    assert!(tally.failed.is_empty() && tally.wrong.is_empty());
    // How much happens in a history depends on how busy this machine is.
    assert!(tally.redis > 0 && tally.bound > histories, "Redis was used");
    assert!(
        tally.unlogged > 0 && tally.flushes > histories,
        "faults were felt"
    );
    assert_eq!(tally.faults.len(), Fault::ALL.len(), "each fault came");
}

struct World {
    redis: TestRedis,
    pods: Vec<Pod>,
    ledger: Ledger,
    over: AtomicBool,
}

async fn history(number: u64, seed: u64) -> Tally {
    let mut rng = Rng::seeded(seed);
    let (origin, redis) = (TestOrigin::start().await, TestRedis::start().await);
    ledger::script(&origin, ITEM_COUNT, Duration::from_millis(20), rng.next());
    let count = 2 + rng.below(2) as usize;
    let mut pods = Vec::new();
    for number in 0..count {
        pods.push(Pod::start(number, &redis, &origin, |url| yaml(url, "max_blind: 1s", ITEMS)).await);
    }
    let world = Arc::new(World {
        redis,
        pods,
        ledger: Ledger::new(ITEM_COUNT, count),
        over: AtomicBool::new(false),
    });
    whole(&world).await;
    let clients: Vec<_> = (0..count * CLIENTS)
        .map(|client| {
            tokio::spawn(self::client(
                world.clone(),
                client % count,
                Rng::seeded(rng.next()),
            ))
        })
        .collect();
    let watcher = tokio::spawn(watch(world.clone()));
    // Each fault comes first in some history.
    let first = Fault::ALL[number as usize % Fault::ALL.len()];
    let mut tally = faults::happen(&world, first, &mut rng, LASTS).await;
    world.over.store(true, Ordering::SeqCst);
    for client in clients {
        tally += client.await.expect("a client");
    }
    whole(&world).await;
    watcher.await.expect("the watcher");
    tokio::time::sleep(MAX_BLIND).await;
    tally += last_look(&world).await;
    for message in tally.failed.iter_mut().chain(&mut tally.wrong) {
        *message = format!("history {number}, seed {seed}: {message}");
    }
    tally
        .failed
        .iter()
        .chain(&tally.wrong)
        .for_each(|message| println!("{message}"));
    tally
}

/// Waits until every pod that lives has joined, and the log has all.
async fn whole(world: &World) {
    let began = Instant::now();
    while !world.pods.iter().all(Pod::is_whole) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let states = || world.pods.iter().map(Pod::state).collect::<Vec<_>>();
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "pods do not join: {:?}",
            states()
        );
    }
}

/// Tells the ledger what reaches the log later than its answer.
async fn watch(world: Arc<World>) {
    loop {
        let over = world.over.load(Ordering::SeqCst) && world.pods.iter().all(Pod::is_whole);
        for pod in &world.pods {
            pod.tell_logged(&world.ledger);
        }
        if over {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn client(world: Arc<World>, pod: usize, mut rng: Rng) -> Tally {
    let (pod, mut connection, mut tally) = (&world.pods[pod], None, Tally::default());
    while !world.over.load(Ordering::SeqCst) && !pod.is_killed() {
        tokio::time::sleep(rng.rest(Duration::from_millis(14))).await;
        let item = rng.below(ITEM_COUNT as u64) as usize;
        if rng.below(8) == 0 {
            let came = pod.write(&mut connection, &world.ledger, item).await;
            tally.writes += 1;
            tally.unlogged += u64::from(matches!(came, Came::Right { bound: false, .. }));
            tally.count(came);
        } else {
            let came = pod.read(&mut connection, &world.ledger, item).await;
            tally.count_read(came);
        }
    }
    tally
}

/// Every item through every pod, once all is well again.
async fn last_look(world: &World) -> Tally {
    let mut tally = Tally::default();
    for pod in world.pods.iter().filter(|pod| !pod.is_killed()) {
        let mut connection = None;
        for item in 0..ITEM_COUNT {
            let came = pod.read(&mut connection, &world.ledger, item).await;
            tally.count_read(came);
        }
        let flushes = pod.look(|larder| larder.log().flushes.iter().sum::<u64>());
        tally.flushes += flushes.unwrap_or_default();
    }
    tally
}

impl Tally {
    fn count_read(&mut self, came: Came) {
        self.reads += 1;
        if let Came::Right { hit, source, bound } = came {
            self.hits += u64::from(hit);
            self.redis += u64::from(source == Source::Redis);
            self.bound += u64::from(bound);
        }
        self.count(came);
    }

    fn count(&mut self, came: Came) {
        match came {
            Came::Right { .. } => {}
            Came::Killed => self.killed += 1,
            Came::Failed(what) => self.failed.push(what),
            Came::Wrong(what) => self.wrong.push(what),
        }
    }
}

/// Rests, but not beyond the end.
async fn rest_until(end: Instant, rest: Duration) {
    let left = end.saturating_duration_since(Instant::now());
    tokio::time::sleep(rest.min(left)).await;
}
