//! The program's own log on standard error, and the writer behind the access log.
//!
//! Only the command line calls [`init`]: a library that installs a subscriber takes it away from
//! the tests that run it.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
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
pub struct StdoutSink {
    /// Where lines go.
    pub sink: Sink,
    /// How many lines were dropped so far.
    pub dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// To be held as long as lines come; writes what is left when dropped.
    pub guard: WorkerGuard,
}

impl StdoutSink {
    /// Starts the thread.
    pub fn start() -> Self {
        let builder = NonBlockingBuilder::default()
            .lossy(true)
            .thread_name("access-log");
        let (writer, guard) = builder.finish(std::io::stdout());
        let lines = writer.error_counter();
        Self {
            // The writer only queues the line; whether it was dropped instead is counted there.
            sink: Arc::new(move |line| drop(writer.clone().write_all(line.as_bytes()))),
            dropped: Arc::new(move || lines.dropped_lines() as u64),
            guard,
        }
    }
}

impl std::fmt::Debug for StdoutSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdoutSink")
            .field("dropped", &(self.dropped)())
            .finish_non_exhaustive()
    }
}
