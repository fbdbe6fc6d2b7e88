//! The handle through which the store and the log ask Redis.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use redis_rs::{Pipeline, Value};
use tokio::task::AbortHandle;

use super::context::{Context, Login};
use super::find::{self, Search};
use super::layout::{Redirect, RedirectKind, redirect};
use super::private::Private;
use super::routes::Routes;
use super::server::{Answer, Server};
use super::trouble::Trouble;
use super::{Dial, Failure, FailureKind, commands};
use crate::clock::{Clock, Mono};
use crate::config::{self, RedisServers};
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, RedisFigures as RedisStats, RedisOperation as Operation};

/// The Redis that pods share; cheap to clone. The connections end with its last clone.
#[derive(Clone)]
pub struct Redis(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) routes: Arc<Routes>,
    metrics: Arc<Metrics>,
    /// Finds the servers, where that is a task.
    finder: Mutex<Option<AbortHandle>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    fn close(&self) {
        if let Some(finder) = self.finder.lock().take() {
            finder.abort();
        }
        self.routes.close();
    }
}

/// What a pipeline came to.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The reply to each command in its place: a value, or why that one command failed.
    pub values: Vec<Result<Value, Failure>>,
    /// The replication id of the connection that it came over. Where commands of one pipeline had
    /// to be sent to two servers it is both ids, joined by `+`, which is that of no session.
    pub replication: Arc<str>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Redis").field(&self.stats()).finish()
    }
}

impl Redis {
    /// Never waits; connects in the background.
    pub fn start(
        settings: Arc<config::Redis>,
        dial: Arc<dyn Dial>,
        clock: Clock,
        tasks: Tasks,
        metrics: Arc<Metrics>,
    ) -> Redis {
        let servers = settings.servers.clone();
        let routes = Arc::new(Routes::new(Arc::new(Context {
            login: ArcSwap::from_pointee(Login::of(&settings)),
            settings,
            dial,
            clock,
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            trouble: Trouble::default(),
            eviction_known: false.into(),
        })));
        let search = match servers {
            RedisServers::One(address) => {
                routes.one(address);
                None
            }
            RedisServers::Sentinel { sentinels, master } => Some(Search::Sentinels(sentinels, master)),
            RedisServers::Cluster { seeds } => Some(Search::Seeds(seeds)),
        };
        let finder = search.map(|search| tasks.detach(find::keep(routes.clone(), search)));
        Redis(Arc::new(Inner {
            routes,
            metrics,
            finder: Mutex::new(finder),
        }))
    }

    /// Logs in as `settings` say from now on, on connections to come; nothing else of them counts.
    pub fn log_in_as(&self, settings: &config::Redis) {
        let login = Arc::new(Login::of(settings));
        self.0.routes.context.login.store(login);
    }

    /// One pipeline to the server that holds `key`, within `settings.timeout`. Never waits for a
    /// connection. Errors of single commands are in their place; `MOVED` and `ASK` are followed
    /// once, inside. All keys of the pipeline are of one slot, and it is no transaction.
    pub async fn ask(&self, operation: Operation, key: &[u8], commands: Pipeline) -> Result<Reply, Failure> {
        let deadline = self.0.routes.context.settings.timeout;
        self.ask_within(operation, key, commands, deadline).await
    }

    /// The same with another deadline.
    pub async fn ask_within(
        &self,
        operation: Operation,
        key: &[u8],
        commands: Pipeline,
        deadline: Duration,
    ) -> Result<Reply, Failure> {
        let clock = &self.0.routes.context.clock;
        let began = clock.mono();
        let until = Mono(began.0.saturating_add(deadline));
        let reply = self.routed(key, &commands, until).await;
        let took = clock.mono().since(began);
        let values = reply.as_ref().map(|reply| reply.values.as_slice());
        count(&self.0.metrics, operation, values, took);
        reply
    }

    /// A connection of the caller's own to the server that holds `key`, for commands that wait.
    /// Made within a second; `unavailable` where no server is known.
    pub async fn private(&self, key: &[u8]) -> Result<Private, Failure> {
        let (clock, metrics) = (&self.0.routes.context.clock, &self.0.metrics);
        let began = clock.mono();
        let opened = match self.server(key) {
            Ok(server) => Private::open(server, self.0.routes.clone(), metrics.clone()).await,
            Err(failure) => Err(failure),
        };
        // Here a wrong password or a missing permission shows: who asks later finds no connection.
        opened.inspect_err(|failure| {
            count(metrics, Operation::Join, Err(failure), clock.mono().since(began));
        })
    }

    /// Whether keys of different hash tags may be on different servers.
    pub fn is_cluster(&self) -> bool {
        let servers = &self.0.routes.context.settings.servers;
        matches!(servers, RedisServers::Cluster { .. })
    }

