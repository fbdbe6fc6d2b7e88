//! What is measured by looking, not by counting: taken at each scrape.

use std::time::{Duration, SystemTime};

/// The state of a running Larder at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// How long the process has run.
    pub uptime: Duration,
    /// When it started.
    pub started: SystemTime,
    /// Digest of the configuration that is in force.
    pub config_hash: String,
    /// Client connections open.
    pub client_connections: u64,
    /// The connections to the origin.
    pub origin: OriginFigures,
    /// The memory tier.
    pub memory: MemoryFigures,
    /// The invalidation log.
    pub log: LogFigures,
    /// Requests that are reading another request's fill.
    pub collapsed_followers: u64,
    /// Access-log lines dropped because standard output took them too slowly, or not at all.
    pub log_dropped: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            uptime: Duration::ZERO,
            started: SystemTime::UNIX_EPOCH,
            config_hash: String::new(),
            client_connections: 0,
            origin: OriginFigures::default(),
            memory: MemoryFigures::default(),
            log: LogFigures::default(),
            collapsed_followers: 0,
            log_dropped: 0,
        }
    }
}

/// The connections to the origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OriginFigures {
    /// Kept and unused.
    pub idle: u64,
    /// Carrying a request.
    pub busy: u64,
    /// Requests sent a second time since the start.
    pub retries: u64,
}

/// The memory tier, in bytes where not said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Held by stored responses, overhead included.
    pub bytes: u64,
    /// Everything together may hold this much.
    pub budget: u64,
    /// Number of stored responses.
    pub entries: u64,
    /// Number of stored responses evicted for room since the start.
    pub evictions: u64,
    /// Held by fills and buffered request bodies.
    pub in_flight: u64,
}

/// The invalidation log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Events applied since the start.
    pub events: u64,
    /// Tags that the index holds one by one.
    pub tags: u64,
    /// Patterns that the index holds.
    pub patterns: u64,
}
