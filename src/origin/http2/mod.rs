//! HTTP/2 to the origin (RFC 9113): one connection carries many requests at once.
//!
//! A connection lives as long as it is listed in the pool or a [`Stream`] of it is. One that rested
//! for as long as the origin's idle timeout leaves the list; one that stays mute while it owes an
//! answer is cut off.

mod content;
mod exchange;
mod upload;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::connect::Io;
use super::stats::Open;
use super::wire::{Wire, WireState};
use crate::clock::{Clock, Mono};
use crate::tasks::Tasks;

pub(super) use content::Incoming;
pub(super) use exchange::head;

/// Most requests at once on one connection; the origin may want fewer (RFC 9113 §5.1.2). More make
/// another connection.
const STREAMS: usize = 100;
/// Content that may arrive of one answer before it is read, bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same of all together: answers that nobody reads never hold up the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
/// Largest answer head, as HTTP/2 counts it (RFC 9113 §6.5.2), and the most field lines.
const HEAD: u32 = 32 * 1024;
const FIELD_LINES: usize = 256;
/// Most content of one request that waits to be written, bytes.
const UNSENT: usize = 64 * 1024;
/// A connection with requests under way that brings nothing for so long is asked for a sign of life,
/// and has as long again to give it.
const MUTE: Duration = Duration::from_secs(10);
/// How long a connection may take to say its last word.
const FAREWELL: Duration = Duration::from_secs(1);
/// Shortest and longest time between two looks at a connection.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// One connection.
pub(super) struct Conn {
    sender: SendRequest<Bytes>,
    wire: Arc<WireState>,
    made: Mono,
    /// Requests under way; raised only under the lock of the list.
    streams: AtomicUsize,
    /// When the last one ended.
    rests_since: Mutex<Mono>,
    /// It takes no more requests.
    over: AtomicBool,
    clock: Clock,
    /// Dropped with the last of its users: tells the driver to say goodbye.
    _in_use: oneshot::Sender<()>,
}

/// What drives a [`Conn`].
pub(super) struct Driver {
    connection: Connection<Wire, Bytes>,
    released: oneshot::Receiver<()>,
}

/// One request's part of a connection; dropped before its answer is whole, the request is cancelled.
pub(super) struct Stream {
    conn: Arc<Conn>,
    /// Sends the request's content.
    upload: Option<AbortHandle>,
}

/// The connections that take requests.
#[derive(Default)]
pub(super) struct List {
    conns: Vec<Arc<Conn>>,
    /// Nothing is kept any more.
    closed: bool,
}

impl Conn {
    /// Speaks HTTP/2 over `io`; nothing moves before [`Driver::run`].
    pub(super) async fn new(
        io: Box<dyn Io>,
        open: Open,
        clock: Clock,
    ) -> Result<(Arc<Conn>, Driver), h2::Error> {
        let (io, wire) = Wire::new(io, open);
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(UNSENT)
            .handshake(io)
            .await?;
        let (in_use, released) = oneshot::channel();
        let made = clock.now().mono;
        let conn = Conn {
            sender,
            wire,
            made,
            streams: AtomicUsize::new(0),
            rests_since: Mutex::new(made),
            over: AtomicBool::new(false),
            clock,
            _in_use: in_use,
        };
        Ok((Arc::new(conn), Driver { connection, released }))
    }

    /// A stream of a connection that nobody else can have yet.
    pub(super) fn first_stream(self: &Arc<Self>) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Stream {
            conn: Arc::clone(self),
            upload: None,
        }
    }

    /// Whether it takes no more requests: it ended, or the origin said so (GOAWAY).
    fn is_over(&self) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        let ready = self
            .sender
            .clone()
            .poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < STREAMS.min(self.sender.current_max_send_streams())
    }

    /// How long no request has been under way.
    fn rested(&self) -> Option<Duration> {
        let rests = self.streams.load(Ordering::Relaxed) == 0;
        rests.then(|| self.clock.now().mono.since(*self.rests_since.lock()))
    }

    /// No request is put on it any more.
    fn retire(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort();
        }
        *self.conn.rests_since.lock() = self.conn.clock.now().mono;
        self.conn.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl List {
    /// A stream of a listed connection with room, one made at `since` or later.
    pub(super) fn claim(&mut self, since: Option<Mono>) -> Option<Stream> {
        self.conns.retain(|conn| !conn.is_over());
        let mut young = self
            .conns
            .iter()
            .filter(|conn| since.is_none_or(|since| conn.made >= since));
        young.find(|conn| conn.has_room()).map(Conn::first_stream)
    }

    /// Lists a connection, unless nothing is kept any more.
    pub(super) fn add(&mut self, conn: &Arc<Conn>) {
        if !self.closed {
            self.conns.push(Arc::clone(conn));
        }
    }

    /// Takes out what has rested for `idle`.
    fn evict(&mut self, idle: Duration) -> Vec<Arc<Conn>> {
        self.conns
            .extract_if(.., |conn| conn.rested().is_some_and(|rested| rested >= idle))
            .collect()
    }

    /// Takes everything out, now and from now on.
    pub(super) fn close(&mut self) -> Vec<Arc<Conn>> {
        self.closed = true;
        std::mem::take(&mut self.conns)
    }

    /// How many rest.
    pub(super) fn idle(&self) -> usize {
        self.conns.iter().filter(|conn| conn.rested().is_some()).count()
    }
}

