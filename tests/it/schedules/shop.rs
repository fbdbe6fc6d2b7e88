//! The origin of the schedules: versioned items, writes that commit and then fail, answers that
//! were read long before they are sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use larder::origin::{Connect, Connected, Connecting, Wanted};
use parking_lot::Mutex;
use tokio::io::DuplexStream;

use crate::support::{Answer, Client, LarderBuilder, Rng, Seen, Step, TestLarder, TestOrigin};

/// Short lifetimes, so that validation and background fetches happen too.
const RULES: &str = "store: { memory: 16MiB, max_object: 1MiB }
cache_status: true
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 900ms, tags: ['item:{id}'], stale_while_revalidate: 600ms, stale_if_error: 1m }
  - { name: items, match: GET /items, ttl: 2s }
  - { match: 'PUT /items/{id}', invalidate: ['item:{id}', items], timeout: 700ms }
  - { match: 'POST /soften/{id}', invalidate: ['item:{id}', items], soft: true }
  - { match: POST /drop, invalidate: [item, items] }
";

/// How a write ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// With the origin's 200.
    Answered,
    /// With an error after the commit, or before it.
    Unknown,
}

/// Larder, its origin, and what is known of the versions.
#[derive(Clone)]
pub struct Shop {
    larder: Arc<TestLarder>,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Default)]
struct Facts {
    /// The present version of each item at the origin.
    present: [u64; super::ITEMS as usize],
    /// The highest version of each item that a client knows to be written.
    acknowledged: [u64; super::ITEMS as usize],
    /// What each write has committed so far: item and version; and whether it fails.
    committed: HashMap<u64, (usize, u64, Written)>,
    writes: u64,
}

impl Shop {
    pub async fn start(seed: u64) -> Shop {
        let origin = TestOrigin::unbound();
        let facts = Arc::new(Mutex::new(Facts::default()));
        let rng = Arc::new(Mutex::new(Rng::seeded(seed)));
        script(&origin, &facts, &rng);
        let connect = Memory {
            serve: Arc::new(origin.server()),
            rng,
        };
        let larder = LarderBuilder::over(RULES, Arc::new(connect))
            .manual_clock()
            .start()
            .await;
        Shop {
            larder: Arc::new(larder),
            facts,
        }
    }

    /// A client over an in-memory pipe.
    pub fn connect(&self) -> Client {
        let (near, far) = tokio::io::duplex(4096);
        self.larder.serve(far);
        Client::over(near)
    }

    /// The versions that a read which begins now must at least show.
    pub fn acknowledged(&self) -> Vec<u64> {
        self.facts.lock().acknowledged.to_vec()
    }

    /// The versions at the origin now.
    pub fn present(&self) -> Vec<u64> {
        self.facts.lock().present.to_vec()
    }

    /// From now on reads must show at least these versions.
    pub fn raise(&self, versions: &[u64]) {
        let mut facts = self.facts.lock();
        for (acknowledged, version) in facts.acknowledged.iter_mut().zip(versions) {
            *acknowledged = (*acknowledged).max(*version);
        }
    }

    /// A number for a write.
    pub fn new_write(&self) -> u64 {
        let mut facts = self.facts.lock();
        facts.writes += 1;
        facts.writes
    }

    /// The write's answer has arrived: what it has committed by now binds every later read.
    pub fn acknowledge(&self, write: u64) -> Written {
        let mut facts = self.facts.lock();
        match facts.committed.get(&write).copied() {
            Some((item, version, written)) => {
                facts.acknowledged[item] = facts.acknowledged[item].max(version);
                written
            }
            None => Written::Unknown,
        }
    }
}

fn script(origin: &TestOrigin, facts: &Arc<Mutex<Facts>>, rng: &Arc<Mutex<Rng>>) {
    let (read, chance) = (Arc::clone(facts), Arc::clone(rng));
    origin.on("GET /*", move |seen| {
        let content = shown(&read.lock().present, seen);
        let mut rng = chance.lock();
        slow_answer(content, seen, &mut rng)
    });
    origin.on("POST /*", |_| Answer::ok("done"));
    let (written, chance) = (Arc::clone(facts), Arc::clone(rng));
    origin.on("PUT /*", move |seen| {
        let mut rng = chance.lock();
        write(&written, seen, &mut rng)
    });
}

fn shown(present: &[u64], seen: &Seen) -> String {
    let one = seen
        .path()
        .strip_prefix("/items/")
        .and_then(|item| item.parse::<usize>().ok());
    let items = present
        .iter()
        .enumerate()
        .filter(|(item, _)| one.is_none_or(|one| one == *item));
    items
        .map(|(item, version)| format!("{item}={version}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What was read now leaves piece by piece, much later.
fn slow_answer(content: String, seen: &Seen, rng: &mut Rng) -> Answer {
    let tag = format!("\"{content}\"");
    let pause = |rng: &mut Rng| Step::Pause(rng.rest(Duration::from_millis(300)));
    if seen.field("if-none-match") == Some(&tag) {
        return Answer::status(304).field("ETag", &tag).first(pause(rng));
    }
    let (start, end) = content.split_at(1);
    let answer = match rng.below(12) {
        0 => return Answer::status(503).first(pause(rng)),
        1 => return Answer::ok(content).reset_first(),
        2 => Answer::status(200)
            .first(pause(rng))
            .chunk(start.to_owned())
            .then(pause(rng))
            .close(),
        3..=6 => Answer::ok(content.clone()).first(pause(rng)),
        _ => Answer::status(200)
            .first(pause(rng))
            .chunk(start.to_owned())
            .then(pause(rng))
            .chunk(end.to_owned()),
    };
    if rng.below(2) == 0 {
        answer.field("ETag", &tag)
    } else {
        answer
    }
}

fn write(facts: &Arc<Mutex<Facts>>, seen: &Seen, rng: &mut Rng) -> Answer {
    let item: usize = seen
        .path()
        .trim_start_matches("/items/")
        .parse()
        .unwrap_or_default();
    let number = seen.field("x-write").and_then(|n| n.parse::<u64>().ok());
    let pause = |rng: &mut Rng| Step::Pause(rng.rest(Duration::from_millis(250)));
    let ending = rng.below(8);
    let written = if ending < 3 {
        Written::Unknown
    } else {
        Written::Answered
    };
    let facts = Arc::clone(facts);
    let commit = Step::run(move || {
        let mut facts = facts.lock();
        facts.present[item] += 1;
        let version = facts.present[item];
        if let Some(number) = number {
            facts.committed.insert(number, (item, version, written));
        }
    });
    let status = if ending == 0 { 500 } else { 200 };
    let answer = Answer::status(status)
        .first(pause(rng))
        .first(commit)
        .first(pause(rng));
    match ending {
        1 => answer.first(Step::Never),
        2 => answer.reset_first(),
        _ => answer,
    }
}

/// Connections to the origin that never leave memory.
struct Memory {
    serve: Arc<dyn Fn(DuplexStream) + Send + Sync>,
    rng: Arc<Mutex<Rng>>,
}

impl Connect for Memory {
    fn connect(&self, _: Wanted) -> Connecting {
        let (serve, rest) = (
            Arc::clone(&self.serve),
            self.rng.lock().rest(Duration::from_millis(20)),
        );
        Box::pin(async move {
            tokio::time::sleep(rest).await;
            let (near, far) = tokio::io::duplex(4096);
            serve(far);
            Ok(Connected::http1(near))
        })
    }
}
