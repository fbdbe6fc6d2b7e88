//! Answers on their way over a connection that carries many at once (HTTP/2), and how much of each
//! its client has yet to take.
//!
//! The HTTP library asks for content before the client has room for it, keeps one piece, and asks
//! no more until there is room. So what is counted is each piece itself, from when the library has
//! got it until its last byte goes to the socket: bytes that wait are the client's doing, and an
//! answer without any waits for its origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;

use super::places::Places;
use super::{ConnState, InFlight, Tick};

/// For so many answers that share what their client takes, one may wait longer than one alone would.
const MOST_TURNS: u64 = 8;

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Those that are being answered; each is taken out by its [`Delivery`].
    open: Mutex<Places<Arc<ConnState>>>,
    /// The stream that the library is about to run; see [`ConnState::take_next`].
    next: Mutex<Option<Arc<ConnState>>>,
    /// When the client last took content of any stream.
    taken_at: AtomicU64,
}

/// An answer on its way on one stream; dropped when all of it has gone to the socket, or been given
/// up. Until then the connection is busy.
#[derive(Debug)]
pub struct Delivery {
    stream: Arc<ConnState>,
    connection: Arc<ConnState>,
    /// Its place among the connection's streams.
    place: usize,
    _busy: InFlight,
}

impl Delivery {
    /// Begins with a request on `connection`; what is to be known of its stream.
    pub(crate) fn begin(connection: &Arc<ConnState>) -> (Arc<ConnState>, Arc<Delivery>) {
        let stream = Arc::new(ConnState::stream_of(connection));
        let streams = &connection.streams;
        let place = streams.open.lock().add(stream.clone());
        *streams.next.lock() = Some(stream.clone());
        let delivery = Delivery {
            stream: stream.clone(),
            connection: connection.clone(),
            place,
            _busy: connection.begin(),
        };
        (stream, Arc::new(delivery))
    }

    /// Counts bytes that are handed over to the library now.
    pub(crate) fn hand_over(self: &Arc<Self>, bytes: Bytes) -> Untaken {
        let stream = &self.stream;
        if stream.untaken.load(Ordering::Relaxed) == 0 {
            // Before there are any, or a look in between would take them for old.
            stream.handed_at.store(stream.tick(), Ordering::Relaxed);
        }
        stream.untaken.fetch_add(bytes.len(), Ordering::Release);
        Untaken {
            bytes,
            delivery: self.clone(),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.connection.streams.open.lock().remove(self.place);
    }
}

/// Content that the HTTP library has, and the client does not.
#[derive(Debug)]
pub struct Untaken {
    bytes: Bytes,
    delivery: Arc<Delivery>,
}

impl Buf for Untaken {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, length: usize) {
        self.bytes.advance(length);
        let Delivery {
            stream, connection, ..
        } = &*self.delivery;
        let now = stream.tick();
        stream.moved.store(now, Ordering::Relaxed);
        stream.untaken.fetch_sub(length, Ordering::Relaxed);
        connection.streams.taken_at.store(now, Ordering::Relaxed);
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        let stream = &self.delivery.stream;
        stream.untaken.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// What came of a look at a connection's streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stalled {
    /// How many were ended now.
    pub ended: usize,
    /// What the connection is to do, as some could not be ended alone.
    pub connection: ForStalled,
}

/// What a connection is to do for the sake of streams whose client takes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ForStalled {
    /// Go on.
    #[default]
    GoOn,
    /// End when the others have ended.
    Drain,
    /// End now.
    End,
}

impl ConnState {
    /// The stream that the library has just had a request of answered, and is about to run; once.
    pub(crate) fn take_next(&self) -> Option<Arc<ConnState>> {
        self.streams.next.lock().take()
    }

    /// Ends streams on which nothing moves for `silence`, and those of which the client takes nothing for
    /// `stall`.
    pub(crate) fn end_overdue(&self, now: Tick, silence: u64, stall: u64) -> Stalled {
        let open = self.streams.open.lock();
        for stream in open.iter() {
            // Either way: the connection's own signs of life say nothing of it.
            if now.saturating_sub(stream.moved.load(Ordering::Relaxed)) > silence {
                stream.kill();
            }
        }
        self.end_stalled(&open, now, stall)
    }

    /// Ends each stream of which the client has taken nothing for `limit` although it could.
    ///
    /// Where others of the same connection get on, all share what the client takes, and one of them
    /// may wait for its turn: several times the limit. A stream whose last piece the library has
    /// cannot be ended alone, as nobody holds it any more; then the connection is to end, in good
    /// order first, and at once when nothing else is on it and the limit has run out once more. Only a
    /// client that is broken, or means no good, keeps a part of an answer from coming.
    fn end_stalled(&self, open: &Places<Arc<ConnState>>, now: Tick, limit: u64) -> Stalled {
        let mut stalled = Stalled::default();
        let waiting = open.iter().filter_map(|stream| stream.untaken_for(now));
        let turns = match waiting.count() as u64 {
            0 => return stalled,
            _ if now.saturating_sub(self.streams.taken_at.load(Ordering::Relaxed)) > limit => 1,
            waiting => waiting.min(MOST_TURNS),
        };
        let patience = limit.saturating_mul(turns);
        let others = open.iter().any(|stream| !stream.is_killed());
        for stream in open.iter() {
            let Some(waited) = stream.untaken_for(now).filter(|waited| *waited > patience) else {
                continue;
            };
            // Ended at an earlier look, and still there.
            let wish = if !stream.is_killed() {
                stream.kill();
                stalled.ended += 1;
                ForStalled::GoOn
            } else if others
                || waited <= patience.saturating_add(limit)
                || !self.draining.load(Ordering::Relaxed)
            {
                ForStalled::Drain
            } else {
                ForStalled::End
            };
            stalled.connection = stalled.connection.max(wish);
        }
        stalled
    }

