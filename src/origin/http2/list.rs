//! The connections that take requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conn::{Conn, Stream};
use crate::clock::Mono;

/// The connections that take requests.
#[derive(Default)]
pub(in crate::origin) struct List {
    conns: Vec<Arc<Conn>>,
    /// Nothing is kept any more.
    closed: bool,
}

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::origin) struct Fit {
    /// It was made then or later.
    pub(in crate::origin) since: Option<Mono>,
    /// It is not about to be closed, as far as can be seen.
    pub(in crate::origin) certain: bool,
    /// Content of others does not wait on it: this request has some too.
    pub(in crate::origin) uploads: bool,
}

impl Fit {
    fn is_met_by(self, conn: &Conn) -> bool {
        let in_doubt = self.certain && conn.streams() == 0 && conn.wire.has_readable_or_end();
        let held_up = self.uploads && conn.waiting_uploads.load(Ordering::Relaxed) > 0;
        conn.has_room()
            && self.since.is_none_or(|since| conn.made >= since)
            && !conn.mute.load(Ordering::Relaxed)
            && !held_up
            && !in_doubt
    }
}

impl List {
    /// A stream of a listed connection that fits.
    pub(in crate::origin) fn claim(&mut self, fit: Fit) -> Option<Stream> {
        self.conns.retain(|conn| !conn.is_over());
        let found = self.conns.iter().find(|conn| fit.is_met_by(conn));
        found.map(Conn::stream)
    }

    /// Lists a connection, unless nothing is kept any more.
    pub(super) fn add(&mut self, conn: &Arc<Conn>) {
        if !self.closed {
            self.conns.push(Arc::clone(conn));
        }
    }

    /// Takes out what has rested for `idle`.
    pub(super) fn evict(&mut self, idle: Duration) -> Vec<Arc<Conn>> {
        self.conns
            .extract_if(.., |conn| conn.rested().is_some_and(|rested| rested >= idle))
            .collect()
    }

    /// Takes everything out, now and from now on.
    pub(in crate::origin) fn close(&mut self) -> Vec<Arc<Conn>> {
        self.closed = true;
        std::mem::take(&mut self.conns)
    }

    /// Requests whose content waits for the origin to take some.
    #[cfg(test)]
    pub(in crate::origin) fn waiting_uploads(&self) -> usize {
        self.conns
            .iter()
            .map(|conn| conn.waiting_uploads.load(Ordering::Relaxed))
            .sum()
    }

    /// How many rest.
    pub(in crate::origin) fn idle(&self) -> usize {
        self.conns.iter().filter(|conn| conn.rested().is_some()).count()
    }
}
