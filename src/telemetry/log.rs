//! The program's own log on standard error.
//!
//! Only the command line calls [`init`]: a library that installs a subscriber takes it away from
//! the tests that run it.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::{Sink, SinkGuard, StreamSink};
use crate::config::{LogFormat, LogSettings, Problem};

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

/// The program's own log, once it is set up.
#[derive(Debug)]
pub struct Log {
    /// To be held until the very end, so that the last lines leave.
    pub guard: SinkGuard,
    /// From which level on is written.
    pub level: LogLevel,
}

/// Changes the level of a log that is set up; cheap to clone.
#[derive(Clone)]
pub struct LogLevel(Arc<dyn Fn(EnvFilter) + Send + Sync>);

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogLevel(..)")
    }
}

impl Default for LogLevel {
    /// Changes nothing: the log is somebody else's.
    fn default() -> Self {
        Self(Arc::new(|_filter| {}))
    }
}

impl LogLevel {
    /// Writes from `level` on, which may be a filter.
    ///
    /// # Errors
    /// [`LogError::Level`]; nothing was changed then.
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        (self.0)(filter(level)?);
        Ok(())
    }
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|source| LogError::Level {
        level: level.to_owned(),
        source,
    })
}

/// Says what is wrong in a configuration, in one line: a picture with a caret is for `larder check`, not
/// for a log collector.
macro_rules! say {
    ($level:ident, $problem:expr) => {{
        let problem: &Problem = $problem;
        tracing::$level!(
            at = problem.place(),
            why = problem.cause,
            fix = problem.fix,
            "configuration: {}",
            problem.title
        );
    }};
}

/// Says what is probably not meant in a configuration.
pub fn warn_of(warning: &Problem) {
    say!(warn, warning);
}

/// Says why a configuration was refused.
pub fn tell_of(error: &Problem) {
    say!(error, error);
}

/// Sends everything that is traced to standard error, from `settings.level` up, until the guard is
/// dropped. Whoever traces never waits for the reader of standard error: lines are lost instead.
///
/// # Errors
/// [`LogError`]; nothing was set up then.
pub fn init(settings: &LogSettings) -> Result<Log, LogError> {
    let filter = filter(&settings.level)?;
    let StreamSink { sink, guard, .. } = StreamSink::stderr().map_err(LogError::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Lines(sink.clone()))
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let (level, result) = match settings.format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            // It fails only where the log is gone.
            let set = move |filter| drop(handle.reload(filter));
            (LogLevel(Arc::new(set)), builder.try_init())
        }
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let set = move |filter| drop(handle.reload(filter));
            (LogLevel(Arc::new(set)), builder.try_init())
        }
    };
    result.map_err(|_| LogError::Again)?;
    Ok(Log { guard, level })
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
