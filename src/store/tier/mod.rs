//! The Redis tier: stored responses that all pods of a namespace share.
//!
//! No reply is waited for longer than `store.redis.timeout`, no entry longer than four times that,
//! and whatever goes wrong is a miss. Whether an entry may be used is the log's to say, asked anew for every entry (rule 11).

mod content;
mod counts;
mod find;
mod lease;
mod put;

use std::sync::Arc;
use std::time::Duration;

use super::Budget;
use super::frame::{Names, Sealer};
use crate::clock::Clock;
use crate::config;
use crate::invalidation::{self, Log};
use crate::redis::{Redis, RedisStats};
use crate::tasks::Tasks;

pub use counts::TierStats;
pub use find::{Found, Missing, Seeking};
pub use lease::{HeldLease, Lease};

use counts::Counts;

/// Longest wait for a whole entry, as a multiple of the wait for one reply; only content in chunks
/// comes near it.
const READING_PATIENCE: u32 = 4;

/// The same for one step of writing, for which nobody waits.
const WRITING_PATIENCE: u32 = 20;

/// Stored responses in Redis; a clone is another handle.
#[derive(Debug, Clone)]
pub struct RedisTier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    redis: Redis,
    log: Log,
    names: Names,
    log_names: invalidation::Names,
    sealer: Sealer,
    /// For one reply.
    timeout: Duration,
    /// What content on its way to or from Redis is counted against.
    budget: Budget,
    clock: Clock,
    tasks: Tasks,
    /// This pod's name, for leases.
    pod: Arc<str>,
    counts: Counts,
}

/// What a tier is made of.
#[derive(Debug)]
pub struct TierParts<'a> {
    /// Whose entries these are.
    pub settings: &'a config::Redis,
    /// The connections.
    pub redis: Redis,
    /// The log that tells which entries may be used.
    pub log: Log,
    /// What content on its way is counted against.
    pub budget: Budget,
    /// Time.
    pub clock: Clock,
    /// Where entries are written from.
    pub tasks: Tasks,
    /// This pod's name.
    pub pod: Arc<str>,
}

impl RedisTier {
    /// Puts the parts together.
    pub fn new(parts: TierParts<'_>) -> Self {
        let settings = parts.settings;
        let sign_key = settings.sign_key.as_ref().map(|key| key.0.as_bytes());
        Self(Arc::new(Inner {
            redis: parts.redis,
            log: parts.log,
            names: Names::new(settings.namespace.clone()),
            log_names: invalidation::Names::new(&settings.namespace),
            sealer: Sealer::new(sign_key),
            timeout: settings.timeout,
            budget: parts.budget,
            clock: parts.clock,
            tasks: parts.tasks,
            pod: parts.pod,
            counts: Counts::default(),
        }))
    }

    /// Figures for metrics.
    pub fn stats(&self) -> TierStats {
        self.0.counts.stats()
    }

    /// The state of the connections, for metrics.
    pub fn connections(&self) -> RedisStats {
        self.0.redis.stats()
    }
}
