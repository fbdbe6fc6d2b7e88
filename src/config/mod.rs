//! The configuration language: what the user may write, checked and turned into what the
//! program reads.
//!
//! Where it all comes from, at the start and at a reload, is `sources`. A file's way: `source` text,
//! `tree` every node with its place, `interpolate` and `settings` what comes from outside, `raw` the
//! language's keys, `resolve` what they mean together, `warnings` what is probably not meant. Each
//! step notes problems in one `report` and goes on.

mod changes;
mod duration;
mod files;
mod foreign;
mod hidden;
mod interpolate;
mod machine;
mod model;
mod origin;
mod problem;
mod raw;
mod reader;
mod redis;
mod report;
mod resolve;
mod schema;
mod seen;
mod settings;
mod similar;
mod size;
mod source;
mod sources;
mod tls;
mod token;
mod tree;
mod warnings;
mod yaml_error;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

pub use changes::{Changes, RuleChanges};
pub use machine::Machine;
pub use model::*;
pub use problem::{Excerpt, Problem, Problems, Severity};
pub use schema::SCHEMA;
pub use seen::SeenFile;
pub use source::Source;
pub use sources::{InForce, Reading, Sources};

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
    /// `--redis-url`: `store.redis.url`.
    pub redis_url: Option<String>,
    /// `--log-level`: `log.level`.
    pub log_level: Option<String>,
    /// `--log-format`: `log.format`.
    pub log_format: Option<String>,
    /// `--cache-status`.
    pub cache_status: Option<String>,
    /// `--drain-delay`.
    pub drain_delay: Option<String>,
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

/// Largest file read; ten thousand rules need two.
const LARGEST: usize = 16 << 20;

/// Reads a configuration: the file's text if there is one, then the environment, then flags.
/// `machine` says what `auto` stands for.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_on(
    machine: Machine,
    source: Option<Source>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Loaded, Problems> {
    load_noting(machine, None, source, env, flags).0
}

/// As [`load_on`], with the files that the configuration names. `running` is the memory tier of a
/// Larder that runs already, which rules get their bounds from.
fn load_noting(
    machine: Machine,
    running: Option<Store>,
    source: Option<Source>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> (Result<Loaded, Problems>, Vec<SeenFile>) {
    let source = source.map(Arc::new);
    let mut report = report::Report::new(source.clone());
    let config = read((machine, running), source.as_deref(), env, flags, &mut report);
    let files = report.take_files();
    if let (true, Some(source)) = (report.has_errors(), &source) {
        yaml_error::false_space(source, &mut report);
    }
    let (problems, warnings) = report.finish();
    let result = match config {
        Some(config) if problems.0.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(problems),
    };
    (result, files)
}

/// As [`load_on`], on the machine this process runs on.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(
    source: Option<Source>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
) -> Result<Loaded, Problems> {
    load_on(Machine::here(), source, env, flags)
}

fn read(
    (machine, running): (Machine, Option<Store>),
    source: Option<&Source>,
    env: &BTreeMap<String, String>,
    flags: &Overrides,
    report: &mut report::Report,
) -> Option<Config> {
    let text = source.map_or("", |source| source.text.as_str());
    if text.len() > LARGEST {
        let problem = report.error(
            &source::Place::Nowhere,
            "the file is too large to be a configuration",
        );
        problem.cause(format!(
            "it has {} bytes; the most is {}",
            text.len(),
            size::show(LARGEST as u64)
        ));
        problem.fix("check that the path names the right file");
        return None;
    }
    let mut tree = match source {
        Some(source) => {
            let tree = tree::parse(source, report)?;
            hidden::conceal(&tree, source, report);
            tree
        }
        None => tree::Node {
            place: source::Place::Nowhere,
            value: tree::Value::Empty,
        },
    };
    interpolate::fill(&mut tree, env, report);
    settings::apply(&mut tree, env, flags, report);
    let raw = raw::read(&tree, &mut reader::Reader::new(report));
    let directory: Option<PathBuf> = source.and_then(|s| Path::new(&s.name).parent().map(Path::to_owned));
    let admin_token = raw
        .admin_token_file
        .as_ref()
        .and_then(|file| token::read(file, directory.as_deref(), report));
    let redis = raw
        .redis
        .as_ref()
        .and_then(|written| redis::resolve(written, directory.as_deref(), report));
    let listen_tls = raw
        .listen
        .iter()
        .map(|written| tls::listener(written.tls.as_ref()?, directory.as_deref(), report))
        .collect();
    let origin_tls = origin::secured(raw.origin.as_ref(), directory.as_deref(), report);
    let hash = format!("{:016x}", xxh3_64(text.as_bytes()));
    resolve::resolve(
        &raw,
        resolve::Surroundings {
            machine,
            running,
            admin_token,
            redis,
            listen_tls,
            origin_tls,
            hash: &hash,
        },
        report,
    )
}

impl Config {
    /// Reads a configuration from its text alone, as on a machine without limits: nothing is
    /// taken from the environment.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_yaml(text: &str) -> Result<Config, Problems> {
        let source = Source {
            name: "larder.yaml".into(),
            text: text.to_owned(),
        };
        let loaded = load_on(
            Machine::UNLIMITED,
            Some(source),
            &BTreeMap::new(),
            &Overrides::default(),
        )?;
        Ok(loaded.config)
    }
}
