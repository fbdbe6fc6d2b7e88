//! The program's own log on standard error.
//!
//! Only the command line calls [`init`]: a library that installs a subscriber takes it away from
//! the tests that run it.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use super::{Sink, SinkGuard, StreamSink};
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
    /// The system gives no thread to write it.
    #[error("the log's thread cannot start")]
    Thread(#[source] io::Error),
    /// A log is already set up in this process.
    #[error("the log is already set up")]
    Again,
}

/// Sends everything that is traced to standard error, from `settings.level` up, until the guard is
/// dropped. Whoever traces never waits for the reader of standard error: lines are lost instead.
///
/// # Errors
/// [`LogError`]; nothing was set up then.
pub fn init(settings: &LogSettings) -> Result<SinkGuard, LogError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|source| LogError::Level {
        level: settings.level.clone(),
        source,
    })?;
    let StreamSink { sink, guard, .. } = StreamSink::stderr().map_err(LogError::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Lines(sink.clone()))
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let result = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    result.map_err(|_| LogError::Again)?;
    Ok(guard)
}

/// Takes whole lines, as the subscriber writes them: one event, one write.
struct Lines(Sink);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        (self.0)(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
