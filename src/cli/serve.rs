//! `larder serve`: from flags, environment and file to a running Larder, and to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::client::causes;
use super::front::in_one_line;
use super::runtime::{Hangups, Signals, block_on, until_drained};
use super::{Front, Launch, Output, Start};
use crate::app::FirstRead;
use crate::config::{Config, Loaded, Overrides, Reading, Sources};
use crate::telemetry;
use crate::version::{UNKNOWN, VERSION, commit};

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
    /// How long new connections are still taken after SIGTERM
    #[arg(long, value_name = "DURATION")]
    pub drain_delay: Option<String>,
    /// How long a drain may take, after that delay
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
            drain_delay: args.drain_delay,
            drain_timeout: args.drain_timeout,
            workers: args.workers,
        }
    }
}

/// Serves until a signal comes. Exit code 0: everything under way ended in time; 1: not, or a
/// second signal came; 2: it did not start.
pub fn serve(args: &ServeArgs, env: &BTreeMap<String, String>, start: Start) -> Output {
    let sources = Sources::new(args.config.clone(), env, args.overrides());
    let Reading {
        result,
        files,
        written,
    } = sources.read();
    let Loaded { config, warnings } = match result {
        Ok(loaded) => loaded,
        Err(problems) => return Output::failed(2, problems.render(false)),
    };
    // Until the very end, so that the last lines leave.
    let log = match telemetry::init(&config.log) {
        Ok(log) => log,
        Err(error) => return Output::failed(2, format!("larder serve: {}\n", causes(&error))),
    };
    warnings.iter().for_each(telemetry::warn_of);
    let workers = config.workers;
    let launch = Launch {
        config,
        first_read: Some(FirstRead {
            sources,
            files,
            written,
            warnings,
        }),
        log_level: log.level.clone(),
    };
    block_on(workers, live(launch, start))
}

/// From start to drain.
async fn live(launch: Launch, start: Start) -> Output {
    let failed = |error: String| Output::failed(2, format!("larder serve: {error}\n"));
    // Before the start: a signal that comes meanwhile must find someone listening.
    let listened = (Signals::listen(), Signals::listen(), Hangups::listen());
    let (mut first, mut second, mut hangups) = match listened {
        (Ok(first), Ok(second), Ok(hangups)) => (first, second, hangups),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            return failed(format!("cannot listen for signals: {error}"));
        }
    };
    let facts = Facts::of(&launch.config);
    let front = match start(launch).await {
        Ok(front) => front,
        Err(error) => return failed(causes(error.as_ref())),
    };
    facts.log(&front);
    let again = async {
        // Both listeners saw the first signal.
        second.next().await;
        second.next().await
    };
    let reloads = async {
        loop {
            hangups.next().await;
            (front.reload)().await;
        }
    };
    let drained = tokio::select! {
        drained = until_drained(first.next(), front.drain, again) => drained,
        () = reloads => false,
    };
    if drained {
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
