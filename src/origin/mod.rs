//! The origin: connection pool, timeouts and retries.
//!
//! [`Origin::forward`] takes a request whose fields are already those of the next hop, finds or
//! makes a connection, and gives back the answer's head with a body that streams. It never looks
//! at what an answer means; it only decides which connection carries a request, how long to wait
//! for it, and whether a failed one may be sent once more.

mod answer;
mod body;
mod conn;
mod connect;
mod error;
mod exchange;
mod http2;
mod identity;
mod interim;
mod patience;
mod pool;
mod request;
mod retry;
mod slots;
mod stats;
#[cfg(test)]
mod tests;
mod timeouts;
mod upload;
mod wire;

use std::sync::Arc;

use http::Response;

pub use body::OriginBody;
pub use connect::{Connect, Connected, Connecting, Io, Sockets, Version, Wanted};
pub use error::{ErrorKind, OriginError, Sent};
pub use request::{Outgoing, RequestBody};
pub use stats::OriginStats;
pub use upload::StreamBody;

use crate::clock::Clock;
use crate::config;
use crate::tasks::Tasks;

/// The one origin that requests are forwarded to; clones share connections and limits.
#[derive(Clone)]
pub struct Origin {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<pool::Pool>,
    slots: slots::Slots,
    timeouts: Arc<timeouts::Timeouts>,
    /// Requests go out over TLS.
    is_secured: bool,
}

impl Origin {
    /// An origin with no connection yet; nothing is sent or looked up before the first request.
    pub fn new(settings: &config::Origin, connect: Arc<dyn Connect>, clock: Clock, tasks: Tasks) -> Origin {
        let timeouts = Arc::new(timeouts::Timeouts::new(settings));
        let pool = pool::Pool::new(timeouts.clone(), connect, clock, tasks);
        Origin {
            inner: Arc::new(Inner {
                pool: Arc::new(pool),
                slots: slots::Slots::new(settings),
                timeouts,
                is_secured: settings.tls.is_some(),
            }),
        }
    }

    /// Puts other timeouts in force for requests from now on; nothing else of `settings` counts.
    pub fn set_timeouts(&self, settings: &config::Origin) {
        self.inner.timeouts.set(settings);
    }

    /// Sends a request and waits for the head of its answer, at most for its response timeout
    /// (counted from the last progress of the client's content), beside the wait for a place.
    ///
    /// A request or answer that authenticates its connection (NTLM, Negotiate) has the connection to
    /// itself, so a handshake of several legs does not work. An endless answer counts towards no
    /// limit of the origin from its head on.
    ///
    /// Dropping the future ends the request and closes its connection.
    pub async fn forward(&self, request: Outgoing) -> Result<Response<OriginBody>, OriginError> {
        self.inner.forward(request).await
    }

    /// What is open, resting and under way.
    pub fn stats(&self) -> OriginStats {
        self.inner
            .pool
            .counts
            .read(self.inner.pool.idle(), self.inner.slots.taken())
    }

    /// Closes every resting connection, and from now on each one as soon as its answer has ended.
    pub fn close_idle(&self) {
        self.inner.pool.close_idle();
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
