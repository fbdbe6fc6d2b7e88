//! The counters and histograms behind `/metrics`.
//!
//! Counting costs an index and an atomic addition: cells lie in arrays by rule and outcome, and
//! the recorder is told their sums only when it is asked to render. No global recorder, since
//! several Larders may live in one process. Labels are bounded: a rule's name, and words from
//! closed lists; never a path, a key or a user.

mod by_hand;
mod cells;
mod coding;
mod fleet;
mod meters;
mod redis;
mod reload;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use metrics::{Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::catalogue::{self as names, CATALOGUE, Kind};
use super::{Outcome, OutcomeKind, Snapshot};
use crate::policy::Reason;
use crate::version::{UNKNOWN, VERSION, commit};

use cells::{Cells, Counts};
use coding::CodingCells;
pub use coding::{Decoding, Pass};
use meters::Registry;
pub use meters::{Meter, Meters};
use redis::RedisCells;

const METADATA: Metadata<'static> = Metadata::new("larder", Level::INFO, None);
const OUTCOMES: usize = OutcomeKind::ALL.len();
const REASONS: usize = Reason::ALL.len();
/// The `status` label of `larder_origin_duration_seconds`.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "error"];

/// Bucket bounds in seconds where few rules have labels of their own.
const FINE: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// Bucket bounds where many have: the exposition stays within 100 KB and 4 KB a rule.
const COARSE: &[f64] = &[0.0005, 0.01, 0.1, 1.0];
/// Up to this many rules the fine bounds are used.
const FINE_RULES: usize = 16;

/// What began an invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A request with an unsafe method.
    Write,
    /// An operator.
    Purge,
}

/// What an invalidation does to what it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Never reused again.
    Hard,
    /// Stale from then on.
    Soft,
}

impl Strength {
    /// From a rule's or a purge's `soft`.
    pub fn soft(soft: bool) -> Self {
        if soft { Strength::Soft } else { Strength::Hard }
    }
}

/// How a connection failed on its client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFailure {
    /// The TLS handshake came to nothing.
    Tls,
    /// The client broke HTTP/2's rules, or went beyond what Larder allows within them.
    Http2,
    /// The client took nothing for too long: of all that a connection carried, or of one stream.
    Stalled,
}

impl ClientFailure {
    const ALL: [ClientFailure; 3] = [ClientFailure::Tls, ClientFailure::Http2, ClientFailure::Stalled];

    const fn word(self) -> &'static str {
        match self {
            ClientFailure::Tls => "tls",
            ClientFailure::Http2 => "http2",
            ClientFailure::Stalled => "stalled",
        }
    }
}

/// How the requests of one rule ended so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCounts {
    /// The rule's name, `other` or `none`.
    pub rule: Arc<str>,
    /// Requests by [`OutcomeKind`], in the order of [`OutcomeKind::ALL`].
    pub outcomes: [u64; OUTCOMES],
    /// Requests forwarded.
    pub forwards: u64,
    /// Answers stored.
    pub stored: u64,
}

impl RuleCounts {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Requests that ended this way.
    pub fn of(&self, kind: OutcomeKind) -> u64 {
        self.outcomes.get(kind as usize).copied().unwrap_or_default()
    }
}

