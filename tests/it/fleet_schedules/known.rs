//! What clients know of the writes, and what the guarantee of mode `fast` makes of it.

use std::time::Duration;

use tokio::time::Instant;

use super::fleet::{Floors, ITEMS, MAX_BLIND};

/// Beyond `max_blind`: the timers of the simulation count in milliseconds.
const SLACK: Duration = Duration::from_millis(10);

/// How long an event is on its way to the slowest pod while nothing is wrong.
const PUSHED: Duration = Duration::from_millis(120);

/// How long after the last fault nothing is wrong any more: the pods have noticed connections on
/// which nothing arrives, and follow the log again.
const CALM: Duration = Duration::from_secs(4);

/// A time in which some pods talk to another master than the rest.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    pub from: Instant,
    pub until: Instant,
    /// Whether the old master takes writes, which are lost in the end.
    pub writes: bool,
}

/// A version that a client knows to be written.
struct Ack {
    at: Instant,
    pod: usize,
    item: usize,
    version: u64,
    /// Since when the log that all pods follow has its event, as far as known.
    logged: Option<Instant>,
}

#[derive(Default)]
pub struct Known {
    acks: Vec<Ack>,
    /// The last fault ends then.
    trouble: Option<Instant>,
    splits: Vec<Split>,
}

impl Known {
    pub fn acknowledge(&mut self, pod: usize, item: usize, version: u64, logged: bool) {
        let at = Instant::now();
        // What a master took that is one no longer is taken for lost, until the pod brings it again.
        let split = self.splits.iter().any(|split| split.writes && at < split.until);
        let logged = (logged && !split).then_some(at);
        self.acks.push(Ack {
            at,
            pod,
            item,
            version,
            logged,
        });
    }

    pub fn trouble(&mut self, until: Instant, split: Option<Split>) {
        self.trouble = self.trouble.max(Some(until));
        self.splits.extend(split);
    }

    /// Whether events of a pod may not be in the log.
    pub fn is_behind(&self, pod: usize) -> bool {
        let split = self.splits.iter().any(|split| Instant::now() < split.until);
        !split && self.acks.iter().any(|ack| ack.pod == pod && ack.logged.is_none())
    }

    /// The log has all events of a pod.
    pub fn arrived(&mut self, pod: usize) {
        let now = Instant::now();
        for ack in self.acks.iter_mut().filter(|ack| ack.pod == pod) {
            ack.logged.get_or_insert(now);
        }
    }

    /// What a read through a pod must show that begins now.
    pub fn floors(&self, pod: usize) -> [Floors; ITEMS] {
        let now = Instant::now();
        let calm = self.trouble.is_none_or(|until| now >= until + CALM);
        let mut floors = [Floors::default(); ITEMS];
        for ack in &self.acks {
            let floors = &mut floors[ack.item];
            if ack.pod == pod {
                floors.own = floors.own.max(ack.version);
            }
            let Some(logged) = ack.logged else { continue };
            if !self.is_split_from(ack.at, now) {
                floors.logged = floors.logged.max(ack.version);
            }
            // Who followed the old master was current until the split was over.
            let heard = self
                .splits
                .iter()
                .filter(|split| split.writes && split.from <= ack.at);
            let heard = heard.map(|split| split.until).max().unwrap_or(logged).max(logged);
            if now >= heard + MAX_BLIND + SLACK {
                floors.bound = floors.bound.max(ack.version);
            }
            if calm && now >= logged + PUSHED {
                floors.pushed = floors.pushed.max(ack.version);
            }
        }
        floors
    }

    /// Whether a pod may read from a master that does not know of this write.
    fn is_split_from(&self, write: Instant, now: Instant) -> bool {
        let of = |split: &Split| split.from <= write && now <= split.until + MAX_BLIND;
        self.splits.iter().any(of)
    }
}
