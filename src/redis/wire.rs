//! One connection on which many callers ask at once, from the dial to its end.
//!
//! A caller that goes away leaves its place in the queue of replies: the library keeps it until
//! the reply has come and drops that, so no reply reaches another caller.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis_rs::aio::MultiplexedConnection;
use redis_rs::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::replication::replication_id;
use super::{Failure, FailureKind, commands};
use crate::config::RedisAddress;

/// How long making a connection may take, greeting included.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// Requests that may wait for the connection's task; beyond that, callers wait within their deadline.
const QUEUE: usize = 4096;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One connection. It ends when it is dropped.
pub(super) struct Wire {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    /// Cancelled once the connection has ended, for whatever reason.
    ended: CancellationToken,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a server is greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// With the password, and as a member of a database.
    Full,
    /// With the password, if there is one: a sentinel, or any node of a cluster.
    Password,
    /// With nothing.
    Nothing,
}

impl Wire {
    /// Connects and greets within [`CONNECT`].
    pub(super) async fn open(
        context: &Context,
        to: &RedisAddress,
        greeting: Greeting,
    ) -> Result<Wire, Failure> {
        bounded(context, async {
            let wire = Wire::dial(context, to).await?;
            wire.greet(context, greeting).await?;
            Ok(wire)
        })
        .await
    }

    /// Connects to a master within [`CONNECT`], and tells its replication id.
    pub(super) async fn open_to_master(
        context: &Context,
        to: &RedisAddress,
    ) -> Result<(Wire, Arc<str>), Failure> {
        bounded(context, async {
            let wire = Wire::dial(context, to).await?;
            let replication = wire.greet(context, Greeting::Full).await?;
            let replication = replication
                .ok_or_else(|| Failure::new(FailureKind::ReplicationId, "INFO replication was not asked"))?;
            Ok((wire, replication))
        })
        .await
    }

    async fn dial(context: &Context, to: &RedisAddress) -> Result<Wire, Failure> {
        let stream = context
            .dial
            .dial(to)
            .await
            .map_err(|error| Failure::of_dial(&error))?;
        // The library would greet by itself, but hides the server's words where that fails.
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let (connection, driver) = MultiplexedConnection::new_with_config(&silent, stream, config)
            .await
            .map_err(|error| Failure::of_library(&error))?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let driver = context.tasks.detach(async move {
            driver.await;
            drop(guard);
        });
        Ok(Wire {
            connection,
            driver,
            ended,
        })
    }

    /// Greets a server; a master's replication id if it is greeted in full.
    async fn greet(&self, context: &Context, greeting: Greeting) -> Result<Option<Arc<str>>, Failure> {
        let (settings, login) = (&context.settings, context.login.load_full());
        let password = login.password.as_ref().filter(|_| greeting != Greeting::Nothing);
        // One command alone: a server that has no room for clients says so to the first one, and
        // hangs up. The rest goes at once, since each round trip counts against the second.
        if let Some(password) = password {
            self.log_in(&commands::auth(login.username.as_deref(), &password.0))
                .await?;
        } else if greeting == Greeting::Full {
            self.say(&commands::replication()).await?;
        }
        if greeting != Greeting::Full {
            return Ok(None);
        }
        let mut rest = Pipeline::new();
        rest.add_command(commands::replication());
        // A server that is loading answers INFO, under an id that it then gives up.
        let inc = format!("larder:{{{}}}:inc", settings.namespace);
        rest.add_command(commands::get(inc.as_bytes()));
        rest.add_command(commands::set_info("LIB-NAME", "larder"));
        rest.add_command(commands::set_info("LIB-VER", VERSION));
        if settings.database != 0 {
            rest.add_command(commands::select(settings.database));
        }
        let mut values = self.send(&rest).await?;
        if settings.database != 0 {
            accepted(values.pop().unwrap_or(Value::Nil))?;
        }
        // The key may be on another node, and an older server knows nothing of SETINFO.
        for value in values.iter().skip(1) {
            if let Value::ServerError(error) = value {
                let failure = Failure::of_server(error);
                if failure.kind == FailureKind::Loading {
                    return Err(failure);
                }
            }
        }
        Ok(Some(replication_id(values.first().unwrap_or(&Value::Nil))?))
    }

    /// Tells the password. A server that is full, or busy, may answer with that instead.
    async fn log_in(&self, auth: &Cmd) -> Result<(), Failure> {
        let reply = self.connection.clone().send_packed_command(auth).await;
        match reply.map_err(|error| Failure::of_library(&error))? {
            Value::ServerError(error) => Err(match Failure::of_server(&error) {
                failure
                    if failure.kind == FailureKind::Other
                        && !failure.detail.contains("max number of clients") =>
                {
                    Failure::of_greeting(&error)
                }
                failure => failure,
            }),
            _ => Ok(()),
        }
    }

    /// One command that has to succeed.
    async fn say(&self, command: &Cmd) -> Result<Value, Failure> {
        let reply = self.connection.clone().send_packed_command(command).await;
        accepted(reply.map_err(|error| Failure::of_library(&error))?)
    }

    async fn send(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.connection.clone();
        let sent = connection.send_packed_commands(commands, 0, commands.len()).await;
        let values = sent.map_err(|error| Failure::of_library(&error))?;
        if values.len() == commands.len() {
            return Ok(values);
        }
        let detail = format!("{} replies to {} commands", values.len(), commands.len());
        Err(Failure::new(FailureKind::Protocol, detail))
    }

    /// One pipeline; the reply to each command in its place, errors of the server among them.
    pub(super) async fn ask(&self, commands: &Pipeline, deadline: Duration) -> Result<Vec<Value>, Failure> {
        let replies = pin!(self.send(commands));
        timeout(deadline, replies)
            .await
            .unwrap_or_else(|_| Err(silence(deadline)))
    }

    /// The replication id of the server, if it is a master and says so within `deadline`.
    pub(super) async fn check(&self, deadline: Duration) -> Result<Arc<str>, Failure> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(commands::replication());
        let values = self.ask(&pipeline, deadline).await?;
        replication_id(values.first().unwrap_or(&Value::Nil))
    }

    /// Ends it at once; whoever waits for a reply learns that.
    pub(super) fn end(&self) {
        self.driver.abort();
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// A reply that has to be no refusal.
fn accepted(reply: Value) -> Result<Value, Failure> {
    match reply {
        Value::ServerError(error) => Err(Failure::of_server(&error)),
        value => Ok(value),
    }
}

/// Bounds what makes a connection by [`CONNECT`].
async fn bounded<T>(
    context: &Context,
    making: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let secured = context.settings.tls.is_some();
    let made = timeout(CONNECT, making).await.map(|made| {
        made.map_err(|mut failure| {
            // Before the first answer a server hangs up mostly for one of two reasons.
            if failure.kind == FailureKind::Closed {
                failure.detail.push_str(if secured {
                    "; does the server want a client certificate?"
                } else {
                    "; does the port want TLS (rediss://)?"
                });
            }
            failure
        })
    });
    made.unwrap_or_else(|_| {
        let hint = if secured { "; does the port speak TLS?" } else { "" };
        let detail = format!("no connection that answers within {} s{hint}", CONNECT.as_secs());
        Err(Failure::new(FailureKind::Timeout, detail))
    })
}

fn silence(deadline: Duration) -> Failure {
    let detail = format!("no reply within {} ms", deadline.as_millis());
    Failure::new(FailureKind::Timeout, detail)
}
