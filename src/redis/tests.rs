//! The connections against real servers, which are stopped, killed, moved and demoted.
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure real time and run tasks of their own"
)]

mod cluster;
mod hanging;
mod process;
mod refusals;
mod sentinel;
mod standalone;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis_rs::{Cmd, Pipeline, Value};

use super::context::{Context, Login};
use super::trouble::Trouble;
use super::{Network, Operation, Redis, Reply};
use crate::clock::Clock;
use crate::config::{self, RedisAddress, RedisServers};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// Within this time everything has to have happened.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(servers: RedisServers) -> config::Redis {
    config::Redis {
        servers,
        database: 0,
        username: None,
        password: None,
        tls: None,
        namespace: "test".into(),
        epoch: "0".into(),
        timeout: Duration::from_secs(5),
        connections: 4,
        max_blind: Duration::from_secs(10),
        blind_forwards: 0.1,
        sign_key: None,
    }
}

fn one(address: &RedisAddress) -> config::Redis {
    settings(RedisServers::One(address.clone()))
}

fn start(settings: config::Redis) -> (Redis, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new(0));
    let dial = Arc::new(Network::new(settings.tls.as_ref()));
    let redis = Redis::start(
        Arc::new(settings),
        dial,
        Clock::system(),
        Tasks::new(),
        metrics.clone(),
    );
    (redis, metrics)
}

/// Started, and connected all the way.
async fn connected(settings: config::Redis) -> Redis {
    let number = settings.connections as u64;
    let (redis, _) = start(settings);
    eventually("all links stand", async || redis.stats().connections >= number).await;
    redis
}

fn context(settings: config::Redis) -> Context {
    Context {
        dial: Arc::new(Network::new(settings.tls.as_ref())),
        login: ArcSwap::from_pointee(Login::of(&settings)),
        settings: Arc::new(settings),
        clock: Clock::system(),
        tasks: Tasks::new(),
        metrics: Arc::new(Metrics::new(0)),
        trouble: Trouble::default(),
        eviction_known: true.into(),
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

fn set(key: &str, value: &str) -> Cmd {
    redis_rs::cmd("SET").arg(key).arg(value).take()
}

fn get(key: &str) -> Cmd {
    super::commands::get(key.as_bytes())
}

fn text(value: &str) -> Value {
    Value::BulkString(value.as_bytes().to_vec())
}

async fn ask(
    redis: &Redis,
    key: &str,
    commands: impl IntoIterator<Item = Cmd>,
) -> Result<Reply, super::Failure> {
    redis
        .ask(Operation::Lookup, key.as_bytes(), pipeline(commands))
        .await
}

/// Whether a key can be read right now.
async fn works(redis: &Redis, key: &str) -> bool {
    ask(redis, key, [get(key)])
        .await
        .is_ok_and(|reply| reply.values[0].is_ok())
}

async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