    /// How long the client has taken nothing of what waits on this stream; `None`: nothing waits.
    fn untaken_for(&self, now: Tick) -> Option<u64> {
        let waits = self.untaken.load(Ordering::Acquire) != 0;
        let since = self.handed_at.load(Ordering::Relaxed);
        let since = since.max(self.moved.load(Ordering::Relaxed));
        waits.then(|| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1_000;

    fn connection() -> Arc<ConnState> {
        Arc::new(ConnState::new(None, Arc::new(AtomicU64::new(1))))
    }

    fn piece(delivery: &Arc<Delivery>) -> Untaken {
        delivery.hand_over(Bytes::from_static(&[b'x'; 100]))
    }

    fn at(connection: &ConnState, now: Tick) -> Stalled {
        connection.clock.store(now, Ordering::Relaxed);
        connection.end_overdue(now, Tick::MAX, LIMIT)
    }

    fn ended(number: usize) -> Stalled {
        Stalled {
            ended: number,
            connection: ForStalled::GoOn,
        }
    }

    #[test]
    fn a_stream_ends_when_nothing_of_it_is_taken_for_the_limit() {
        let connection = connection();
        let (stream, delivery) = Delivery::begin(&connection);
        assert_eq!(at(&connection, 100_000), ended(0), "it waits for its origin");
        let _piece = piece(&delivery);
        assert_eq!(at(&connection, 101_000), ended(0));
        assert!(!stream.is_killed());
        assert_eq!(at(&connection, 101_001), ended(1));
        assert!(stream.is_killed() && !connection.is_killed());
    }

    #[test]
    fn every_byte_that_is_taken_counts_and_with_the_last_nothing_waits() {
        let connection = connection();
        let (_, delivery) = Delivery::begin(&connection);
        let mut piece = piece(&delivery);
        for look in 1..=100 {
            assert_eq!(at(&connection, look * 900), ended(0));
            piece.advance(1);
        }
        assert_eq!(at(&connection, 1_000_000), ended(0));
        drop(piece);
        assert_eq!(at(&connection, 2_000_000), ended(0));
    }

    #[test]
    fn a_stream_ends_when_nothing_moves_either_way() {
        let connection = connection();
        let (stream, delivery) = Delivery::begin(&connection);
        let mut answer = piece(&delivery);
        let look = |now| {
            connection.clock.store(now, Ordering::Relaxed);
            connection.frames_read();
            connection.end_overdue(now, LIMIT, Tick::MAX);
            stream.is_killed()
        };
        assert!(!look(1_000));
        answer.advance(1);
        assert!(!look(1_900));
        stream.content_read();
        assert!(!look(2_900));
        assert!(look(2_901));
    }

    #[test]
    fn what_is_dropped_waits_no_more() {
        let connection = connection();
        let (_, delivery) = Delivery::begin(&connection);
        let mut pieces = (piece(&delivery), piece(&delivery));
        pieces.0.advance(40);
        drop(pieces);
        assert_eq!(at(&connection, 1_000_000), ended(0));
    }

    #[test]
    fn among_others_that_get_on_a_stream_may_wait_for_its_turn_but_not_for_ever() {
        let connection = connection();
        let (_, held) = Delivery::begin(&connection);
        let _held = piece(&held);
        let others: Vec<_> = (0..3).map(|_| Delivery::begin(&connection).1).collect();
        let mut others: Vec<_> = others.iter().map(piece).collect();
        let mut get_on = |now| {
            others.iter_mut().for_each(|piece| piece.advance(1));
            at(&connection, now)
        };
        for look in 1..=8 {
            assert_eq!(get_on(look * 500), ended(0));
        }
        assert_eq!(get_on(4_500), ended(1), "four share what is taken");
    }

    #[test]
    fn a_stream_that_cannot_be_ended_alone_ends_no_other() {
        let connection = connection();
        let (_, stuck) = Delivery::begin(&connection);
        let _piece = piece(&stuck);
        let (_, innocent) = Delivery::begin(&connection);
        for now in [1_500, 1_750, 100_000] {
            assert_ne!(at(&connection, now).connection, ForStalled::End);
            connection.drain();
        }
        drop(innocent);
        assert_eq!(at(&connection, 100_250).connection, ForStalled::End);
    }

    #[test]
    fn a_connection_ends_with_a_stream_that_cannot_be_ended_alone() {
        let connection = connection();
        let (_, delivery) = Delivery::begin(&connection);
        let piece = piece(&delivery);
        drop(delivery);
        assert!(connection.is_busy(), "its last bytes have yet to leave");
        assert_eq!(at(&connection, 1_500), ended(1));
        assert_eq!(at(&connection, 1_750).connection, ForStalled::Drain);
        assert_eq!(
            at(&connection, 2_100).connection,
            ForStalled::Drain,
            "it is told first"
        );
        connection.drain();
        assert_eq!(at(&connection, 2_350).connection, ForStalled::End);
        drop(piece);
        assert!(!connection.is_busy());
        assert_eq!(connection.streams.open.lock().len(), 0);
    }
}
