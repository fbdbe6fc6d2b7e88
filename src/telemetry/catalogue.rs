//! Every metric: name, kind, labels and one sentence. `docs/metrics.md` repeats this list.

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, in seconds.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Requests answered.
pub(super) const REQUESTS: &str = "larder_requests_total";
/// Requests forwarded.
pub(super) const FORWARDS: &str = "larder_forwards_total";
/// Time to the answer's head.
pub(super) const DURATION: &str = "larder_request_duration_seconds";
/// Time to the origin's head.
pub(super) const ORIGIN_DURATION: &str = "larder_origin_duration_seconds";
/// Answers stored.
pub(super) const STORED: &str = "larder_stored_total";
/// Answers not stored.
pub(super) const NOT_STORED: &str = "larder_not_stored_total";
/// Invalidations.
pub(super) const INVALIDATIONS: &str = "larder_invalidations_total";
/// Open connections.
pub(super) const CONNECTIONS: &str = "larder_connections";
/// Clients that failed.
pub(super) const CLIENT_ERRORS: &str = "larder_client_connection_errors_total";
/// Connections to the origin.
pub(super) const ORIGIN_CONNECTIONS: &str = "larder_origin_connections";
/// Requests sent again.
pub(super) const ORIGIN_RETRIES: &str = "larder_origin_retries_total";
/// Bytes stored.
pub(super) const MEMORY_BYTES: &str = "larder_memory_bytes";
/// The budget.
pub(super) const MEMORY_BUDGET: &str = "larder_memory_budget_bytes";
/// Stored responses.
pub(super) const MEMORY_ENTRIES: &str = "larder_memory_entries";
/// Evictions.
pub(super) const MEMORY_EVICTIONS: &str = "larder_memory_evictions_total";
/// Bytes in flight.
pub(super) const MEMORY_IN_FLIGHT: &str = "larder_memory_in_flight_bytes";
/// Followers.
pub(super) const FOLLOWERS: &str = "larder_collapsed_followers";
/// Tags in the index.
pub(super) const LOG_TAGS: &str = "larder_log_tags";
/// Patterns in the index.
pub(super) const LOG_PATTERNS: &str = "larder_log_patterns";
/// Stripes in use.
pub(super) const LOG_STRIPES: &str = "larder_log_stripes";
/// The floor.
pub(super) const LOG_FLOOR: &str = "larder_log_floor";
/// Back to when tags are known exactly.
pub(super) const LOG_HORIZON: &str = "larder_log_horizon_seconds";
/// Whether the shared log is followed.
pub(super) const LOG_JOINED: &str = "larder_log_joined";
/// The newest event.
pub(super) const LOG_POSITION: &str = "larder_log_position_seconds";
/// How far behind.
pub(super) const LOG_LAG: &str = "larder_log_lag_seconds";
/// Events that wait for the log.
pub(super) const LOG_QUEUE: &str = "larder_log_queued_events";
/// Writes answered without the log.
pub(super) const LOG_UNLOGGED: &str = "larder_log_unlogged_total";
/// The index was emptied.
pub(super) const LOG_FLUSHES: &str = "larder_log_flushes_total";
/// Times that content was coded.
pub(super) const COMPRESSION_JOBS: &str = "larder_compression_jobs_total";
/// Time spent on coding.
pub(super) const COMPRESSION_DURATION: &str = "larder_compression_duration_seconds";
/// Bytes into and out of coding.
pub(super) const COMPRESSION_BYTES: &str = "larder_compression_bytes_total";
/// What is left of content when coded.
pub(super) const COMPRESSION_RATIO: &str = "larder_compression_ratio";
/// Bytes not sent.
pub(super) const COMPRESSION_SAVED: &str = "larder_compression_saved_bytes_total";
/// Content decoded.
pub(super) const DECODED: &str = "larder_decoded_total";
/// Lookups in the shared tier.
pub(super) const STORE_LOOKUPS: &str = "larder_store_lookups_total";
/// Writes to the shared tier.
pub(super) const STORE_WRITES: &str = "larder_store_writes_total";
/// Bytes on their way to the shared tier.
pub(super) const STORE_WRITING: &str = "larder_store_writing_bytes";
/// Unreadable entries.
pub(super) const REDIS_CORRUPT: &str = "larder_redis_corrupt_entries_total";
/// Forwards while blind.
pub(super) const BLIND_FORWARDS: &str = "larder_blind_forwards";
/// Answers in place of those.
pub(super) const BLIND_STOOD_IN: &str = "larder_blind_stood_in_total";
/// Requests to Redis.
pub(super) const REDIS_OPERATIONS: &str = "larder_redis_operations_total";
/// Time of requests to Redis.
pub(super) const REDIS_DURATION: &str = "larder_redis_operation_duration_seconds";
/// What was wrong with Redis.
pub(super) const REDIS_FAILURES: &str = "larder_redis_failures_total";
/// Connections to Redis.
pub(super) const REDIS_CONNECTIONS: &str = "larder_redis_connections";
/// Servers that are left alone.
pub(super) const REDIS_BREAKER_OPEN: &str = "larder_redis_breaker_open";
/// Panics.
pub(super) const PANICS: &str = "larder_panics_total";
/// Dropped lines.
pub(super) const LOG_DROPPED: &str = "larder_log_dropped_total";
/// Reloads.
pub(super) const RELOADS: &str = "larder_config_reloads_total";
/// Whether the last one came to something.
pub(super) const RELOAD_SUCCESSFUL: &str = "larder_config_last_reload_successful";
/// When it was.
pub(super) const RELOAD_TIME: &str = "larder_config_last_reload_timestamp_seconds";
/// The configuration in force.
pub(super) const CONFIG_HASH: &str = "larder_config_hash";
/// Until when a listener's certificate is valid.
pub(super) const CERTIFICATE_EXPIRY: &str = "larder_tls_certificate_expiry_timestamp_seconds";
/// The version.
pub(super) const BUILD_INFO: &str = "larder_build_info";
/// Start time.
pub(super) const START_TIME: &str = "process_start_time_seconds";

