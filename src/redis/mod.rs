//! Connections to the Redis that pods share: made, watched and replaced in the background, so
//! that no request ever waits for one.
//!
//! A link is one connection to one server whose replication id was read when it was made and
//! is read again every second; when that changes, the link ends. Whoever holds a reply therefore
//! knows of which session it is. What is sent over links, and what replies mean, is known to the
//! store and the log alone; which commands there are at all is the list in [`commands`].

mod backoff;
mod breaker;
pub mod commands;
mod context;
mod dial;
mod eviction;
mod failure;
mod find;
mod handle;
mod layout;
mod link;
mod network;
mod private;
mod replication;
mod routes;
mod server;
mod slot;
mod trouble;
mod wire;

pub use crate::telemetry::{RedisFigures as RedisStats, RedisOperation as Operation};
pub use dial::{Dial, Dialing, Stream, UnknownHost};
pub use failure::{Failure, FailureKind};
pub use handle::{Redis, Reply};
pub use network::Network;
pub use private::Private;
pub use replication::replication_id;

#[cfg(test)]
mod tests;
