//! One supervised connection to one server: made, watched, and made again when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backoff::Backoff;
use super::server::Server;
use super::wire::Wire;
use super::{Failure, FailureKind, eviction};

/// Between two looks at the server's replication id, and how long an answer may take.
const LOOK: Duration = Duration::from_secs(1);
/// A look out of turn waits this long, so that many refusals at once cost one.
const DOUBT: Duration = Duration::from_millis(100);

/// A connection to a master, of one replication id for its life.
pub(super) struct Link {
    pub(super) wire: Wire,
    pub(super) replication: Arc<str>,
}

impl Link {
    /// Connects within the time that a connection may take.
    pub(super) async fn open(server: &Server) -> Result<Link, Failure> {
        let (wire, replication) = Wire::open_to_master(&server.context, &server.address).await?;
        Ok(Link { wire, replication })
    }

    /// Whether the server is still the master that it was.
    pub(super) async fn check(&self, deadline: Duration) -> Result<(), Failure> {
        let now = self.wire.check(deadline).await?;
        if now == self.replication {
            return Ok(());
        }
        let detail = format!("the replication id changed from {} to {now}", self.replication);
        Err(Failure::new(FailureKind::ReplicationId, detail))
    }
}

/// Keeps a link at place `place` of a server for ever.
pub(super) async fn keep(server: Arc<Server>, place: usize) {
    let mut backoff = Backoff::default();
    loop {
        // One tries; the others follow once a server is there. So a server that is down, or
        // refuses the password, hears from each pod once.
        if place > 0 {
            server.until_up().await;
        }
        let failure = match Link::open(&server).await {
            Ok(link) => {
                let since = server.context.clock.mono();
                let link = Arc::new(link);
                server.put(place, link.clone());
                let failure = watch(&server, &link).await;
                server.take(place);
                link.wire.end();
                if server.context.clock.mono().since(since) > LOOK {
                    backoff.succeeded();
                }
                failure
            }
            Err(failure) => failure,
        };
        server.trouble(&failure);
        server.lost.notify_one();
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Looks at the server each second until the link has to end; says why.
async fn watch(server: &Server, link: &Link) -> Failure {
    let known = &server.context.eviction_known;
    if !known.swap(true, Ordering::Relaxed) && !eviction::look(&server.address, &link.wire).await {
        known.store(false, Ordering::Relaxed);
    }
    loop {
        tokio::select! {
            () = link.wire.ended() => {
                return Failure::new(FailureKind::Closed, "the server closed the connection");
            }
            () = tokio::time::sleep(LOOK) => {}
            () = server.doubt.notified() => tokio::time::sleep(DOUBT).await,
        }
        if let Err(failure) = link.check(LOOK).await {
            return failure;
        }
    }
}
