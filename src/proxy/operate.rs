//! What an operator asks of the data path: purges and figures.

use super::Proxy;
use crate::clock::Now;
use crate::config::Config;
use crate::invalidation::{Bounds, Event, Log, Matter, Receipt, Strength};
use crate::policy::reuse::Validity;
use crate::telemetry::{self, LogFigures, MemoryFigures, OriginFigures, Snapshot, Source};

impl Proxy {
    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.ruling.load().config.clone()
    }

    /// How many stored responses in memory here an event would hit: a walk, for operators only.
    pub fn count_hit(&self, matter: &Matter) -> u64 {
        let trial = Log::in_memory(Bounds::default());
        let before = trial.order();
        trial.append(Event::new(matter.clone(), None, Strength::Hard), self.clock.now());
        let mut hit = 0;
        self.memory.walk(|response| {
            hit += u64::from(trial.validity(&response.subject(), before) != Validity::Untouched);
        });
        hit
    }

    /// Appends and applies a purge.
    pub fn purge(&self, event: Event) -> Receipt {
        let soft = event.strength == Strength::Soft;
        self.metrics
            .invalidated(Source::Purge, telemetry::Strength::soft(soft));
        self.log.append(event, self.clock.now())
    }

    /// The figures of everything behind the data path; those of the server are the caller's.
    pub fn snapshot(&self, started: Now) -> Snapshot {
        let now = self.clock.now();
        let (memory, log, origin) = (self.memory.stats(), self.log.stats(), self.origin.stats());
        Snapshot {
            uptime: now.mono.since(started.mono),
            started: started.wall,
            config_hash: self.ruling.load().config.hash.clone(),
            origin: OriginFigures {
                idle: origin.idle as u64,
                busy: origin.open.saturating_sub(origin.idle) as u64,
                retries: origin.retried,
            },
            memory: MemoryFigures {
                bytes: memory.bytes,
                budget: memory.capacity,
                entries: memory.entries,
                evictions: memory.evictions,
                in_flight: memory.in_flight,
            },
            log: LogFigures {
                events: log.appended_hard + log.appended_soft,
                tags: log.exact as u64,
                patterns: log.patterns as u64,
            },
            collapsed_followers: self.flights.followers(),
            ..Snapshot::default()
        }
    }
}
