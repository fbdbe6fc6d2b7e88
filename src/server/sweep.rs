//! One task that ends connections which have kept Larder waiting too long: cheaper than a timer
//! a connection, and precise to a quarter of a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::client::{ConnState, ForStalled, Places, Tick, Waits};
use crate::clock::Clock;
use crate::config::Limits;

/// How often connections are looked at.
const PERIOD: Duration = Duration::from_millis(250);

/// The most that one look counts for.
const MOST_STEP: Duration = Duration::from_secs(1);

/// How long a drain waits for a request's head, the first byte of a connection's first one included.
const HEAD: Duration = Duration::from_secs(1);

/// How long a client of HTTP/2 may be mute that is to answer that it knows of the connection's end
/// (GOAWAY), with nothing under way: what it has yet to read may stand before that, and a request that it
/// sent before it knew arrives within that time.
const FAREWELL: Duration = Duration::from_secs(5);

/// Every open client connection.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Milliseconds since start, moved by the sweeper; shared with every connection.
    pub clock: Arc<AtomicU64>,
    connections: Mutex<Places<Arc<ConnState>>>,
    /// Set at the start of a drain's delay, under the lock of `connections`.
    leaving: AtomicBool,
    /// Set by a drain, under the lock of `connections`: who comes later hears of it at once.
    draining: AtomicBool,
}

impl Registry {
    /// Adds a connection; it is taken out when the guard is dropped.
    pub fn add(self: &Arc<Self>, state: Arc<ConnState>) -> Registered {
        let mut connections = self.connections.lock();
        if self.leaving.load(Ordering::Relaxed) {
            state.leave();
        }
        if self.draining.load(Ordering::Relaxed) {
            state.drain();
        }
        Registered {
            registry: self.clone(),
            index: connections.add(state),
        }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.connections.lock().len()
    }

    /// Has every answer, on connections present or to come, say that it is the last of its connection.
    pub fn leave(&self) {
        let connections = self.connections.lock();
        self.leaving.store(true, Ordering::Relaxed);
        for state in connections.iter() {
            state.leave();
        }
    }

    /// Asks every connection to end after the request in hand.
    pub fn drain(&self) {
        let connections = self.connections.lock();
        self.draining.store(true, Ordering::Relaxed);
        for state in connections.iter() {
            state.drain();
        }
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Ends every connection at once.
    pub fn kill(&self) {
        for state in self.connections.lock().iter() {
            state.kill();
        }
    }

    /// How many connections or streams were ended because their client took nothing.
    fn sweep(&self, now: Tick, limits: &Limits) -> usize {
        let is_draining = self.is_draining();
        let connections = self.connections.lock();
        let stalled = connections.iter().map(|state| {
            let waits = rest(state, state.waits(now), limits);
            if state.is_killed() {
                0
            } else if too_long(waits, limits)
                || (is_draining && (over(waits.unheard, HEAD) || over(waits.begun, HEAD)))
            {
                state.kill();
                usize::from(over(waits.blocked, limits.write_timeout))
            } else {
                end_overdue(state, now, limits)
            }
        });
        stalled.sum()
    }
}

/// Begins the end of a connection that carries many requests at once and has rested too long: one may be
/// on its way, and the client is told first which was the last (GOAWAY). The other limits stay.
fn rest(state: &ConnState, waits: Waits, limits: &Limits) -> Waits {
    if !state.is_multiplexed() {
        return waits;
    }
    if over(waits.idle, limits.idle_timeout) {
        state.drain();
    }
    Waits { idle: 0, ..waits }
}

/// Ends streams that are silent, and streams whose client takes nothing, with the connection where that
/// takes it; how many of the latter.
fn end_overdue(state: &ConnState, now: Tick, limits: &Limits) -> usize {
    if !state.is_multiplexed() {
        return 0;
    }
    let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let (silence, stall) = (millis(limits.stream_idle_timeout), millis(limits.write_timeout));
    let stalled = state.end_overdue(now, silence, stall);
    match stalled.connection {
        ForStalled::GoOn => {}
        ForStalled::Drain => state.drain(),
        ForStalled::End => state.kill(),
    }
    stalled.ended
}

/// Whether any limit has run out.
fn too_long(waits: Waits, limits: &Limits) -> bool {
    over(waits.head, limits.header_timeout)
        || over(waits.idle, limits.idle_timeout)
        || over(waits.blocked, limits.write_timeout)
        || over(waits.silent, limits.stream_idle_timeout)
        || over(waits.parting, FAREWELL)
}

fn over(waited: u64, limit: Duration) -> bool {
    u128::from(waited) > limit.as_millis()
}

/// A connection's place in the [`Registry`].
#[derive(Debug)]
pub(super) struct Registered {
    registry: Arc<Registry>,
    index: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.connections.lock().remove(self.index);
    }
}

