//! The program's own log on standard error, and the writer behind the access log.
//!
//! Only the command line calls [`init`]: a library that installs a subscriber takes it away from
//! the tests that run it.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::Sink;
use crate::config::{LogFormat, LogSettings};

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is neither a level nor a filter.
    #[error("log.level `{level}` is neither a level (error, warn, info, debug, trace) nor a filter")]
    Level {
        /// What was written.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A log is already set up in this process.
    #[error("the log is already set up")]
    Again,
}

/// Sends everything that is traced to standard error, from `settings.level` up.
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|source| LogError::Level {
        level: settings.level.clone(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let result = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    result.map_err(|_| LogError::Again)
}

/// Lines to standard output from a thread of its own: a reader that is too slow costs lines,
/// which are counted, never the requests that wrote them.
#[derive(Debug)]
pub struct StdoutSink {
    dropped: ErrorCounter,
    /// Writes what is left when dropped.
    _guard: WorkerGuard,
}

impl StdoutSink {
    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.dropped_lines() as u64
    }
}

/// A sink to standard output and the handle to keep as long as lines are written.
pub fn stdout_sink() -> (Sink, StdoutSink) {
    let builder = NonBlockingBuilder::default()
        .lossy(true)
        .thread_name("access-log");
    let (writer, guard) = builder.finish(std::io::stdout());
    let handle = StdoutSink {
        dropped: writer.error_counter(),
        _guard: guard,
    };
    // The writer only queues the line; whether it was dropped instead is counted there.
    let sink: Sink = Arc::new(move |line| drop(writer.clone().write_all(line.as_bytes())));
    (sink, handle)
}
