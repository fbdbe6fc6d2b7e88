//! Counts of what the origin module does, for metrics and `/stats`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A reading of the counts; they are not taken at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OriginStats {
    /// Connections that stand, resting ones included.
    pub open: usize,
    /// Connections that rest in the pool.
    pub idle: usize,
    /// Requests begun whose answers have not ended; what `streams` counts is not among them.
    pub in_flight: usize,
    /// Endless answers and upgraded connections that have begun and not ended.
    pub streams: usize,
    /// Connections made since the start.
    pub connected: u64,
    /// Requests that began on a kept connection, since the start.
    pub reused: u64,
    /// Second tries since the start.
    pub retried: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    open: AtomicUsize,
    streams: AtomicUsize,
    connected: AtomicU64,
    reused: AtomicU64,
    retried: AtomicU64,
}

impl Counts {
    pub(super) fn reused(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, idle: usize, in_flight: usize) -> OriginStats {
        OriginStats {
            open: self.open.load(Ordering::Relaxed),
            idle,
            in_flight,
            streams: self.streams.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
        }
    }
}

/// Counts one connection as open until it is dropped.
pub(super) struct Open(Arc<Counts>);

impl Open {
    pub(super) fn new(counts: &Arc<Counts>) -> Open {
        counts.open.fetch_add(1, Ordering::Relaxed);
        counts.connected.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one endless answer or upgraded connection until it is dropped.
pub(super) struct Streaming(Arc<Counts>);

impl Streaming {
    pub(super) fn new(counts: &Arc<Counts>) -> Streaming {
        counts.streams.fetch_add(1, Ordering::Relaxed);
        Streaming(Arc::clone(counts))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
