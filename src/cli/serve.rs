//! `larder serve`: from flags, environment and file to a running Larder, and to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::client::causes;
use super::file;
use super::front::in_one_line;
use super::runtime::{Signals, block_on, until_drained};
use super::{Front, Output, Start};
use crate::config::{self, Config, Overrides, Source};
use crate::telemetry;
use crate::version::{UNKNOWN, VERSION, commit};

/// Read where neither flag nor environment names a file, if it exists.
const DEFAULT_FILE: &str = "larder.yaml";

/// Flags of `larder serve`; each wins over the environment and the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// The configuration; else LARDER_CONFIG, else ./larder.yaml if it exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whom requests are forwarded to
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where health, metrics and purge are served
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// File with the token that opens the admin port beyond loopback
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<String>,
    /// false: everything passes through
    #[arg(long, value_name = "BOOL")]
    pub enabled: Option<String>,
    /// What happens to X-Forwarded-For: append, pass or strip
    #[arg(long, value_name = "WORD")]
    pub forwarded: Option<String>,
    /// Memory for stored responses and all that is in flight
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// The Redis that pods share, such as redis://redis:6379/0
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// json or text
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Whether answers carry Cache-Status
    #[arg(long, value_name = "BOOL")]
    pub cache_status: Option<String>,
    /// How long a drain may take
    #[arg(long, value_name = "DURATION")]
    pub drain_timeout: Option<String>,
    /// Worker threads
    #[arg(long, value_name = "NUMBER")]
    pub workers: Option<String>,
}

impl ServeArgs {
    fn overrides(&self) -> Overrides {
        let args = self.clone();
        Overrides {
            enabled: args.enabled,
            listen: args.listen,
            admin: args.admin,
            admin_token_file: args.admin_token_file,
            origin: args.origin,
            forwarded: args.forwarded,
            memory: args.memory,
            redis_url: args.redis_url,
            log_level: args.log_level,
            log_format: args.log_format,
            cache_status: args.cache_status,
            drain_timeout: args.drain_timeout,
            workers: args.workers,
        }
    }
}

/// Serves until a signal comes. Exit code 0: everything under way ended in time; 1: not, or a
/// second signal came; 2: it did not start.
pub fn serve(args: &ServeArgs, env: &BTreeMap<String, String>, start: Start) -> Output {
    let source = match source(args, env) {
        Ok(source) => source,
        Err(output) => return output,
    };
    let loaded = match config::load(source, env, &args.overrides()) {
        Ok(loaded) => loaded,
        Err(problems) => return Output::failed(2, problems.render(false)),
    };
    // Until the very end, so that the last lines leave.
    let _log = match telemetry::init(&loaded.config.log) {
        Ok(log) => log,
        Err(error) => return Output::failed(2, format!("larder serve: {}\n", causes(&error))),
    };
    for warning in &loaded.warnings {
        // In one line: a picture with a caret is for `larder check`, not for a log collector.
        tracing::warn!(
            at = warning.place(),
            why = warning.cause,
            fix = warning.fix,
            "configuration: {}",
            warning.title
        );
    }
    block_on(loaded.config.workers, live(loaded.config, start))
}

/// From start to drain.
async fn live(config: Config, start: Start) -> Output {
    let failed = |error: String| Output::failed(2, format!("larder serve: {error}\n"));
    // Before the start: a signal that comes meanwhile must find someone listening.
    let (mut first, mut second) = match (Signals::listen(), Signals::listen()) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(error), _) | (_, Err(error)) => return failed(format!("cannot listen for signals: {error}")),
    };
    let facts = Facts::of(&config);
    let front = match start(config).await {
        Ok(front) => front,
        Err(error) => return failed(causes(error.as_ref())),
    };
    facts.log(&front);
    let again = async {
        // Both listeners saw the first signal.
        second.next().await;
        second.next().await
    };
    if until_drained(first.next(), front.drain, again).await {
        Output::ok("")
    } else {
        Output::failed(1, "")
    }
}

/// What the first log line says beside the addresses.
struct Facts {
    workers: usize,
    memory: u64,
    config: String,
    rules: usize,
    origin: String,
    redis: String,
}

impl Facts {
    fn of(config: &Config) -> Self {
        Self {
            workers: config.workers,
            memory: config.store.memory,
            config: config.hash.clone(),
            rules: config.rules.rules().len(),
            origin: config.origin.to_string(),
            redis: config
                .redis
                .as_ref()
                .map_or_else(|| "none".to_owned(), |redis| redis.servers.to_string()),
        }
    }

    fn log(&self, front: &Front) {
        tracing::info!(
            listen = %in_one_line(&front.listen),
            admin = %front.admin,
            origin = self.origin,
            workers = self.workers,
            memory_bytes = self.memory,
            redis = self.redis,
            rules = self.rules,
            config = self.config,
            version = VERSION,
            commit = commit().unwrap_or(UNKNOWN),
            "larder is up",
        );
    }
}

/// The configuration's text: of the file that a flag or the environment names, else of
/// `./larder.yaml` if that exists.
fn source(args: &ServeArgs, env: &BTreeMap<String, String>) -> Result<Option<Source>, Output> {
    let named = args.config.clone().or_else(|| {
        env.get("LARDER_CONFIG")
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
    });
    let (path, required) = match named {
        Some(path) => (path, true),
        None => (PathBuf::from(DEFAULT_FILE), false),
    };
    match file::read(&path) {
        Ok(source) => Ok(Some(source)),
        Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Output::failed(2, file::explain(&path, &error))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_flag_names_the_file_before_the_environment_does() {
        let file = |text: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            write!(file, "{text}").unwrap();
            file
        };
        let (by_flag, by_env) = (file("flag"), file("env"));
        let env = BTreeMap::from([("LARDER_CONFIG".to_owned(), by_env.path().display().to_string())]);
        let args = ServeArgs {
            config: Some(by_flag.path().to_owned()),
            ..ServeArgs::default()
        };
        assert_eq!(source(&args, &env).unwrap().unwrap().text, "flag");
        assert_eq!(source(&ServeArgs::default(), &env).unwrap().unwrap().text, "env");
        assert_eq!(source(&ServeArgs::default(), &BTreeMap::new()), Ok(None));
    }

    #[test]
    fn a_named_file_that_is_not_there_is_an_error() {
        let args = ServeArgs {
            config: Some("/nowhere/larder.yaml".into()),
            ..ServeArgs::default()
        };
        let output = source(&args, &BTreeMap::new()).unwrap_err();
        assert_eq!(output.code, 2);
        assert!(
            output.text.contains("cannot read /nowhere/larder.yaml: "),
            "{output:?}"
        );
    }
}