impl Driver {
    /// Moves the connection's bytes until it ends; `idle` tells how long it may rest in `list`.
    pub(super) fn run(
        mut self,
        conn: &Arc<Conn>,
        list: Arc<Mutex<List>>,
        idle: impl Fn() -> Duration + Send + Sync + 'static,
        tasks: &Tasks,
    ) {
        let conn = Arc::downgrade(conn);
        let watched = watch(conn.clone(), list, idle, self.connection.ping_pong());
        tasks.detach(async move {
            let mut connection = pin!(self.connection);
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection to the origin ended");
                    }
                }
                () = watched => tracing::debug!("a connection to the origin was cut off: it had gone mute"),
                _released = self.released => {
                    // Whether its last word is taken is not waited for any longer.
                    let _ = timeout(FAREWELL, connection).await;
                }
            }
            if let Some(conn) = conn.upgrade() {
                conn.retire();
            }
        });
    }
}

/// Looks at a connection from time to time; ends when it has gone mute.
async fn watch(
    conn: Weak<Conn>,
    list: Arc<Mutex<List>>,
    idle: impl Fn() -> Duration,
    mut pings: Option<PingPong>,
) {
    let mut voice = Voice::default();
    loop {
        sleep(idle().clamp(SHORTEST_LOOK, LONGEST_LOOK)).await;
        let rested = list.lock().evict(idle());
        drop(rested);
        let Some(conn) = conn.upgrade() else {
            // About to be released.
            continue;
        };
        let owes = conn.rested().is_none();
        match voice.judge(conn.wire.read(), owes, conn.clock.now().mono) {
            Verdict::Speaks => {}
            Verdict::Ask => ask(pings.as_mut()),
            Verdict::Gone => return,
        }
    }
}

/// Asks for a sign of life.
fn ask(pings: Option<&mut PingPong>) {
    let Some(pings) = pings else { return };
    // What came to the last question may not have been taken yet.
    let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
    if let Err(error) = pings.send_ping(Ping::opaque()) {
        tracing::debug!(%error, "no sign of life could be asked for");
    }
}

/// Whether a connection still speaks.
#[derive(Default)]
struct Voice {
    /// Bytes heard so far, and since when no more were.
    heard: u64,
    since: Mono,
    /// A sign of life was asked for since.
    asked: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Speaks,
    /// It owes an answer, and has said nothing for long.
    Ask,
    /// Not even when asked.
    Gone,
}

impl Voice {
    fn judge(&mut self, heard: u64, owes: bool, now: Mono) -> Verdict {
        if heard != self.heard || !owes {
            (self.heard, self.since, self.asked) = (heard, now, false);
        }
        if now.since(self.since) < MUTE {
            return Verdict::Speaks;
        }
        if self.asked {
            return Verdict::Gone;
        }
        (self.since, self.asked) = (now, true);
        Verdict::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owes_an_answer_is_asked_once_and_then_given_up() {
        let mut voice = Voice::default();
        for (second, heard, owes, expected) in [
            (0, 9, true, Verdict::Speaks),
            (9, 9, true, Verdict::Speaks),
            (10, 9, true, Verdict::Ask),
            (19, 9, true, Verdict::Speaks),
            (19, 26, true, Verdict::Speaks),
            (29, 26, true, Verdict::Ask),
            (30, 26, false, Verdict::Speaks),
            (90, 26, false, Verdict::Speaks),
            (99, 26, true, Verdict::Speaks),
            (100, 26, true, Verdict::Ask),
            (110, 26, true, Verdict::Gone),
        ] {
            let now = Mono(Duration::from_secs(second));
            assert_eq!(voice.judge(heard, owes, now), expected, "{second}");
        }
    }
}
