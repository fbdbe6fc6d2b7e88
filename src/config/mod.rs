//! The configuration language: what the user may write, checked and turned into what the
//! program reads.

mod model;
mod problem;
mod report;
mod similar;
mod source;

use std::collections::BTreeMap;

pub use model::*;
pub use problem::{Excerpt, Problem, Problems, Severity};
pub use source::Source;

/// Settings given as flags; each wins over the environment, which wins over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--enabled`.
    pub enabled: Option<String>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--admin`.
    pub admin: Option<String>,
    /// `--admin-token-file`.
    pub admin_token_file: Option<String>,
    /// `--origin`.
    pub origin: Option<String>,
    /// `--forwarded`.
    pub forwarded: Option<String>,
    /// `--memory`: `store.memory`.
    pub memory: Option<String>,
    /// `--log-level`: `log.level`.
    pub log_level: Option<String>,
    /// `--log-format`: `log.format`.
    pub log_format: Option<String>,
    /// `--cache-status`.
    pub cache_status: Option<String>,
    /// `--drain-timeout`.
    pub drain_timeout: Option<String>,
    /// `--workers`.
    pub workers: Option<String>,
}

/// A configuration that may be used, and what is probably not meant in it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What `check` warns of.
    pub warnings: Vec<Problem>,
}

/// Reads a configuration: the file's text if there is one, then the environment, then flags.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(
    _source: Option<Source>,
    _env: &BTreeMap<String, String>,
    _flags: &Overrides,
) -> Result<Loaded, Problems> {
    todo!()
}

impl Config {
    /// Reads a configuration from its text alone, as on a machine without limits: nothing is
    /// taken from the environment, and no other file is read.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_yaml(_text: &str) -> Result<Config, Problems> {
        todo!()
    }
}
