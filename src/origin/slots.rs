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
    /// How long a request waits for `max_in_flight` before it is refused.
    in_flight_wait: Duration,
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
            in_flight_wait: settings.connect_timeout,
        }
    }

    /// A place as soon as one is free; `None` when none was in time.
    pub(super) async fn admit(&self, patience: Duration) -> Option<Slot> {
        let in_flight = match &self.in_flight {
            Some(places) => Some(place(places, self.in_flight_wait.min(patience)).await?),
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
