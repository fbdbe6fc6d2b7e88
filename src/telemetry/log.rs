//! The program's own log on standard error.
//!
//! Only the command line calls [`init`]: a library that installs a subscriber takes it away from
//! the tests that run it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
