//! Several Larders over servers of Redis that move: fail-overs, slots that change their master, and
//! every kind of URL. Real processes, real sockets and the system's clock.
//!
//! Counts are asserted, times are printed.

mod cluster;
mod idle;
mod kinds;
mod load;
mod lost;
mod sentinel;
mod sentinels;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::support::{Answer, LarderBuilder, Response, TestLarder, TestOrigin, within};

/// How long what a write could hit may be reused out of sight of the log, in all tests here.
const MAX_BLIND: Duration = Duration::from_secs(1);

/// Items that writes drop, and pages that none can hit.
const RULES: &str = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h }
  - { match: 'PUT /items/{id}', invalidate: ['/items/{id}'] }
  - { name: page, match: 'GET /pages/{id}', ttl: 1h }
  - { name: shared, match: 'GET /shared/{id}', ttl: 1h, collapse: fleet }
";

/// A configuration with the Redis at a URL; `more` holds further keys of its section. Replies may take
/// longer than by default: tests share a machine.
fn yaml(url: &str, more: &str) -> String {
    format!(
        "store:\n  redis: {{ url: \"{url}\", namespace: shop, max_blind: 1s, timeout: 200ms{more} }}\n{RULES}"
    )
}

/// An origin whose answers tell their path and version: a PUT makes a new version, and validation
/// by strong `ETag` works.
struct Shop {
    origin: TestOrigin,
    /// Paths that no test has used yet.
    fresh: AtomicUsize,
}

impl Shop {
    async fn start() -> Shop {
        let origin = TestOrigin::start().await;
        let versions: Mutex<HashMap<String, u64>> = Mutex::default();
        origin.on("/*", move |seen| {
            let (path, mut versions) = (seen.path(), versions.lock());
            let version = versions.entry(path.to_owned()).or_default();
            if seen.method == "PUT" {
                *version += 1;
                return Answer::ok(format!("{path} {version}"));
            }
            let tag = format!("\"v{version}\"");
            if seen
                .field("if-none-match")
                .is_some_and(|tags| tags.contains(&tag))
            {
                return Answer::status(304).field("ETag", &tag);
            }
            Answer::ok(format!("{path} {version}")).field("ETag", &tag)
        });
        Shop {
            origin,
            fresh: AtomicUsize::new(0),
        }
    }

    /// The path of an item that nobody has asked for.
    fn fresh(&self) -> String {
        format!("/items/fresh-{}", self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    fn pod(&self, url: &str, more: &str) -> LarderBuilder {
        TestLarder::build(&yaml(url, more), &self.origin)
    }

    /// How many requests for a path had to be answered in full, and how many were validations.
    fn asked(&self, path: &str) -> (usize, usize) {
        let requests = self.origin.requests(path);
        let validations = requests
            .iter()
            .filter(|seen| seen.field("if-none-match").is_some());
        let validations = validations.count();
        (requests.len() - validations, validations)
    }
}

/// Two pods before one shop.
struct Fleet {
    shop: Arc<Shop>,
    pods: Arc<[TestLarder; 2]>,
}

impl Fleet {
    /// Two pods that share the Redis at a URL.
    async fn start(url: &str, more: &str) -> Fleet {
        let shop = Shop::start().await;
        let a = shop.pod(url, more).start().await;
        let b = shop.pod(url, more).start().await;
        let fleet = Fleet {
            shop: Arc::new(shop),
            pods: Arc::new([a, b]),
        };
        fleet.converged().await;
        // What that stored is not to be taken for what a test stores.
        for pod in fleet.pods.iter() {
            pod.settled(|| (pod.tier().written, pod.tier().writing)).await;
        }
        fleet
    }

    fn a(&self) -> &TestLarder {
        &self.pods[0]
    }

    fn b(&self) -> &TestLarder {
        &self.pods[1]
    }

    /// Waits until each pod answers with what the other has fetched, and has seen what was written
    /// through the other. Says how long that took.
    async fn converged(&self) -> Duration {
        let began = Instant::now();
        for (one, other) in [(self.a(), self.b()), (self.b(), self.a())] {
            joined(one).await;
            joined(other).await;
            within("a hit in the other pod", async {
                while !self.shares(one, other).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            within("a write to reach the other pod", async {
                while !self.follows(one, other).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
        }
        began.elapsed()
    }

    /// Whether what one pod fetches is a hit in the other.
    async fn shares(&self, one: &TestLarder, other: &TestLarder) -> bool {
        let path = self.shop.fresh();
        version(&one.get(&path).await, &path);
        let until = Instant::now() + Duration::from_millis(200);
        while one.tier().writing > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let answer = other.get(&path).await;
        version(&answer, &path);
        answer.cache_status().hit
    }

    /// Whether what is written through one pod, with its event logged, is dropped from the memory of
    /// the other.
    async fn follows(&self, one: &TestLarder, other: &TestLarder) -> bool {
        let path = self.shop.fresh();
        version(&other.get(&path).await, &path);
        let unlogged = one.log().unlogged;
        let written = put(one, &path).await;
        let until = Instant::now() + MAX_BLIND;
        while version(&other.get(&path).await, &path) < written {
            assert!(Instant::now() < until + SLACK, "the write of {path} is not seen");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        one.log().unlogged == unlogged && Instant::now() < until
    }

    /// Fetches paths through a pod, and waits until they stand in Redis.
    async fn fill(&self, pod: &TestLarder, paths: &[String]) {
        let before = pod.tier().written;
        for path in paths {
            version(&pod.get(path).await, path);
        }
        within("entries to be written", async {
            while pod.tier().written < before + paths.len() as u64 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

/// What a machine with more to do may take beyond a bound.
const SLACK: Duration = Duration::from_secs(1);

/// Waits until a pod follows the log and may use Redis.
async fn joined(pod: &TestLarder) {
    within("a session", async {
        while !uses_redis(pod) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn uses_redis(pod: &TestLarder) -> bool {
    let log = pod.log();
    log.joined && log.queued == 0 && pod.redis().connections > 0
}

/// Which version an answer shows; it must be whole, and of this path.
fn version(answer: &Response, path: &str) -> u64 {
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    let (of, version) = answer.text().split_once(' ').expect("path and version");
    assert_eq!(of, path, "{answer:?}");
    version.parse().expect("a version")
}

/// Writes an item; the version that this made.
async fn put(pod: &TestLarder, path: &str) -> u64 {
    version(&pod.request("PUT", path, &[], b"new").await, path)
}

/// Paths under `/items/` or `/pages/`.
fn paths(beginning: &str, number: usize) -> Vec<String> {
    (0..number).map(|n| format!("{beginning}{n}")).collect()
}
