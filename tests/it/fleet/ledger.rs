//! What was written when, and from when on it binds whom: what a read may not be older than.
//!
//! The origin numbers the versions of each item. A read that begins after a write's answer
//! - through the same pod never shows less than that write made;
//! - nor as a hit in Redis through any pod, if the log has the write's event;
//! - nor from the memory of any pod once `max_blind` has passed since then.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::support::{Answer, Response, Rng, Seen, Step, TestOrigin};

/// What the pods are configured with.
pub(super) const MAX_BLIND: Duration = Duration::from_secs(1);

/// One history's writes.
#[derive(Debug)]
pub(super) struct Ledger {
    items: Vec<Mutex<Item>>,
}

#[derive(Debug, Default)]
struct Item {
    /// By pod: the newest version that was written through it.
    through: Vec<usize>,
    /// Versions whose events the log has, with when that was known; both rising.
    logged: Vec<(Instant, usize)>,
}

/// How an answer came about, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// From Redis, for certain.
    Redis,
    /// Any.
    Any,
}

/// The least version that a read may show, by what binds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    own: usize,
    redis: usize,
    memory: usize,
}

impl Floor {
    fn of(&self, source: Source) -> usize {
        let any = self.own.max(self.memory);
        match source {
            Source::Redis => any.max(self.redis),
            Source::Any => any,
        }
    }

    /// Whether anything binds the read.
    pub(super) fn binds(&self, source: Source) -> bool {
        self.of(source) > 0
    }

    /// Why a version may not be shown.
    pub(super) fn objection(&self, version: usize, source: Source) -> Option<String> {
        (version < self.of(source)).then(|| format!("version {version} from {source:?} under {self:?}"))
    }
}

impl Ledger {
    pub(super) fn new(items: usize, pods: usize) -> Ledger {
        let item = || {
            Mutex::new(Item {
                through: vec![0; pods],
                logged: Vec::new(),
            })
        };
        Ledger {
            items: (0..items).map(|_| item()).collect(),
        }
    }

    /// What binds a read through `pod` that begins now.
    pub(super) fn floor(&self, pod: usize, item: usize) -> Floor {
        let (now, item) = (Instant::now(), self.items[item].lock());
        let by = |limit: Instant| {
            let known = item.logged.iter().rev().find(|(since, _)| *since <= limit);
            known.map_or(0, |(_, version)| *version)
        };
        Floor {
            own: item.through[pod],
            redis: by(now),
            memory: now.checked_sub(MAX_BLIND).map_or(0, by),
        }
    }

    /// A write through `pod` was answered.
    pub(super) fn answered(&self, pod: usize, item: usize, version: usize) {
        let own = &mut self.items[item].lock().through[pod];
        *own = version.max(*own);
    }

    /// The log has the event of a write.
    pub(super) fn logged(&self, item: usize, version: usize) {
        let logged = &mut self.items[item].lock().logged;
        if logged.last().is_none_or(|(_, newest)| *newest < version) {
            logged.push((Instant::now(), version));
        }
    }
}

/// Has an origin number the versions of `items`. A write counts when its request comes, and a read
/// shows what counts then; both are answered up to `rest` later.
pub(super) fn script(origin: &TestOrigin, items: usize, rest: Duration, seed: u64) {
    let state = Mutex::new((vec![0_usize; items], Rng::seeded(seed)));
    origin.on("/items/*", move |seen| {
        let (versions, rng) = &mut *state.lock();
        let item = item_of(seen);
        if seen.method == "PUT" {
            versions[item] += 1;
        }
        let version = versions[item];
        let tag = format!("\"{item}-{version}\"");
        let same = seen.method == "GET"
            && seen
                .field("if-none-match")
                .is_some_and(|known| known.contains(&tag));
        let answer = if same {
            Answer::status(304)
        } else {
            Answer::ok(format!("{item} {version}"))
        };
        // Half of the items can be validated.
        let answer = if item.is_multiple_of(2) {
            answer.field("ETag", &tag)
        } else {
            answer
        };
        let at_once = rest.is_zero() || rng.below(3) == 0;
        if at_once {
            answer
        } else {
            answer.first(Step::Pause(rng.rest(rest)))
        }
    });
}

fn item_of(seen: &Seen) -> usize {
    seen.path()["/items/".len()..].parse().expect("an item's number")
}

/// The version in an answer about an item, if it is one.
pub(super) fn version_of(answer: &Response, item: usize) -> Option<usize> {
    let text = std::str::from_utf8(&answer.content).ok()?;
    let (of, version) = text.split_once(' ')?;
    (of == item.to_string()).then(|| version.parse().ok())?
}
