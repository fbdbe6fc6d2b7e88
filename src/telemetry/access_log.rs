//! One line a request, where the settings ask for one.
//!
//! [`AccessLogger::wants`] is asked first and costs next to nothing; a line is built only after
//! it said yes. Lines never hold control bytes, and of a query only the names and keyed digests
//! of the values: they are other people's data.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::Method;

use self::members::{Members, name};
use self::query::Digests;
use super::{Outcome, OutcomeKind};
use crate::config::{AccessLog, LogFormat, LogSettings};

mod escape;
mod members;
mod query;

/// Where lines go, each ending in a line feed. Must not wait.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// So many bytes hold most lines, so that a line is one allocation.
const USUAL_LINE: usize = 512;

/// What a line says beside the [`Outcome`], as soon as the answer's head is known.
#[derive(Debug, Clone, Copy)]
pub struct AccessLine<'a> {
    /// When the request's head had arrived.
    pub time: SystemTime,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Its method.
    pub method: &'a Method,
    /// Its path as sent.
    pub path: &'a str,
    /// Its query as sent, without `?`.
    pub query: Option<&'a str>,
    /// Its authority as sent.
    pub host: &'a str,
    /// The name of the rule that answered.
    pub rule: &'a str,
    /// Until the origin's head came, where it was asked.
    pub origin: Option<Duration>,
    /// The client's address.
    pub peer: IpAddr,
    /// The request's identifier.
    pub request_id: &'a str,
}

/// A line that lacks only what is known when the answer's content has left.
#[derive(Debug)]
pub struct OpenLine {
    /// What stands after the gap, then what stands before it: the end is written first, so that
    /// closing the line only appends.
    text: String,
    /// Where what stands before the gap begins.
    start: usize,
}

/// Decides which requests get a line, and writes it. Which do is asked with the settings that the
/// request began under; the form of a line stays what it was at the start.
pub struct AccessLogger {
    format: LogFormat,
    digests: Digests,
    sink: Sink,
    /// Requests that the rate was asked about.
    asked: AtomicU64,
}

impl std::fmt::Debug for AccessLogger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLogger")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl AccessLogger {
    /// A log that writes to `sink`; its digests agree with no other log's.
    pub fn new(format: LogFormat, sink: Sink) -> Self {
        Self {
            format,
            digests: Digests::default(),
            sink,
            asked: AtomicU64::new(0),
        }
    }

    /// Whether this request gets a line. Ask once a request: a rate counts the questions.
    pub fn wants(&self, settings: &LogSettings, outcome: &Outcome) -> bool {
        match settings.access {
            AccessLog::Off => false,
            AccessLog::All => true,
            AccessLog::Errors => is_notable(settings, outcome),
            AccessLog::Rate(share) => is_notable(settings, outcome) || self.is_sampled(share),
        }
    }

    /// Begins a line, whether wanted or not. It is written by [`AccessLogger::close`].
    pub fn open(&self, line: &AccessLine<'_>) -> OpenLine {
        let mut text = String::with_capacity(USUAL_LINE);
        let mut members = self.members(&mut text);
        if let Some(origin) = line.origin {
            members.millis(name!("origin_ms"), origin);
        }
        members.address(name!("peer"), line.peer);
        members.foreign(name!("request_id"), line.request_id);
        members.end();
        let start = text.len();
        self.push_start(&mut text, line);
        OpenLine { text, start }
    }

    /// Writes a line: so many bytes of content were sent to the client, and so long it took until
    /// the last was handed over.
    pub fn close(&self, line: OpenLine, bytes: u64, duration: Duration) {
        let OpenLine { mut text, start } = line;
        let mut members = self.members(&mut text);
        members.number(name!("bytes"), bytes);
        members.millis(name!("duration_ms"), duration);
        text.extend_from_within(..start);
        (self.sink)(text.get(start..).unwrap_or_default());
    }

    /// What stands before the gap; what does not apply is left out.
    fn push_start(&self, text: &mut String, line: &AccessLine<'_>) {
        let outcome = line.outcome;
        let mut members = self.members(text);
        members.time(line.time);
        members.foreign(name!("method"), line.method.as_str());
        members.foreign(name!("path"), line.path);
        if let Some(query) = line.query.filter(|query| !query.is_empty()) {
            members.query(name!("query"), query, &self.digests);
        }
        members.foreign(name!("host"), line.host);
        members.number(name!("status"), outcome.status.as_u16().into());
        members.word(name!("outcome"), outcome.kind.word());
        if let Some(reason) = outcome.reason {
            members.word(name!("reason"), reason.word());
        }
        if outcome.stored {
            members.holds(name!("stored"));
        }
        members.foreign(name!("rule"), line.rule);
    }

    fn members<'a>(&self, text: &'a mut String) -> Members<'a> {
        Members {
            text,
            format: self.format,
        }
    }

    /// Spreads the share evenly: multiples of the golden ratio fill the unit interval without
    /// the rhythm that counting to a hundred would share with periodic traffic.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    fn is_sampled(&self, share: f64) -> bool {
        const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
        let place = self
            .asked
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(GOLDEN_RATIO);
        (place as f64) < share * u64::MAX as f64
    }
}

/// Errors and slow requests: what gets a line under every setting but `off`.
fn is_notable(settings: &LogSettings, outcome: &Outcome) -> bool {
    let failed = outcome.kind == OutcomeKind::Error || outcome.status.is_server_error();
    failed || outcome.duration >= settings.slow_request
}

#[cfg(test)]
mod tests;
