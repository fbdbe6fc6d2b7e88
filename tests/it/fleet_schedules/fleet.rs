//! Pods over one simulated Redis and one origin, all in memory; and what is known of the writes.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use larder::config::Config;
use larder::origin::{Connect, Connected, Connecting, Wanted};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::known::{Known, Split};
use super::origin::{Stock, script};
use crate::support::{Client, Delays, LarderBuilder, RedisSim, Rng, TestLarder, TestOrigin};

pub const ITEMS: usize = 2;

/// How long a response is reused that a write could hit, while the log is out of reach.
pub const MAX_BLIND: Duration = Duration::from_secs(2);

/// Items live for long, so that nothing but the log ends their reuse; lists for a short time, so
/// that validations and background fetches happen too.
const RULES: &str = "store:
  memory: 16MiB
  max_object: 1MiB
  redis: { url: 'redis://redis', namespace: shop, max_blind: 2s, connections: 1 }
cache_status: true
limits: { header_timeout: 1m }
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1m, tags: ['item:{id}'], stale_if_error: 1m }
  - { name: items, match: GET /items, ttl: 900ms, stale_while_revalidate: 600ms, stale_if_error: 1m }
  - { match: ['PUT /items/{id}', 'PUT /stock/{id}'], invalidate: ['item:{id}', items], timeout: 700ms }
  - { match: 'POST /soften/{id}', invalidate: ['item:{id}', items], soft: true }
  - { match: POST /drop, invalidate: [item, items] }
";

pub const DELAYS: Delays = Delays {
    dial: Duration::from_millis(3),
    request: Duration::from_millis(2),
    reply: Duration::from_millis(2),
};

/// One pod.
pub struct Pod {
    pub number: usize,
    pub larder: TestLarder,
    /// The targets that it has been asked for.
    asked: Mutex<HashSet<String>>,
}

/// Everything that a history plays in; a clone is another handle.
#[derive(Clone)]
pub struct Fleet {
    pub pods: Arc<[Pod]>,
    pub sim: RedisSim,
    pub stock: Arc<Mutex<Stock>>,
    known: Arc<Mutex<Known>>,
}

impl Fleet {
    /// Pods that have all joined, before an origin whose answers take time and fail at random.
    pub async fn start(pods: usize, seed: u64) -> Fleet {
        let mut rng = Rng::seeded(seed);
        let sim = RedisSim::new(rng.next(), DELAYS);
        let origin = TestOrigin::unbound();
        let stock = Arc::new(Mutex::new(Stock::default()));
        let chance = Arc::new(Mutex::new(Rng::seeded(rng.next())));
        script(&origin, &stock, &chance);
        static CONFIG: OnceLock<Config> = OnceLock::new();
        let config = CONFIG.get_or_init(|| LarderBuilder::config_over(RULES));
        let fleet = Fleet::before(&origin, pods, &sim, config, stock, chance).await;
        fleet.joined().await;
        fleet
    }

    pub async fn before(
        origin: &TestOrigin,
        pods: usize,
        sim: &RedisSim,
        config: &Config,
        stock: Arc<Mutex<Stock>>,
        rng: Arc<Mutex<Rng>>,
    ) -> Fleet {
        let serve: Serve = Arc::new(origin.server());
        let mut started = Vec::new();
        for number in 0..pods {
            let connect = Memory {
                serve: Arc::clone(&serve),
                rng: Arc::clone(&rng),
            };
            let larder = LarderBuilder::configured(config.clone(), Arc::new(connect))
                .redis_over(sim.dialer(number))
                .manual_clock()
                .start()
                .await;
            started.push(Pod {
                number,
                larder,
                asked: Mutex::default(),
            });
        }
        Fleet {
            pods: started.into(),
            sim: sim.clone(),
            stock,
            known: Arc::new(Mutex::new(Known::default())),
        }
    }

    /// Waits until every pod follows the log.
    pub async fn joined(&self) {
        for pod in self.pods.iter() {
            let log = pod.larder.shared_log();
            while log.session().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// The write of a pod, or its purge, was answered: versions that bind later reads.
    pub fn acknowledge(&self, pod: &Pod, versions: &[(usize, u64)], logged: bool) {
        for (item, version) in versions {
            self.known.lock().acknowledge(pod.number, *item, *version, logged);
        }
    }

    /// Own events of a pod so far that the log did not have when their writes were answered.
    pub fn unlogged(&self, pod: &Pod) -> u64 {
        pod.larder.shared_log().stats().unlogged
    }

    /// A fault lasts until then; `split`: what it means for what pods may know.
    pub fn trouble(&self, until: Instant, split: Option<Split>) {
        self.known.lock().trouble(until, split);
    }

    /// What a read through a pod must show that begins now.
    pub fn begin(&self, pod: &Pod, target: &str) -> Reading {
        let mut known = self.known.lock();
        self.note_arrivals(&mut known);
        Reading {
            first: pod.asked.lock().insert(target.to_owned()),
            floors: known.floors(pod.number),
        }
    }

    /// A client left while its request was under way: nobody knows what memory holds from then on.
    pub fn spoil(&self, pod: &Pod, target: &str) {
        pod.asked.lock().insert(target.to_owned());
    }

    /// What pods had to queue binds everyone once the log that all pods follow has it.
    fn note_arrivals(&self, known: &mut Known) {
        let replication = self.sim.replication();
        for pod in self.pods.iter() {
            if !known.is_behind(pod.number) {
                continue;
            }
            let session = pod.larder.shared_log().session();
            if session.is_some_and(|session| *session.replication == *replication) {
                known.arrived(pod.number);
            }
        }
    }
}

/// A read that has begun.
pub struct Reading {
    /// Whether the pod was never asked for this target before: a hit is one of Redis then.
    pub first: bool,
    /// Per item.
    pub floors: [Floors; ITEMS],
}

/// The oldest versions that a read may show, by why it may not show older ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floors {
    /// Written through the pod itself.
    pub own: u64,
    /// Written through any, the event in the log: binds hits of Redis.
    pub logged: u64,
    /// The same so long ago that no pod may have missed it.
    pub bound: u64,
    /// The same so long ago that it has been pushed, as nothing is wrong with Redis.
    pub pushed: u64,
}

impl Pod {
    /// A client over an in-memory pipe.
    pub fn connect(&self) -> Client {
        let (near, far) = tokio::io::duplex(4096);
        self.larder.serve(far);
        Client::over(near)
    }
}

type Serve = Arc<dyn Fn(DuplexStream) + Send + Sync>;

/// Connections to the origin that never leave memory.
struct Memory {
    serve: Serve,
    rng: Arc<Mutex<Rng>>,
}

impl Connect for Memory {
    fn connect(&self, _: Wanted) -> Connecting {
        let serve = Arc::clone(&self.serve);
        let rest = self.rng.lock().rest(Duration::from_millis(20));
        Box::pin(async move {
            tokio::time::sleep(rest).await;
            let (near, far) = tokio::io::duplex(4096);
            serve(far);
            Ok(Connected::http1(near))
        })
    }
}
