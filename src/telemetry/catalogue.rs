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
/// Panics.
pub(super) const PANICS: &str = "larder_panics_total";
/// Dropped lines.
pub(super) const LOG_DROPPED: &str = "larder_log_dropped_total";
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
    counter(PANICS, &[], "Requests that a defect in Larder ended."),
    counter(
        LOG_DROPPED,
        &[],
        "Access-log lines dropped because standard output took them too slowly, or not at all.",
    ),
    gauge(
        BUILD_INFO,
        &["version"],
        "Always 1; the label says which version runs.",
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
