//! The seam between commands and the running Larder: what they know of it, and how it starts.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::config::Config;

/// Why Larder did not start.
pub type StartFailure = Box<dyn std::error::Error + Send + Sync>;

/// Brings a Larder up.
pub type Start = fn(Config) -> Pin<Box<dyn Future<Output = Result<Front, StartFailure>> + Send>>;

/// Stops accepting and waits for what is under way: `true` when all of it ended in time.
pub type Drain = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send>;

/// A running Larder as commands see it.
pub struct Front {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// Ends it.
    pub drain: Drain,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front")
            .field("listen", &self.listen)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// Brings up the real one.
pub fn start(_config: Config) -> Pin<Box<dyn Future<Output = Result<Front, StartFailure>> + Send>> {
    Box::pin(async { Err("this build has no data path".into()) })
}
