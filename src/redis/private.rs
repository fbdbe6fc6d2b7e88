//! A connection of one owner, for commands that wait at the server.

use std::sync::Arc;
use std::time::Duration;

use redis_rs::{Pipeline, Value};

use super::handle::count;
use super::link::Link;
use super::routes::Routes;
use super::server::Server;
use super::{Failure, FailureKind, Operation};
use crate::telemetry::Metrics;

/// A connection of one owner; it ends when it is dropped.
///
/// Its replication id was read when it was made, and nobody looks at it again: the owner asks
/// [`replication`](super::commands::replication) with what it asks, and compares by
/// [`replication_id`](super::replication_id).
pub struct Private {
    link: Link,
    server: Arc<Server>,
    routes: Arc<Routes>,
    metrics: Arc<Metrics>,
}

impl Private {
    pub(super) async fn open(
        server: Arc<Server>,
        routes: Arc<Routes>,
        metrics: Arc<Metrics>,
    ) -> Result<Private, Failure> {
        let link = Link::open(&server).await.inspect_err(|failure| {
            server.trouble(failure);
            routes.stale.notify_one();
        })?;
        Ok(Private {
            link,
            server,
            routes,
            metrics,
        })
    }

    /// The replication id that the server had when the connection was made.
    pub fn replication(&self) -> &Arc<str> {
        &self.link.replication
    }

    /// One pipeline; the reply to each command in its place. Redirects of a cluster are not
    /// followed: they are `moved`, and a new connection finds its way once the map is up to date.
    ///
    /// After `timeout` the connection can still be used: a late reply is nobody's.
    pub async fn ask(
        &mut self,
        operation: Operation,
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let clock = &self.server.context.clock;
        let began = clock.mono();
        let asked = self.link.wire.ask(commands, deadline).await;
        let read = |values: Vec<Value>| {
            values
                .into_iter()
                .map(|value| self.read(value))
                .collect::<Vec<_>>()
        };
        let values = asked.map(read);
        let took = clock.mono().since(began);
        count(&self.metrics, operation, values.as_deref(), took);
        values
    }

    fn read(&self, value: Value) -> Result<Value, Failure> {
        let Value::ServerError(error) = value else {
            return Ok(value);
        };
        let failure = Failure::of_server(&error);
        if failure.kind == FailureKind::Moved {
            self.routes.stale.notify_one();
        }
        self.server.refused(&failure);
        Err(failure)
    }
}
