//! Several Larders over one Redis: real sockets, real servers, and whatever can go wrong with them.
//!
//! Only counts are asserted here. Times are printed.

mod bad_start;
mod codings;
mod history;
mod ledger;
mod outages;
mod pod;
mod replies;
mod two_pods;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{TestLarder, TestOrigin, TestRedis, within};

/// Every answer to GET is stored for an hour, and every PUT or DELETE drops it.
const ITEMS: &str = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h }
  - { match: 'PUT|DELETE /items/{id}', invalidate: ['/items/{id}'] }
";

/// A configuration with a Redis; `redis` holds further keys of that section, as a YAML flow map
/// without braces.
fn yaml(url: &str, redis: &str, rest: &str) -> String {
    let comma = if redis.is_empty() { "" } else { ", " };
    format!("store:\n  redis: {{ url: \"{url}\", namespace: shop{comma}{redis} }}\n{rest}")
}

/// Pods of one namespace, before one origin.
struct Fleet {
    origin: TestOrigin,
    redis: TestRedis,
    pods: Vec<TestLarder>,
}

impl Fleet {
    /// Two pods that have joined the log.
    async fn start(redis: &str, rest: &str) -> Fleet {
        let (origin, server) = (TestOrigin::start().await, TestRedis::start().await);
        let mut fleet = Fleet {
            origin,
            redis: server,
            pods: Vec::new(),
        };
        for _ in 0..2 {
            fleet.add(redis, rest).await;
        }
        fleet
    }

    /// One more pod, once it has joined the log.
    async fn add(&mut self, redis: &str, rest: &str) -> &TestLarder {
        // What is counted must not depend on how busy this machine is.
        let comma = if redis.is_empty() { "" } else { ", " };
        let redis = format!("timeout: 2s{comma}{redis}");
        let yaml = yaml(&self.redis.url(), &redis, rest);
        let pod = TestLarder::build(&yaml, &self.origin).start().await;
        ready(&pod).await;
        self.pods.push(pod);
        self.pods.last().unwrap()
    }

    fn a(&self) -> &TestLarder {
        &self.pods[0]
    }

    fn b(&self) -> &TestLarder {
        &self.pods[1]
    }

    /// Waits until so many entries stand in Redis.
    async fn entries(&self, number: usize) {
        let what = format!("{number} entries in Redis");
        within(&what, async {
            while entries_of(&self.redis.keys().await).len() < number {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until nothing has been on its way to Redis for a while.
    async fn written(&self) {
        let figures = || {
            let tiers = self.pods.iter().map(TestLarder::tier);
            tiers
                .map(|tier| (tier.writing, tier.written, tier.outdated))
                .collect::<Vec<_>>()
        };
        within("writes to Redis to end", async {
            let (mut before, mut same) = (figures(), 0);
            while same < 6 {
                tokio::time::sleep(Duration::from_millis(3)).await;
                let now = figures();
                let rests = now == before && now.iter().all(|(writing, ..)| *writing == 0);
                same = if rests { same + 1 } else { 0 };
                before = now;
            }
        })
        .await;
    }
}

/// Waits until a pod follows the log and may use Redis.
async fn ready(pod: &TestLarder) {
    pod.until("a session and a connection", async |pod| {
        let log = pod.log();
        log.joined && log.queued == 0 && pod.redis().connections > 0
    })
    .await;
}

/// The keys that are entries, or what leads to variants, without chunks and leases.
fn entries_of(keys: &BTreeSet<String>) -> Vec<&String> {
    let is = |key: &&String| key.contains(":{") && key.ends_with('}') && !key.contains("}:");
    keys.iter().filter(is).collect()
}

/// Where a share of sorted times lies.
fn quantile(times: &[Duration], share: f64) -> Duration {
    let last = times.len().saturating_sub(1);
    times
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or_default()
}