/// Everything that is counted. One per running Larder.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Grows when rules are put in force; see [`Metrics::meters`].
    registry: Registry,
    /// By [`Source`], then [`Strength`].
    invalidations: [Counts<2>; 2],
    redis: RedisCells,
    coding: CodingCells,
    panics: AtomicU64,
    /// By [`ClientFailure`].
    client_failures: [AtomicU64; ClientFailure::ALL.len()],
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics")
            .field("rules", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Nothing counted yet; about `rules` rules are going to have labels of their own, which
    /// decides how fine the histograms are for good.
    pub fn new(rules: usize) -> Metrics {
        let recorder = recorder(if rules <= FINE_RULES { FINE } else { COARSE });
        Metrics {
            handle: recorder.handle(),
            recorder,
            registry: Registry::default(),
            invalidations: Default::default(),
            redis: RedisCells::default(),
            coding: CodingCells::default(),
            panics: AtomicU64::new(0),
            client_failures: Default::default(),
        }
    }

    /// Counts a request that was answered; once a request.
    pub fn account(&self, meter: &Meter, outcome: &Outcome) {
        let cells = meter.cells();
        let kind = outcome.kind;
        cells.requests.add(kind as usize);
        if let (true, Some(reason)) = (outcome.forwarded, outcome.reason) {
            cells.forwards.add(reason as usize);
        }
        let histogram = || self.histogram(names::DURATION, cells, "outcome", kind.word());
        record(cells.durations.get(kind as usize), histogram, outcome.duration);
    }

    /// Counts a forward that no client waits for: a background validation.
    pub fn forwarded_in_background(&self, meter: &Meter, reason: Reason) {
        meter.cells().forwards.add(reason as usize);
    }

    /// Counts an answer of the origin, or that none came (`None`), `after` so long.
    pub fn origin_answered(&self, meter: &Meter, status: Option<StatusCode>, after: Duration) {
        let cells = meter.cells();
        let class = class(status);
        let histogram = || {
            let word = CLASSES.get(class).copied().unwrap_or("error");
            self.histogram(names::ORIGIN_DURATION, cells, "status", word)
        };
        record(cells.origin.get(class), histogram, after);
    }

    /// Counts an answer that was stored whole.
    pub fn stored(&self, meter: &Meter) {
        meter.cells().stored.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that was not stored.
    pub fn not_stored(&self, meter: &Meter, reason: Reason) {
        meter.cells().not_stored.add(reason as usize);
    }

    /// Counts an event applied.
    pub fn invalidated(&self, source: Source, strength: Strength) {
        if let Some(counts) = self.invalidations.get(source as usize) {
            counts.add(strength as usize);
        }
    }

    /// Counts a request that a defect ended.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts connections or streams that failed on their clients' side.
    pub fn clients_failed(&self, failure: ClientFailure, number: usize) {
        if let Some(count) = self.client_failures.get(failure as usize) {
            count.fetch_add(number as u64, Ordering::Relaxed);
        }
    }

    /// How the requests of each rule ended so far: labelled rules, then `other`, then `none`.
    pub fn counts(&self) -> Vec<RuleCounts> {
        self.registry.all().iter().map(|cells| cells.counts()).collect()
    }

    /// Moves samples into the histograms' buckets. They pile up until someone does: call this
    /// every few seconds, see [`Metrics::keep_up`].
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Calls [`Metrics::upkeep`] for ever; to be run as a background task.
    pub async fn keep_up(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(Duration::from_secs(2));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.upkeep();
        }
    }

    /// The exposition in Prometheus' text format.
    pub fn render(&self, snapshot: &Snapshot) -> String {
        self.tell_counters(snapshot);
        self.tell_gauges(snapshot);
        if let Some(fleet) = &snapshot.fleet {
            self.tell_fleet(fleet);
        }
        self.tell_reloads(&snapshot.reloads);
        let mut text = self.handle.render();
        by_hand::push_hash(&mut text, &snapshot.config_hash);
        by_hand::push_certificates(&mut text, &snapshot.certificates);
        text
    }

    fn histogram(
        &self,
        name: &'static str,
        cells: &Cells,
        label: &'static str,
        word: &'static str,
    ) -> Histogram {
        let labels = vec![
            Label::new("rule", cells.rule.to_string()),
            Label::new(label, word),
        ];
        self.recorder
            .register_histogram(&Key::from_parts(name, labels), &METADATA)
    }

    fn tell_counters(&self, snapshot: &Snapshot) {
        for cells in self.registry.all() {
            for kind in OutcomeKind::ALL {
                let labels = [("rule", &*cells.rule), ("outcome", kind.word())];
                self.counter(names::REQUESTS, &labels, cells.requests.sum(kind as usize));
            }
            for &reason in Reason::ALL {
                let labels = [("rule", &*cells.rule), ("reason", reason.word())];
                self.counter(names::FORWARDS, &labels, cells.forwards.sum(reason as usize));
                self.counter(names::NOT_STORED, &labels, cells.not_stored.sum(reason as usize));
            }
            self.counter(
                names::STORED,
                &[("rule", &cells.rule)],
                cells.stored.load(Ordering::Relaxed),
            );
        }
        for (source, word) in [(Source::Write, "write"), (Source::Purge, "purge")] {
            for (strength, strong) in [(Strength::Hard, "hard"), (Strength::Soft, "soft")] {
                let counts = self.invalidations.get(source as usize);
                let sum = counts.map(|c| c.sum(strength as usize)).unwrap_or_default();
                self.counter(
                    names::INVALIDATIONS,
                    &[("source", word), ("strength", strong)],
                    sum,
                );
            }
        }
        for (failure, count) in ClientFailure::ALL.iter().zip(&self.client_failures) {
            let labels = [("reason", failure.word())];
            self.counter(names::CLIENT_ERRORS, &labels, count.load(Ordering::Relaxed));
        }
        self.total(names::ORIGIN_RETRIES, snapshot.origin.retries);
        self.total(names::PANICS, self.panics.load(Ordering::Relaxed));
        self.total(names::MEMORY_EVICTIONS, snapshot.memory.evictions);
        self.total(names::LOG_DROPPED, snapshot.log_dropped);
    }

    fn tell_gauges(&self, snapshot: &Snapshot) {
        let Snapshot {
            origin, memory, log, ..
        } = snapshot;
        self.gauge(
            names::CONNECTIONS,
            &[("side", "client")],
            snapshot.client_connections,
        );
        self.gauge(
            names::CONNECTIONS,
            &[("side", "origin")],
            origin.idle + origin.busy,
        );
        self.gauge(names::ORIGIN_CONNECTIONS, &[("state", "idle")], origin.idle);
        self.gauge(names::ORIGIN_CONNECTIONS, &[("state", "busy")], origin.busy);
        self.gauge(names::MEMORY_BYTES, &[], memory.bytes);
        self.gauge(names::MEMORY_BUDGET, &[], memory.budget);
        self.gauge(names::MEMORY_ENTRIES, &[], memory.entries);
        self.gauge(names::MEMORY_IN_FLIGHT, &[], memory.in_flight);
        self.gauge(names::FOLLOWERS, &[], snapshot.collapsed_followers);
        self.gauge(names::LOG_TAGS, &[], log.tags);
        self.gauge(names::LOG_PATTERNS, &[], log.patterns);
        self.gauge(names::LOG_STRIPES, &[], log.stripes);
        self.gauge(names::LOG_FLOOR, &[], log.floor);
        self.seconds(names::LOG_HORIZON, log.horizon);
        let build = [("version", VERSION), ("commit", commit().unwrap_or(UNKNOWN))];
        self.gauge(names::BUILD_INFO, &build, 1);
        let started = snapshot
            .started
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.gauge(names::START_TIME, &[], started.as_secs());
    }

    /// A counter with labels appears once it has counted: most pairs never do.
    fn counter(&self, name: &'static str, labels: &[(&'static str, &str)], sum: u64) {
        if sum > 0 {
            self.recorder
                .register_counter(&key(name, labels), &METADATA)
                .absolute(sum);
        }
    }

    /// A counter without labels is there from the start.
    fn total(&self, name: &'static str, sum: u64) {
        self.recorder
            .register_counter(&Key::from_static_name(name), &METADATA)
            .absolute(sum);
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "Prometheus has only floating-point numbers"
    )]
    fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        self.recorder
            .register_gauge(&key(name, labels), &METADATA)
            .set(value as f64);
    }
}

fn record(cell: Option<&OnceLock<Histogram>>, register: impl FnOnce() -> Histogram, value: Duration) {
    if let Some(cell) = cell {
        cell.get_or_init(register).record(value.as_secs_f64());
    }
}

fn class(status: Option<StatusCode>) -> usize {
    let hundreds = status.map(|status| usize::from(status.as_u16() / 100));
    hundreds
        .filter(|hundreds| (1..=5).contains(hundreds))
        .map_or(5, |hundreds| hundreds - 1)
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<_> = labels
        .iter()
        .map(|&(name, value)| Label::new(name, value.to_owned()))
        .collect();
    Key::from_parts(name, labels)
}

fn recorder(buckets: &[f64]) -> PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    // Only an empty list of buckets is refused, and neither of ours is.
    let recorder = builder.set_buckets(buckets).unwrap_or_default().build_recorder();
    for metric in CATALOGUE {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
    }
    recorder
}

#[cfg(test)]
mod tests;
