//! Conditions that tests wait for, each with a limit so that a hang is a failure with a name.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

/// A door that someone waits at until a test opens it; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate {
    open: watch::Sender<bool>,
}

impl Gate {
    /// A shut gate.
    pub fn shut() -> Gate {
        Gate {
            open: watch::Sender::new(false),
        }
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn passed(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// Awaits `condition`, at most half a minute of wall time; fails naming what was awaited.
pub async fn within<T>(what: &str, condition: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(30), condition).await {
        Ok(value) => value,
        Err(_) => panic!("waited 30 s for {what}"),
    }
}
