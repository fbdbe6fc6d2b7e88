//! One line a request, where the settings ask for one.
//!
//! [`AccessLogger::wants`] is asked first and costs next to nothing; a line is built only after
//! it said yes. Lines never hold control bytes, and of a query only the names and keyed digests
//! of the values: they are other people's data.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{Outcome, OutcomeKind, rfc3339};
use crate::config::{AccessLog, LogFormat, LogSettings};

/// Where lines go, each ending in a line feed. Must not wait.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// What a line says beside the [`Outcome`].
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
    /// Bytes of content sent to the client.
    pub bytes: u64,
    /// Until the last byte was handed over.
    pub duration: Duration,
    /// Until the origin's head came, where it was asked.
    pub origin: Option<Duration>,
    /// The client's address.
    pub peer: IpAddr,
    /// The request's identifier.
    pub request_id: &'a str,
}

/// Decides which requests get a line, and writes it.
pub struct AccessLogger {
    policy: AccessLog,
    slow: Duration,
    format: LogFormat,
    /// Keys the digests of query values: without it they could be found by trying.
    digest_key: [u8; 32],
    sink: Sink,
    /// Requests that the rate was asked about.
    asked: AtomicU64,
}

impl std::fmt::Debug for AccessLogger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLogger")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl AccessLogger {
    /// `digest_key`: random, drawn once per process.
    pub fn new(settings: &LogSettings, digest_key: [u8; 32], sink: Sink) -> Self {
        Self {
            policy: settings.access,
            slow: settings.slow_request,
            format: settings.format,
            digest_key,
            sink,
            asked: AtomicU64::new(0),
        }
    }

    /// Whether any request can get a line.
    pub fn is_on(&self) -> bool {
        self.policy != AccessLog::Off
    }

    /// Whether this request gets a line. Ask once a request: a rate counts the questions.
    pub fn wants(&self, outcome: &Outcome) -> bool {
        match self.policy {
            AccessLog::Off => false,
            AccessLog::All => true,
            AccessLog::Errors => self.is_notable(outcome),
            AccessLog::Rate(share) => self.is_notable(outcome) || self.is_sampled(share),
        }
    }

    /// Writes a line, whether wanted or not.
    pub fn write(&self, line: &AccessLine<'_>) {
        let mut text = match self.format {
            LogFormat::Json => self.json(line),
            LogFormat::Text => self.text(line),
        };
        text.push('\n');
        (self.sink)(&text);
    }

    /// Errors and slow requests: what gets a line under every setting but `off`.
    fn is_notable(&self, outcome: &Outcome) -> bool {
        let failed = outcome.kind == OutcomeKind::Error || outcome.status.is_server_error();
        failed || outcome.duration >= self.slow
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

    fn json(&self, line: &AccessLine<'_>) -> String {
        let mut object = Map::new();
        for (name, value) in self.fields(line) {
            object.insert(name.to_owned(), value);
        }
        plain(&Value::Object(object).to_string())
    }

    fn text(&self, line: &AccessLine<'_>) -> String {
        let mut text = String::with_capacity(256);
        for (name, value) in self.fields(line) {
            let separator = if text.is_empty() { "" } else { " " };
            // Writing to a `String` cannot fail.
            let _ = match &value {
                Value::String(word) if is_word(word) => write!(text, "{separator}{name}={word}"),
                other => write!(text, "{separator}{name}={other}"),
            };
        }
        plain(&text)
    }

    /// The members of a line, in order; what does not apply is left out.
    fn fields(&self, line: &AccessLine<'_>) -> Vec<(&'static str, Value)> {
        let outcome = line.outcome;
        let mut fields = vec![
            ("time", json!(rfc3339(line.time))),
            ("method", json!(line.method.as_str())),
            ("path", json!(line.path)),
        ];
        if let Some(query) = line.query.filter(|query| !query.is_empty()) {
            fields.push(("query", json!(self.hidden(query))));
        }
        fields.push(("host", json!(line.host)));
        fields.push(("status", json!(outcome.status.as_u16())));
        fields.push(("outcome", json!(outcome.kind.word())));
        if let Some(reason) = outcome.reason {
            fields.push(("reason", json!(reason.word())));
        }
        if outcome.stored {
            fields.push(("stored", json!(true)));
        }
        fields.push(("rule", json!(line.rule)));
        fields.push(("bytes", json!(line.bytes)));
        fields.push(("duration_ms", millis(line.duration)));
        if let Some(origin) = line.origin {
            fields.push(("origin_ms", millis(origin)));
        }
        fields.push(("peer", json!(line.peer.to_string())));
        fields.push(("request_id", json!(line.request_id)));
        fields
    }

    /// The query with a digest in place of each value: the same value gives the same digest as
    /// long as the process lives.
    fn hidden(&self, query: &str) -> String {
        let hide = |pair: &str| match pair.split_once('=') {
            Some((name, value)) => format!("{name}=~{}", self.digest(value)),
            // A parameter without `=` may itself be the secret.
            None => format!("~{}", self.digest(pair)),
        };
        query.split('&').map(hide).collect::<Vec<_>>().join("&")
    }

    fn digest(&self, value: &str) -> String {
        // An HMAC takes a key of any length, so the error cannot occur; it would hide the value.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.digest_key) else {
            return String::new();
        };
        mac.update(value.as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// Whether `text` needs no quotes in the text format.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// JSON escapes the control bytes of ASCII; this escapes the rest of what a terminal may obey:
/// DEL, the C1 controls, and the marks that turn the direction of writing.
fn plain(text: &str) -> String {
    let unsafe_mark = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(unsafe_mark) {
        return text.to_owned();
    }
    let escape = |c: char| {
        if unsafe_mark(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests;
