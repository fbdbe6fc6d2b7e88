//! Finds the servers, and finds them anew when they change: asks sentinels for the master, and
//! nodes of a cluster for its slots.

use std::sync::Arc;
use std::time::Duration;

use redis_rs::{Cmd, Pipeline, Value};

use super::backoff::Backoff;
use super::layout::layout;
use super::routes::Routes;
use super::wire::{Greeting, Wire};
use super::{Failure, FailureKind, commands};
use crate::config::RedisAddress;

/// How long sentinels may be wrong about a master that still answers.
const SENTINEL_PAUSE: Duration = Duration::from_secs(2);
/// Slots that move are told by the nodes; this is for what nobody asked about.
const CLUSTER_PAUSE: Duration = Duration::from_secs(30);
/// Between two searches at the least.
const LEAST: Duration = Duration::from_millis(100);
/// Searches in a row that led to no connection, until another sentinel is believed: one that was
/// cut off may name for long what is no master any more.
const DOUBT: u32 = 4;
/// How long the reply to one question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask for the servers.
pub(super) enum Search {
    /// Sentinels, for the master that they watch under this name.
    Sentinels(Vec<RedisAddress>, String),
    /// Nodes of a cluster, for its slots.
    Seeds(Vec<RedisAddress>),
}

/// Searches for ever: soon again where a search failed or something was lost, else after a pause.
pub(super) async fn keep(routes: Arc<Routes>, mut search: Search) {
    let mut backoff = Backoff::default();
    let mut fruitless = 0;
    loop {
        fruitless = if routes.are_down() { fruitless + 1 } else { 0 };
        if fruitless == DOUBT {
            search.prefer(1);
            fruitless = 0;
        }
        if search.once(&routes).await {
            backoff.succeeded();
            tokio::time::sleep(LEAST).await;
            tokio::select! {
                () = routes.stale.notified() => {}
                () = tokio::time::sleep(search.pause()) => {}
            }
        } else {
            tokio::time::sleep(backoff.next()).await;
        }
    }
}

impl Search {
    fn pause(&self) -> Duration {
        match self {
            Search::Sentinels(..) => SENTINEL_PAUSE,
            Search::Seeds(_) => CLUSTER_PAUSE,
        }
    }

    /// From now on this sentinel is asked first, then those after it.
    fn prefer(&mut self, place: usize) {
        if let Search::Sentinels(sentinels, _) = self
            && !sentinels.is_empty()
        {
            let place = place % sentinels.len();
            sentinels.rotate_left(place);
        }
    }

    /// Asks one after the other; whether anyone knew.
    async fn once(&mut self, routes: &Routes) -> bool {
        let mut failed = None;
        for (place, node) in self.nodes(routes).into_iter().enumerate() {
            match self.ask(routes, &node).await {
                Ok(()) => {
                    // One that hangs costs a second, so the one that answers comes first.
                    self.prefer(place);
                    return true;
                }
                Err(failure) => failed = Some((node, failure)),
            }
        }
        if let Some((node, failure)) = failed {
            let context = &routes.context;
            context.tell(&node, &failure);
        }
        false
    }

    fn nodes(&self, routes: &Routes) -> Vec<RedisAddress> {
        match self {
            Search::Sentinels(sentinels, _) => sentinels.clone(),
            Search::Seeds(seeds) => {
                // A node that hangs costs a second, so those that answer come first.
                let (up, down): (Vec<_>, Vec<_>) = routes.all().into_iter().partition(|s| s.up() > 0);
                let mut nodes: Vec<_> = up.iter().map(|s| s.address.clone()).collect();
                nodes.extend(seeds.iter().cloned());
                nodes.extend(down.iter().map(|s| s.address.clone()));
                nodes
            }
        }
    }

    async fn ask(&self, routes: &Routes, node: &RedisAddress) -> Result<(), Failure> {
        match self {
            Search::Sentinels(_, name) => routes.one(master_by(routes, node, name).await?),
            Search::Seeds(_) => {
                let reply = question(routes, node, Greeting::Password, commands::cluster_slots()).await?;
                routes.many(&layout(&reply, node)?);
            }
        }
        Ok(())
    }
}

/// What one sentinel says. Sentinels often have no password where the servers have one, and then
/// refuse to be told it.
pub(super) async fn master_by(
    routes: &Routes,
    sentinel: &RedisAddress,
    name: &str,
) -> Result<RedisAddress, Failure> {
    let ask = |greeting| question(routes, sentinel, greeting, commands::master_of(name));
    let reply = match ask(Greeting::Nothing).await {
        Err(failure) if failure.kind == FailureKind::WrongPassword => ask(Greeting::Password).await?,
        other => other?,
    };
    let unknown = || {
        let detail = format!("the sentinel knows no master called {name}");
        Failure::new(FailureKind::Other, detail)
    };
    let Value::Array(parts) = &reply else {
        return Err(unknown());
    };
    let [Value::BulkString(host), Value::BulkString(port)] = parts.as_slice() else {
        return Err(unknown());
    };
    let text = |bytes| str::from_utf8(bytes).map_err(|_| unknown());
    let port = text(port)?.parse().map_err(|_| unknown())?;
    Ok(RedisAddress::Tcp(text(host)?.into(), port))
}

/// One question on a connection of its own.
async fn question(
    routes: &Routes,
    to: &RedisAddress,
    greeting: Greeting,
    command: Cmd,
) -> Result<Value, Failure> {
    let wire = Wire::open(&routes.context, to, greeting).await?;
    let mut pipeline = Pipeline::new();
    pipeline.add_command(command);
    match wire.ask(&pipeline, PATIENCE).await?.pop() {
        Some(Value::ServerError(error)) => Err(Failure::of_server(&error)),
        Some(value) => Ok(value),
        None => Err(Failure::new(FailureKind::Protocol, "nothing was answered")),
    }
}
