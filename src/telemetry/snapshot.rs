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
    /// What came of reading it again.
    pub reloads: ReloadFigures,
    /// Client connections open.
    pub client_connections: u64,
    /// The connections to the origin.
    pub origin: OriginFigures,
    /// The memory tier.
    pub memory: MemoryFigures,
    /// The invalidation log.
    pub log: LogFigures,
    /// What pods share; `None` where there is no Redis.
    pub fleet: Option<FleetFigures>,
    /// Requests that are reading another request's fill.
    pub collapsed_followers: u64,
    /// Access-log lines dropped because standard output took them too slowly, or not at all.
    pub log_dropped: u64,
    /// The certificates that listeners show.
    pub certificates: Vec<CertificateFigures>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            uptime: Duration::ZERO,
            started: SystemTime::UNIX_EPOCH,
            config_hash: String::new(),
            reloads: ReloadFigures::default(),
            client_connections: 0,
            origin: OriginFigures::default(),
            memory: MemoryFigures::default(),
            log: LogFigures::default(),
            fleet: None,
            collapsed_followers: 0,
            log_dropped: 0,
            certificates: Vec::new(),
        }
    }
}

/// What came of reading the configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadFigures {
    /// Reloads that changed something.
    pub applied: u64,
    /// Reloads that found nothing that could be changed.
    pub unchanged: u64,
    /// Reloads that found a configuration that cannot be used.
    pub refused: u64,
    /// Whether the configuration as last read can be used.
    pub successful: bool,
    /// When it was last read, at the start or later.
    pub read: SystemTime,
}

impl ReloadFigures {
    /// The sums by the word for what came of it.
    pub fn results(&self) -> [(&'static str, u64); 3] {
        [
            ("applied", self.applied),
            ("unchanged", self.unchanged),
            ("refused", self.refused),
        ]
    }
}

impl Default for ReloadFigures {
    fn default() -> Self {
        Self {
            applied: 0,
            unchanged: 0,
            refused: 0,
            successful: true,
            read: SystemTime::UNIX_EPOCH,
        }
    }
}

/// A certificate that a listener shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFigures {
    /// Where the listener is.
    pub listener: String,
    /// The first name that the certificate is for; empty where it has none.
    pub name: String,
    /// Until when it is valid.
    pub expires: SystemTime,
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

/// The index of the invalidation log, which every pod has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Events applied since the start.
    pub events: u64,
    /// Tags that the index holds one by one.
    pub tags: u64,
    /// Patterns that the index holds.
    pub patterns: u64,
    /// Stripes that hold what fell off the tags.
    pub stripes: u64,
    /// The order below which what is stored must be validated.
    pub floor: u64,
    /// Age of the newest event that is known by stripe alone; zero while every one is exact.
    pub horizon: Duration,
}

/// Sums since the start by word, every word of a closed list.
pub type Sums = Vec<(&'static str, u64)>;

/// What pods share, as this one sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetFigures {
    /// The connections.
    pub redis: RedisFigures,
    /// The tier.
    pub tier: TierFigures,
    /// The log.
    pub log: SharedLogFigures,
    /// Requests for the origin that only a log out of reach causes.
    pub blind: BlindFigures,
}

/// The connections to Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RedisFigures {
    /// Connections that stand.
    pub connections: u64,
    /// Servers that are left alone because they do not reply.
    pub breakers_open: u64,
}

/// The shared tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TierFigures {
    /// What lookups came to; they sum to all lookups.
    pub lookups: Sums,
    /// What was wrong with what could not be read.
    pub corrupt: Sums,
    /// What writing came to; it sums to all responses that were to be written.
    pub writes: Sums,
    /// Bytes on their way to Redis.
    pub writing: u64,
}

/// A log that pods share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedLogFigures {
    /// Whether this pod follows it.
    pub joined: bool,
    /// The newest event that the tail has brought: its incarnation and its id.
    pub position: (String, String),
    /// When that event was appended, since 1970.
    pub position_time: Duration,
    /// How long ago the tail was last complete; if it never was, since the start.
    pub lag: Duration,
    /// Own events that wait for the log.
    pub queued: u64,
    /// Own events so far whose writes were answered before the log had them.
    pub unlogged: u64,
    /// How often the index was emptied, by cause.
    pub flushes: Sums,
}

/// Requests for the origin that only a log out of reach causes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlindFigures {
    /// Under way.
    pub under_way: u64,
    /// Answers since the start from what was stored, as no more could be under way.
    pub stood_in: u64,
}
