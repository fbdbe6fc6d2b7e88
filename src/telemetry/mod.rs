//! What is counted and logged, from the one [`Outcome`] that the data path fills a request.
//!
//! Metrics, the access log and the program's own log live here; nothing here decides anything
//! about a request, and nothing here makes one wait.

mod access_log;
mod catalogue;
mod decimal;
mod line_at_end;
mod log;
mod metrics;
mod outcome;
mod redis;
mod seldom;
mod sink;
mod snapshot;
mod timestamp;

pub use access_log::{AccessLine, AccessLogger, OpenLine, Sink};
pub use catalogue::{CATALOGUE, Kind, Metric};
pub use line_at_end::LineAtEnd;
pub use log::{Log, LogError, LogLevel, init, tell_of, warn_of};
pub use metrics::{ClientFailure, Decoding, Meter, Meters, Metrics, Pass, RuleCounts, Source, Strength};
pub use outcome::{Outcome, OutcomeKind};
pub use redis::RedisOperation;
pub use seldom::Seldom;
pub use sink::{SinkGuard, StreamSink};
pub use snapshot::{
    BlindFigures, CertificateFigures, FleetFigures, LogFigures, MemoryFigures, OriginFigures, RedisFigures,
    ReloadFigures, SharedLogFigures, Snapshot, Sums, TierFigures,
};
pub use timestamp::rfc3339;