/// Every metric that `/metrics` can show.
pub const CATALOGUE: &[Metric] = &[
    counter(
        REQUESTS,
        &["rule", "outcome"],
        "Requests answered, by how; the outcomes sum to all requests.",
    ),
    counter(
        FORWARDS,
        &["rule", "reason"],
        "Requests forwarded to the origin, by why.",
    ),
    histogram(
        DURATION,
        &["rule", "outcome"],
        "Time from the request's head to the answer's.",
    ),
    histogram(
        ORIGIN_DURATION,
        &["rule", "status"],
        "Time until the origin's answer began, by class of status; error: none came.",
    ),
    counter(STORED, &["rule"], "Answers stored."),
    counter(
        NOT_STORED,
        &["rule", "reason"],
        "Answers of the origin that were not stored, by why; overtaken: a write came between.",
    ),
    counter(
        INVALIDATIONS,
        &["source", "strength"],
        "Invalidations applied, by a write or a purge, hard or soft.",
    ),
    gauge(
        CONNECTIONS,
        &["side"],
        "Connections open, to clients and to the origin.",
    ),
    counter(
        CLIENT_ERRORS,
        &["reason"],
        "Connections of clients that failed: `tls` at the handshake, `http2` because the client broke the protocol; `stalled`, connections and HTTP/2 streams ended because the client took nothing for `limits.write_timeout`.",
    ),
    gauge(
        ORIGIN_CONNECTIONS,
        &["state"],
        "Connections to the origin, idle and busy.",
    ),
    counter(
        ORIGIN_RETRIES,
        &[],
        "Requests sent a second time after a connection failed.",
    ),
    gauge(
        MEMORY_BYTES,
        &[],
        "Bytes that stored responses hold, overhead included.",
    ),
    gauge(
        MEMORY_BUDGET,
        &[],
        "Bytes that stored responses, fills and buffered bodies may hold together.",
    ),
    gauge(MEMORY_ENTRIES, &[], "Stored responses in memory."),
    counter(MEMORY_EVICTIONS, &[], "Stored responses evicted for room."),
    gauge(
        MEMORY_IN_FLIGHT,
        &[],
        "Bytes that fills and buffered bodies hold.",
    ),
    gauge(
        FOLLOWERS,
        &[],
        "Requests that are reading another request's fill.",
    ),
    gauge(
        LOG_TAGS,
        &[],
        "Tags that the invalidation index holds one by one.",
    ),
    gauge(LOG_PATTERNS, &[], "Patterns that the invalidation index holds."),
    gauge(
        LOG_STRIPES,
        &[],
        "Stripes of the invalidation index that hold what fell off its tags, of 262144.",
    ),
    gauge(
        LOG_FLOOR,
        &[],
        "The change of the invalidation index before which nothing is known: what is older validates.",
    ),
    gauge(
        LOG_HORIZON,
        &[],
        "Age of the newest event that is known by stripe alone; 0 while every one is known exactly.",
    ),
    gauge(
        LOG_JOINED,
        &[],
        "1 while this pod follows the shared log, 0 while it does not.",
    ),
    gauge(
        LOG_POSITION,
        &[],
        "When the newest event applied was appended, in seconds since 1970.",
    ),
    gauge(
        LOG_LAG,
        &[],
        "Time since everything in the shared log was known here; since the start where it never was.",
    ),
    gauge(
        LOG_QUEUE,
        &[],
        "Invalidations of this pod that the shared log does not have yet.",
    ),
    counter(
        LOG_UNLOGGED,
        &[],
        "Invalidations that bound this pod alone when they were answered; all are queued for the log.",
    ),
    counter(
        LOG_FLUSHES,
        &["cause"],
        "Times that the invalidation index was emptied, so that what was stored had to be validated.",
    ),
    counter(
        STORE_LOOKUPS,
        &["tier", "result"],
        "Lookups in a shared tier, by what came of them; the results sum to all lookups.",
    ),
    counter(
        STORE_WRITES,
        &["tier", "result"],
        "Stored responses to be written to a shared tier, by what came of it.",
    ),
    gauge(STORE_WRITING, &["tier"], "Bytes on their way to a shared tier."),
    counter(
        REDIS_CORRUPT,
        &["kind"],
        "Entries of Redis that could not be read, by what was wrong with them.",
    ),
    gauge(
        BLIND_FORWARDS,
        &[],
        "Requests under way to the origin for no other reason than a log out of reach.",
    ),
    counter(
        BLIND_STOOD_IN,
        &[],
        "Answers from what was stored, as `blind_forwards` let no more such requests go.",
    ),
    counter(
        REDIS_OPERATIONS,
        &["operation", "result"],
        "Requests to Redis, by what for and what came of it.",
    ),
    histogram(
        REDIS_DURATION,
        &["operation"],
        "Time until Redis had replied, or the request was given up.",
    ),
    counter(
        REDIS_FAILURES,
        &["kind"],
        "Connections to Redis that ended or could not be made, and requests that it refused, by what was wrong.",
    ),
    gauge(REDIS_CONNECTIONS, &[], "Connections to Redis that stand."),
    gauge(
        REDIS_BREAKER_OPEN,
        &[],
        "Servers of Redis that are left alone because they do not reply.",
    ),
    counter(
        COMPRESSION_JOBS,
        &["coding", "pass"],
        "Times that content was compressed, by coding and by pass: `first` for a client, `later` in the background, `stream` for one client alone.",
    ),
    histogram(
        COMPRESSION_DURATION,
        &["coding", "pass"],
        "Time spent on compressing one content, waiting not counted.",
    ),
    counter(
        COMPRESSION_BYTES,
        &["coding", "direction"],
        "Bytes that went into compression (`in`) and came out of it (`out`).",
    ),
    gauge(
        COMPRESSION_RATIO,
        &["coding"],
        "Bytes that came out of compression for each that went in, since the start.",
    ),
    counter(
        COMPRESSION_SAVED,
        &["coding"],
        "Bytes that were not sent because a stored coding was sent instead.",
    ),
    counter(
        DECODED,
        &["coding", "result"],
        "Answers decoded for a client that cannot read the origin's coding: `done`, `corrupt`, or `too_long` past `limits.decoded_body`.",
    ),
    counter(PANICS, &[], "Requests that a defect in Larder ended."),
    counter(
        LOG_DROPPED,
        &[],
        "Access-log lines dropped because standard output took them too slowly, or not at all.",
    ),
    counter(
        RELOADS,
        &["result"],
        "Times that the configuration was read again, by what came of it.",
    ),
    gauge(
        RELOAD_SUCCESSFUL,
        &[],
        "1 where the configuration as last read can be used, 0 where it was refused and an earlier one stays in force.",
    ),
    gauge(
        RELOAD_TIME,
        &[],
        "When the configuration was last read, at the start or later, in seconds since 1970.",
    ),
    gauge(
        CONFIG_HASH,
        &["hash"],
        "Always 1; the label is a digest of the configuration file that is in force.",
    ),
    gauge(
        CERTIFICATE_EXPIRY,
        &["listener", "name"],
        "Until when a certificate that a listener shows is valid, in seconds since 1970; `name` is the first name it is for.",
    ),
    gauge(
        BUILD_INFO,
        &["version", "commit"],
        "Always 1; the labels say which version runs, and from which commit it was built, if that is known.",
    ),
    gauge(
        START_TIME,
        &[],
        "When the process started, in seconds since 1970.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table in `docs/metrics.md`, as they must be.
    fn rows() -> Vec<String> {
        let label = |label: &&str| format!("`{label}`");
        CATALOGUE
            .iter()
            .map(|m| {
                let labels: Vec<_> = m.labels.iter().map(label).collect();
                format!(
                    "| `{}` | {} | {} | {} |",
                    m.name,
                    m.kind.word(),
                    labels.join(", "),
                    m.help
                )
            })
            .collect()
    }

    #[test]
    fn the_documentation_lists_exactly_these_metrics() {
        let page = include_str!("../../docs/metrics.md");
        let listed: Vec<_> = page.lines().filter(|l| l.starts_with("| `")).collect();
        assert_eq!(listed, rows());
    }
}
