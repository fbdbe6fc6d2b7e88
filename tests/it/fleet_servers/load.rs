//! Requests and writes through both pods for as long as a test likes, each answer held against what
//! had been written before it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::{Fleet, MAX_BLIND, SLACK, Shop, paths, put, uses_redis, version};
use crate::support::{Client, Rng, TestLarder};

/// Workers for each pod, and how long each rests after a request.
const WORKERS: usize = 3;
const REST: Duration = Duration::from_millis(8);

/// Of this many requests one is a write.
const WRITES: u64 = 20;

/// Requests that go on until [`Load::end`].
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Done>,
    began: Instant,
}

struct Shared {
    shop: Arc<Shop>,
    pods: Arc<[TestLarder; 2]>,
    items: Vec<Item>,
    /// When all events of a pod were seen to be in the log, in order.
    logged: [Mutex<Vec<Instant>>; 2],
    ends: AtomicBool,
}

/// An item, and which writes of it were answered through each pod, and when.
struct Item {
    path: String,
    written: [Mutex<Vec<(Instant, u64)>>; 2],
}

/// What was done.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    pub reads: usize,
    pub writes: usize,
    /// Entries of Redis that were asked for after a write of them through the other pod was
    /// logged.
    pub logged: usize,
}

impl Load {
    /// Begins.
    pub fn start(fleet: &Fleet, items: usize) -> Load {
        let items = paths("/items/busy-", items).into_iter().map(|path| Item {
            path,
            written: Default::default(),
        });
        let shared = Arc::new(Shared {
            shop: fleet.shop.clone(),
            pods: fleet.pods.clone(),
            items: items.collect(),
            logged: Default::default(),
            ends: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        let mut rng = Rng::from_env("load");
        for pod in 0..2 {
            for _ in 0..WORKERS {
                tasks.spawn(work(shared.clone(), pod, Rng::seeded(rng.next())));
            }
            tasks.spawn(write_what_the_other_never_had(shared.clone(), pod));
            tasks.spawn(watch(shared.clone(), pod));
        }
        Load {
            shared,
            tasks,
            began: Instant::now(),
        }
    }

    /// Ends it. Every answer was whole, of status 200 and as new as it had to be, or the test fails.
    pub async fn end(self) -> Done {
        self.shared.ends.store(true, Ordering::Relaxed);
        let elapsed = self.began.elapsed();
        let mut all = Done::default();
        for done in self.tasks.join_all().await {
            all.reads += done.reads;
            all.writes += done.writes;
            all.logged += done.logged;
        }
        println!("load: {all:?} in {elapsed:?}");
        all
    }
}

async fn work(shared: Arc<Shared>, pod: usize, mut rng: Rng) -> Done {
    let mut done = Done::default();
    let mut client = Client::connect(shared.pods[pod].address()).await;
    while !shared.ends.load(Ordering::Relaxed) {
        let item = &shared.items[rng.below(shared.items.len() as u64) as usize];
        if rng.below(WRITES) == 0 {
            let answer = client.request("PUT", &item.path, &[], b"new").await.complete();
            let written = version(&answer, &item.path);
            item.written[pod].lock().push((Instant::now(), written));
            done.writes += 1;
        } else {
            let least = shared.least(item, pod, Instant::now());
            let answer = client.get(&item.path).await.complete();
            assert!(
                version(&answer, &item.path) >= least,
                "pod {pod} has seen version {least}: {answer:?}"
            );
            done.reads += 1;
        }
        tokio::time::sleep(REST).await;
    }
    done
}

/// Has one pod store and write items that the other never had in memory: from Redis that one must
/// not take what is older than a write that was logged.
async fn write_what_the_other_never_had(shared: Arc<Shared>, pod: usize) -> Done {
    let mut done = Done::default();
    let (one, other) = (&shared.pods[pod], &shared.pods[1 - pod]);
    while !shared.ends.load(Ordering::Relaxed) {
        let path = shared.shop.fresh();
        version(&one.get(&path).await, &path);
        tokio::time::sleep(Duration::from_millis(done.writes as u64 % 3 * 5)).await;
        let unlogged = one.log().unlogged;
        let written = put(one, &path).await;
        let logged = one.log().unlogged == unlogged;
        let answer = other.get(&path).await;
        let seen = version(&answer, &path);
        done.writes += 1;
        if logged {
            assert!(seen >= written, "pod {pod} wrote version {written}: {answer:?}");
            done.logged += 1;
        }
        tokio::time::sleep(2 * REST).await;
    }
    done
}

/// Notes when everything of a pod is in the log.
async fn watch(shared: Arc<Shared>, pod: usize) -> Done {
    while !shared.ends.load(Ordering::Relaxed) {
        let now = Instant::now();
        if uses_redis(&shared.pods[pod]) {
            shared.logged[pod].lock().push(now);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Done::default()
}

impl Shared {
    /// The version below which no read of an item through a pod may be that begins now.
    fn least(&self, item: &Item, pod: usize, now: Instant) -> u64 {
        let own = item.written[pod].lock().iter().map(|(_, version)| *version).max();
        let logged = self.logged[1 - pod].lock();
        // Of the other pod's writes those that were logged for longer than memory may be reused
        // out of sight.
        let bound = MAX_BLIND + SLACK;
        let is_due = |when: Instant| {
            let first = logged.partition_point(|seen| *seen < when);
            logged.get(first).is_some_and(|seen| *seen + bound < now)
        };
        let written = item.written[1 - pod].lock();
        let due = written
            .iter()
            .filter(|(when, _)| is_due(*when))
            .map(|(_, version)| *version)
            .max();
        own.max(due).unwrap_or_default()
    }
}