    /// The present state, for metrics.
    pub fn stats(&self) -> RedisStats {
        let servers = self.0.routes.all();
        RedisStats {
            connections: servers.iter().map(|server| server.up() as u64).sum(),
            breakers_open: servers.iter().filter(|server| server.is_open()).count() as u64,
        }
    }

    /// Ends every connection and what makes them, at shutdown. Requests are `unavailable` from
    /// then on.
    pub fn close(&self) {
        self.0.close();
    }

    fn server(&self, key: &[u8]) -> Result<Arc<Server>, Failure> {
        let server = self.0.routes.of_key(key);
        server.ok_or_else(|| {
            if self.is_cluster() {
                self.0.routes.stale.notify_one();
            }
            Failure::new(FailureKind::Unavailable, "no server is known for this key")
        })
    }

    async fn routed(&self, key: &[u8], commands: &Pipeline, until: Mono) -> Result<Reply, Failure> {
        let server = self.server(key)?;
        let asked = server
            .ask(key, commands, self.left(until))
            .await
            .inspect_err(|failure| self.failed(&server, failure))?;
        let mut answer = asked;
        if self.is_cluster() {
            let target = answer
                .values
                .iter()
                .find_map(|value| redirect(value, &server.address));
            if let Some(target) = target {
                // Boxed: seldom, and every request would have to carry the room for it.
                Box::pin(self.follow(key, commands, (&server, target), &mut answer, until)).await;
            }
        }
        let values = answer.values.into_iter().map(|value| match value {
            Value::ServerError(error) => {
                let failure = Failure::of_server(&error);
                server.refused(&failure);
                Err(failure)
            }
            value => Ok(value),
        });
        Ok(Reply {
            values: values.collect(),
            replication: answer.replication,
        })
    }

    fn failed(&self, server: &Server, failure: &Failure) {
        // The end of a connection is told by whoever keeps it, silence by the breaker.
        if !matches!(failure.kind, FailureKind::Closed | FailureKind::Timeout) {
            server.trouble(failure);
        }
    }

    fn left(&self, until: Mono) -> Duration {
        until.since(self.0.routes.context.clock.mono())
    }

    /// Sends the commands that were redirected where they belong, once, and puts what comes in
    /// place of the redirects, of which `target` is the first.
    async fn follow(
        &self,
        key: &[u8],
        commands: &Pipeline,
        (asked, target): (&Server, Redirect),
        answer: &mut Answer,
        until: Mono,
    ) {
        let routes = &self.0.routes;
        if target.kind == RedirectKind::Moved {
            routes.moved(&target);
            routes.stale.notify_one();
        }
        let Some(server) = routes.at(&target.to) else {
            return;
        };
        let redirected = |value: &Value| redirect(value, &asked.address).as_ref() == Some(&target);
        let places: Vec<usize> = (0..answer.values.len())
            .filter(|&place| answer.values.get(place).is_some_and(redirected))
            .collect();
        let again = resent(commands, &places, &target);
        let left = self.left(until);
        // Nobody could reply in no time, and the breaker must not take that for silence.
        if left.is_zero() {
            return;
        }
        let Ok(other) = server.ask(key, &again, left).await else {
            return;
        };
        if places.len() < answer.values.len() {
            answer.replication = format!("{}+{}", answer.replication, other.replication).into();
        } else {
            answer.replication = other.replication;
        }
        let replies = other
            .values
            .into_iter()
            .skip(leave(&target))
            .step_by(1 + leave(&target));
        for (place, reply) in places.into_iter().zip(replies) {
            if let Some(value) = answer.values.get_mut(place) {
                *value = reply;
            }
        }
    }
}

/// Counts a pipeline, as the first failure in it where there is one.
pub(super) fn count(
    metrics: &Metrics,
    operation: Operation,
    values: Result<&[Result<Value, Failure>], &Failure>,
    took: Duration,
) {
    let failed = match values {
        Ok(values) => values.iter().find_map(|value| value.as_ref().err()),
        Err(failure) => Some(failure),
    };
    let failed = failed.map(|failure| (failure.kind as usize, failure.kind.word()));
    metrics.redis_asked(operation, failed, took);
}

/// How many commands ask for leave before each one that is sent to `target`.
fn leave(target: &Redirect) -> usize {
    usize::from(target.kind == RedirectKind::Ask)
}

/// The commands at `places`, each with leave where `target` wants that: `ASKING` counts for the
/// next command alone.
fn resent(commands: &Pipeline, places: &[usize], target: &Redirect) -> Pipeline {
    let mut again = Pipeline::new();
    for (place, command) in commands.cmd_iter().enumerate() {
        if places.contains(&place) {
            if target.kind == RedirectKind::Ask {
                again.add_command(commands::asking());
            }
            again.add_command(command.clone());
        }
    }
    again
}
