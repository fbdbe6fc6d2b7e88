//! What an operator asks of the data path: purges and figures.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::Proxy;
use crate::clock::Now;
use crate::config::Config;
use crate::invalidation::{Bounds, Event, Flush, Log, LogStats, Matter, Receipt, Strength};
use crate::policy::reuse::Validity;
use crate::store::RedisTier;
use crate::telemetry::{
    self, FleetFigures, LogFigures, MemoryFigures, OriginFigures, SharedLogFigures, Snapshot, Source,
    TierFigures,
};

impl Proxy {
    /// The configuration in force.
    pub fn config(&self) -> Config {
        self.ruling.load().config.clone()
    }

    /// How many stored responses in memory here an event would hit: a walk, for operators only.
    pub fn count_hit(&self, matter: &Matter) -> u64 {
        let trial = Log::in_memory(Bounds::default());
        let before = trial.order();
        trial.append_unwaited(Event::new(matter.clone(), None, Strength::Hard), self.clock.now());
        let mut hit = 0;
        self.memory.walk(|response| {
            hit += u64::from(trial.validity(&response.subject(), before) != Validity::Untouched);
        });
        hit
    }

    /// Has this pod's rules add to events that were made under others.
    pub fn heed_other_rules(self: &Arc<Self>) {
        // Not to keep the proxy alive through its own log.
        let proxy = Arc::downgrade(self);
        self.log.derive_with(Arc::new(move |write| {
            let derived = proxy.upgrade().map(|proxy| proxy.derive(write));
            derived.unwrap_or_default()
        }));
    }

    /// Appends and applies a purge.
    pub async fn purge(&self, event: Event) -> Receipt {
        let soft = event.strength == Strength::Soft;
        self.metrics
            .invalidated(Source::Purge, telemetry::Strength::soft(soft));
        self.log.append(event, self.clock.now()).await
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
            log: log_figures(&log, now),
            fleet: self
                .tier
                .as_ref()
                .map(|tier| self.fleet_figures(tier, &log, started, now)),
            collapsed_followers: self.flights.followers(),
            ..Snapshot::default()
        }
    }

    fn fleet_figures(&self, tier: &RedisTier, log: &LogStats, started: Now, now: Now) -> FleetFigures {
        let stats = tier.stats();
        FleetFigures {
            redis: tier.connections(),
            tier: TierFigures {
                lookups: stats.lookups(),
                corrupt: stats.corruptions(),
                writes: stats.writes(),
                writing: stats.writing,
            },
            log: SharedLogFigures {
                joined: log.joined,
                position: (log.position.nonce.to_string(), log.position.id.to_string()),
                position_time: Duration::from_millis(log.position.id.ms),
                lag: self
                    .log
                    .lag(now.mono)
                    .unwrap_or_else(|| now.mono.since(started.mono)),
                queued: log.queued as u64,
                unlogged: log.unlogged,
                flushes: Flush::ALL.into_iter().map(Flush::word).zip(log.flushes).collect(),
            },
            blind: self.blind.figures(),
        }
    }
}

fn log_figures(log: &LogStats, now: Now) -> LogFigures {
    let wall = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let horizon = match log.horizon.ms {
        0 => Duration::ZERO,
        ms => wall.saturating_sub(Duration::from_millis(ms)),
    };
    LogFigures {
        events: log.appended_hard + log.appended_soft,
        tags: log.exact as u64,
        patterns: log.patterns as u64,
        stripes: log.stripes_used as u64,
        floor: log.floor_order.0,
        horizon,
    }
}