/// Moves the coarse clock and sweeps, as long as anyone else holds the registry. `on_stalled` is told how
/// many connections and streams were ended because their client took nothing.
pub(super) async fn sweep(
    registry: std::sync::Weak<Registry>,
    clock: Clock,
    limits: Arc<ArcSwap<Limits>>,
    on_stalled: impl Fn(usize) + Send,
) {
    let (mut now, mut last) = (0, clock.mono());
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(registry) = registry.upgrade() else {
            return;
        };
        // A process that was stopped for a while must not hold that against its clients.
        let read = clock.mono();
        now += u64::try_from(read.since(last).min(MOST_STEP).as_millis()).unwrap_or_default();
        last = read;
        registry.clock.store(now, Ordering::Relaxed);
        on_stalled(registry.sweep(now, &limits.load()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ConnState, Wish};

    fn limits() -> Limits {
        Limits {
            header_bytes: 0,
            header_count: 0,
            uri_bytes: 0,
            request_body: None,
            key_body: 0,
            connections: 0,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            stream_idle_timeout: Duration::from_secs(3600),
            variants: 0,
            tags: 0,
            decoded_body: 1024,
        }
    }

    fn connection() -> (Arc<Registry>, Arc<ConnState>) {
        let registry = Arc::new(Registry::default());
        registry.clock.store(1, Ordering::Relaxed);
        let state = Arc::new(ConnState::new(None, registry.clock.clone()));
        (registry, state)
    }

    #[test]
    fn a_head_that_is_not_whole_in_time_ends_the_connection() {
        let (_, state) = connection();
        state.bytes_read(b"GET / HT");
        assert!(!too_long(state.waits(10_001), &limits()));
        assert!(too_long(state.waits(10_002), &limits()));
    }

    #[test]
    fn a_connection_that_never_speaks_counts_as_a_slow_head() {
        let (_, state) = connection();
        assert!(too_long(state.waits(10_002), &limits()));
    }

    #[test]
    fn a_kept_connection_may_rest_for_the_idle_timeout_and_no_longer() {
        let (_, state) = connection();
        state.bytes_read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        drop(state.begin());
        assert!(!too_long(state.waits(75_001), &limits()));
        assert!(too_long(state.waits(75_002), &limits()));
    }

    #[test]
    fn a_connection_that_carries_many_requests_rests_as_any_other() {
        let (registry, state) = connection();
        state.frames_read();
        let stream = Arc::new(ConnState::stream_of(&state));
        let busy = stream.begin();
        assert!(!too_long(state.waits(100_000), &limits()));
        drop(busy);
        state.frames_read();
        assert!(!too_long(state.waits(75_001), &limits()));
        let _place = registry.add(state.clone());
        registry.sweep(75_002, &limits());
        assert_eq!(state.watch(std::task::Waker::noop()), Wish::Drain);
    }

    #[test]
    fn who_was_told_of_the_end_and_has_nothing_under_way_is_waited_for_a_moment() {
        let (registry, state) = connection();
        state.frames_read();
        let _place = registry.add(state.clone());
        let busy = state.begin();
        registry.drain();
        registry.sweep(20_000, &limits());
        assert!(!state.is_killed(), "a request is under way");
        registry.clock.store(20_000, Ordering::Relaxed);
        drop(busy);
        registry.sweep(25_000, &limits());
        assert!(!state.is_killed());
        registry.clock.store(25_000, Ordering::Relaxed);
        state.frames_read();
        registry.sweep(30_000, &limits());
        assert!(!state.is_killed(), "it still reads");
        registry.sweep(30_001, &limits());
        assert!(state.is_killed());
    }

    #[test]
    fn a_drain_waits_for_a_handshake_as_for_a_head_and_then_for_a_first_byte() {
        let (registry, state) = connection();
        let _place = registry.add(state.clone());
        registry.drain();
        state.greeting_begun();
        registry.sweep(9_000, &limits());
        assert!(!state.is_killed());
        registry.clock.store(9_000, Ordering::Relaxed);
        state.greeting_over();
        registry.sweep(10_000, &limits());
        assert!(!state.is_killed());
        registry.sweep(10_001, &limits());
        assert!(state.is_killed());
    }

    #[test]
    fn bytes_behind_a_whole_request_are_a_head_unless_it_has_content() {
        let head: &[&[u8]] = &[b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\n"];
        let table: &[(&[&[u8]], bool, bool)] = &[
            (head, false, false),
            (&[b"GET / HTTP/1.1\nHost: a\n\n"], false, false),
            (&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\nG"], false, true),
            (&[b"POST / HTTP/1.1\r\nHost: a\r\n\r\nG"], true, false),
        ];
        for (reads, has_content, is_head) in table {
            let (_, state) = connection();
            let busy = state.begin();
            state.note(http::Version::HTTP_11, *has_content);
            for bytes in *reads {
                state.bytes_read(bytes);
            }
            drop(busy);
            assert_eq!(too_long(state.waits(10_002), &limits()), *is_head, "{reads:?}");
        }
    }

    #[test]
    fn a_slow_answer_is_not_the_clients_fault_but_a_blocked_write_is() {
        let (_, state) = connection();
        let _busy = state.begin();
        assert!(!too_long(state.waits(100_000), &limits()));
        state.write_blocked();
        assert!(too_long(state.waits(100_000), &limits()));
        state.bytes_written();
        assert!(!too_long(state.waits(100_000), &limits()));
    }

    #[test]
    fn a_stream_silent_both_ways_ends_after_its_own_timeout() {
        let (_, state) = connection();
        let _busy = state.begin();
        assert!(too_long(state.waits(3_600_002), &limits()));
    }

    #[test]
    fn a_connection_leaves_the_registry_with_its_guard() {
        let (registry, state) = connection();
        let guard = registry.add(state.clone());
        assert_eq!(registry.len(), 1);
        drop(guard);
        assert_eq!(registry.len(), 0);
        let _again = registry.add(state);
        assert_eq!(registry.len(), 1);
    }
}
