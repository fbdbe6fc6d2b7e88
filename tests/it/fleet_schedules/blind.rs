//! What goes to the origin only because the log is out of sight is bounded, and nobody waits long
//! for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::fleet::{Fleet, MAX_BLIND};
use super::origin::Stock;
use crate::support::{Answer, Delays, LarderBuilder, RedisSim, Response, Rng, Step, TestOrigin};

const RULES: &str = "store:
  memory: 16MiB
  max_object: 1MiB
  redis: { url: 'redis://redis', namespace: shop, max_blind: 2s }
cache_status: true
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}'] }
  - { name: spare, match: 'GET /spare/{id}', ttl: 1h, tags: ['item:{id}'], stale_if_error: 1h }
  - { name: page, match: 'GET /pages/{id}', ttl: 1h }
  - { match: 'PUT /items/{id}', invalidate: ['item:{id}'] }
";

const AT_ONCE: Delays = Delays {
    dial: Duration::ZERO,
    request: Duration::ZERO,
    reply: Duration::ZERO,
};

/// Requests at the origin: now, at the most, and in all.
#[derive(Default)]
struct Load {
    now: AtomicU64,
    most: AtomicU64,
    all: AtomicU64,
}

impl Load {
    fn began(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}

/// One pod that has lost sight of the log, and an origin that takes `time` for each answer.
struct Scene {
    fleet: Fleet,
    load: Arc<Load>,
    _origin: TestOrigin,
}

impl Scene {
    /// With `number` answers of each rule in memory.
    async fn blind(number: usize, time: Duration) -> Scene {
        let sim = RedisSim::new(1, AT_ONCE);
        let origin = TestOrigin::unbound();
        let load = Arc::new(Load::default());
        let counted = load.clone();
        origin.on("GET /*", move |_| {
            counted.began();
            let ended = counted.clone();
            let end = Step::run(move || {
                ended.now.fetch_sub(1, Ordering::SeqCst);
            });
            Answer::ok("content").first(Step::Pause(time)).first(end)
        });
        let rng = Arc::new(Mutex::new(Rng::seeded(1)));
        let stock = Arc::new(Mutex::new(Stock::default()));
        let config = LarderBuilder::config_over(RULES);
        let fleet = Fleet::before(&origin, 1, &sim, &config, stock, rng).await;
        fleet.joined().await;
        let scene = Scene {
            fleet,
            load,
            _origin: origin,
        };
        for rule in ["items", "spare", "pages"] {
            scene.ask_all(rule, number).await;
        }
        sim.cut(0);
        tokio::time::sleep(2 * MAX_BLIND + Duration::from_secs(3)).await;
        scene.load.most.store(0, Ordering::SeqCst);
        scene.load.all.store(0, Ordering::SeqCst);
        scene
    }

    /// Asks for many at once, and waits for all.
    async fn ask_all(&self, rule: &str, number: usize) -> Vec<(Response, Duration)> {
        let mut asked = Vec::new();
        for id in 0..number {
            let mut client = self.fleet.pods[0].connect();
            let target = format!("/{rule}/{id}");
            asked.push(tokio::spawn(async move {
                let began = tokio::time::Instant::now();
                let answer = client.request("GET", &target, &[], b"").await.complete();
                (answer, began.elapsed())
            }));
        }
        let mut answers = Vec::new();
        for asked in asked {
            answers.push(asked.await.expect("an answer"));
        }
        assert!(answers.iter().all(|(answer, _)| answer.status == 200));
        answers
    }

    fn most(&self) -> u64 {
        self.load.most.load(Ordering::SeqCst)
    }

    fn all(&self) -> u64 {
        self.load.all.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn four_at_a_time_go_to_the_origin_and_the_others_wait() {
    let scene = Scene::blind(12, Duration::from_millis(200)).await;
    let answers = scene.ask_all("items", 12).await;
    assert!(
        answers
            .iter()
            .all(|(answer, _)| answer.cache_status().reason() == "blind")
    );
    assert_eq!((scene.most(), scene.all()), (4, 12));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_place_for_longer_than_a_second() {
    let scene = Scene::blind(40, Duration::from_millis(500)).await;
    let answers = scene.ask_all("items", 40).await;
    let longest = answers.iter().map(|(_, took)| *took).max().expect("answers");
    // A second, a connection, and the origin's own time.
    assert!(longest < Duration::from_millis(1_700), "{longest:?}");
    assert_eq!(scene.all(), 40);
}

#[tokio::test(start_paused = true)]
async fn what_may_stand_in_for_an_origin_that_fails_spares_one_that_must_be_spared() {
    let scene = Scene::blind(12, Duration::from_millis(200)).await;
    let answers = scene.ask_all("spare", 12).await;
    let stood_in = answers.iter().filter(|(answer, _)| answer.cache_status().hit);
    assert_eq!((stood_in.count(), scene.all(), scene.most()), (8, 4, 4));
}

#[tokio::test(start_paused = true)]
async fn what_no_write_can_hit_is_served_however_long_the_log_is_out_of_sight() {
    let scene = Scene::blind(12, Duration::from_millis(200)).await;
    let answers = scene.ask_all("pages", 12).await;
    assert!(answers.iter().all(|(answer, _)| answer.cache_status().hit));
    assert_eq!(scene.all(), 0);
}
