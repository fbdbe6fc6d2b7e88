//! How many requests the origin has at once: a bounded number, and a bounded wait for a place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::stats::{Counts, Streaming};
use crate::config;

/// The places. A request holds one until its answer has ended, so that connections in use never
/// exceed them; one whose answer turns out endless only until its head, or a few idle listeners
/// would keep everybody else out.
pub(super) struct Slots {
    connections: Arc<Semaphore>,
    max_connections: usize,
    in_flight: Option<Arc<Semaphore>>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _connection: OwnedSemaphorePermit,
    _in_flight: Option<OwnedSemaphorePermit>,
}

/// What an answer without end has instead of a place.
pub(super) struct Stream {
    places: Arc<Semaphore>,
    _streaming: Streaming,
}

/// What an answer in progress counts as.
pub(super) enum Claim {
    Place { _slot: Slot },
    Stream(Stream),
}

impl Claim {
    /// Whether the connection may rest afterwards, beside the `resting` ones, without exceeding
    /// the places. A place makes sure of that by itself; a stream's was given away.
    pub(super) fn has_room(&self, resting: usize) -> bool {
        match self {
            Claim::Place { .. } => true,
            Claim::Stream(stream) => resting < stream.places.available_permits(),
        }
    }
}

impl Slots {
    pub(super) fn new(settings: &config::Origin) -> Slots {
        let max_connections = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let in_flight = settings
            .max_in_flight
            .map(|most| most.clamp(1, Semaphore::MAX_PERMITS));
        Slots {
            connections: Arc::new(Semaphore::new(max_connections)),
            max_connections,
            in_flight: in_flight.map(|most| Arc::new(Semaphore::new(most))),
        }
    }

    /// A place as soon as one is free; `None` when none was in time. Waiting for a worker that is
    /// busy is waiting for the answer, and may take as long.
    pub(super) async fn admit(&self, patience: Duration) -> Option<Slot> {
        let in_flight = match &self.in_flight {
            Some(places) => Some(place(places, patience).await?),
            None => None,
        };
        let connection = place(&self.connections, patience).await?;
        Some(Slot {
            _connection: connection,
            _in_flight: in_flight,
        })
    }

    /// Leaves a place to others for an answer without end. Its connection is one beyond the
    /// places from now on; as it belongs to one client, the limit on those bounds it.
    pub(super) fn leave(&self, slot: Slot, counts: &Arc<Counts>) -> Stream {
        drop(slot);
        Stream {
            places: Arc::clone(&self.connections),
            _streaming: Streaming::new(counts),
        }
    }

    /// Places taken.
    pub(super) fn taken(&self) -> usize {
        self.max_connections
            .saturating_sub(self.connections.available_permits())
    }

    /// Places in all.
    pub(super) fn most(&self) -> usize {
        self.max_connections
    }
}

async fn place(places: &Arc<Semaphore>, patience: Duration) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    timeout(patience, Arc::clone(places).acquire_owned())
        .await
        .ok()?
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_a_worker_as_long_as_for_an_answer() {
        let yaml = "origin: {url: http://a, connect_timeout: 1s, max_in_flight: 1}\n";
        let slots = Slots::new(&Config::from_yaml(yaml).unwrap().origin);
        for (busy, patience, expected) in [(5, 10, true), (5, 2, false), (0, 10, true)] {
            let seconds = Duration::from_secs;
            let first = slots.admit(seconds(1)).await.unwrap();
            let work = async {
                tokio::time::sleep(seconds(busy)).await;
                drop(first);
            };
            let (second, ()) = tokio::join!(slots.admit(seconds(patience)), work);
            assert_eq!(second.is_some(), expected, "{busy} {patience}");
        }
    }
}
