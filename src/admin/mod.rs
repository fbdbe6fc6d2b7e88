//! The admin port: health, metrics, statistics, purge and reload, on a listener of its own.
//!
//! `/livez`, `/readyz` and `/metrics` are open; `/stats`, `/purge` and `/reload` need the token, or a
//! caller on this machine where none is set. Nothing here knows stores or logs: [`AdminState`] brings
//! the few things to ask.

mod guard;
mod problem;
mod purge;
mod reload;
mod routes;
mod seats;
mod serve;
mod stats;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwapOption;

use crate::config::Secret;
use crate::telemetry::{Metrics, Snapshot};

pub use purge::{PurgeError, PurgePath, PurgeReceipt, PurgeRequest, ReceiptPod, ReceiptPosition};
pub use reload::{ReloadReceipt, ReloadRefusal, Reloaded};
pub use serve::serve;

/// Answers a purge: resolves when its event is in the log, and, if asked for, counted.
pub type Purge = Arc<
    dyn Fn(PurgeRequest) -> Pin<Box<dyn Future<Output = Result<PurgeReceipt, PurgeError>> + Send>>
        + Send
        + Sync,
>;

/// Has the configuration read again, and says what came of it.
pub type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Arc<Reloaded>> + Send>> + Send + Sync>;

/// What the admin port asks of the running Larder; cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    /// The bearer token; without one only callers on this machine see what is guarded. A reload may
    /// change it.
    pub token: Arc<ArcSwapOption<Secret>>,
    /// Whether clients should be sent here; cleared when a drain begins.
    pub ready: Arc<AtomicBool>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// Looks at the present state.
    pub snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    /// Purges.
    pub purge: Purge,
    /// Reloads.
    pub reload: Reload,
    /// Why the configuration as last read is not in force, for `/readyz`; `None`: it is.
    pub refused: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState")
            .field("token", &self.token.load())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
