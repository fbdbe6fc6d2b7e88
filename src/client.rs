//! What is known of one client connection, shared between its I/O, its requests and the sweeper.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use http::Version;
use parking_lot::Mutex;

pub(crate) use self::delivery::ForStalled;
use self::delivery::Streams;
pub use self::delivery::{Delivery, Untaken};
pub use self::interim::{Expecting, ForwardedInterim, Interim};
pub(crate) use self::places::Places;

mod delivery;
mod interim;
mod places;

/// A coarse time: ticks of the sweeper's clock, in milliseconds since start; 0 stands for never.
pub(crate) type Tick = u64;

/// What the coarse time cannot tell from no time at all, in milliseconds.
const AT_ONCE: Tick = 500;

/// State of one client connection. Times are coarse: the sweeper's ticks.
#[derive(Debug)]
pub struct ConnState {
    /// The client's address; `None` over an in-memory transport.
    peer: Option<IpAddr>,
    /// The sweeper's clock, shared by all connections; only the sweeper moves it.
    clock: Arc<AtomicU64>,
    /// When the connection was accepted or its last request ended.
    idle_since: AtomicU64,
    /// Since when a first byte of HTTP is waited for; 0: something that goes before it is under way.
    unheard_since: AtomicU64,
    /// When the first byte of a request head arrived that is not whole yet; 0: none.
    head_since: AtomicU64,
    /// Since when a write has been waiting for the client to read; 0: none.
    blocked_since: AtomicU64,
    /// When bytes last moved, either way.
    moved: AtomicU64,
    /// When frames were last read; 0: never.
    heard_at: AtomicU64,
    /// Requests being answered, their content included.
    in_flight: AtomicU32,
    /// Whether the answer to a request that reached the proxy has not left yet, its head included.
    owed: AtomicBool,
    /// Whether a line end has been seen in the request head that is being read.
    pub(crate) line_seen: AtomicBool,
    /// Set once an upgrade is agreed on: from then on the bytes are not Larder's to judge.
    switched: AtomicBool,
    /// Whether the request in hand came with content.
    has_content: AtomicBool,
    /// Whether the client speaks HTTP/1.0: it may tell an answer's end only by the connection's.
    is_old: AtomicBool,
    /// Set when an answer was broken off.
    cut: AtomicBool,
    /// The last four bytes that were read.
    tail: AtomicU32,
    /// Whether it carries many requests at once, in frames.
    multiplexed: AtomicBool,
    /// Whether any request was ever read.
    served: AtomicBool,
    /// Set by the sweeper: end at once.
    killed: AtomicBool,
    /// Set when Larder is to end: the next answer says that it is the last.
    leaving: AtomicBool,
    /// Set by a drain: end after the request in hand.
    draining: AtomicBool,
    /// When that was first set; 0: never.
    draining_since: AtomicU64,
    /// On a stream: bytes that the HTTP library has and the client does not; see [`Delivery`].
    untaken: AtomicUsize,
    /// On a stream: when such bytes last became more than none.
    handed_at: AtomicU64,
    /// The streams of a connection that carries many requests at once.
    streams: Streams,
    /// Interim answers to the request that is being answered.
    interim: Mutex<interim::Queue>,
    /// Whether `interim` has something to write; changed under its lock.
    interim_unsent: AtomicBool,
    /// The connection whose stream this is (RFC 9113 §5); `None`: it is the connection itself.
    parent: Option<Arc<ConnState>>,
    /// Wakes the connection's task after `killed`, `draining` or `interim_unsent` was set.
    waker: AtomicWaker,
}

impl ConnState {
    pub(crate) fn new(peer: Option<IpAddr>, clock: Arc<AtomicU64>) -> Self {
        let now = clock.load(Ordering::Relaxed).max(1);
        Self {
            peer,
            clock,
            idle_since: AtomicU64::new(now),
            unheard_since: AtomicU64::new(now),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            moved: AtomicU64::new(now),
            heard_at: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            owed: AtomicBool::new(false),
            line_seen: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            has_content: AtomicBool::new(false),
            is_old: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            tail: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            served: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            draining_since: AtomicU64::new(0),
            untaken: AtomicUsize::new(0),
            handed_at: AtomicU64::new(0),
            streams: Streams::default(),
            interim: Mutex::default(),
            interim_unsent: AtomicBool::new(false),
            parent: None,
            waker: AtomicWaker::new(),
        }
    }

    /// The state of one stream of a connection that carries many requests at once. While it is busy,
    /// so is the connection; of a stream the sweeper asks only what its client takes of it.
    pub(crate) fn stream_of(connection: &Arc<ConnState>) -> ConnState {
        ConnState {
            parent: Some(connection.clone()),
            ..Self::new(connection.peer, connection.clock.clone())
        }
    }

    /// Frames arrived on a connection that carries many requests: they are no head that could be slow.
    pub(crate) fn frames_read(&self) {
        self.moved.store(self.tick(), Ordering::Relaxed);
        self.heard_at.store(self.tick(), Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.multiplexed.store(true, Ordering::Relaxed);
        self.served.store(true, Ordering::Relaxed);
    }

    /// Whether it is one stream of a connection.
    pub(crate) fn is_stream(&self) -> bool {
        self.parent.is_some()
    }

    /// Content of a request arrived on a stream.
    pub(crate) fn content_read(&self) {
        self.moved.store(self.tick(), Ordering::Relaxed);
    }

    /// The client has begun with what goes before HTTP: no request can be expected of it before that is
    /// over. `header_timeout` bounds it.
    pub(crate) fn greeting_begun(&self) {
        self.unheard_since.store(0, Ordering::Relaxed);
    }

    /// What goes before HTTP is over.
    pub(crate) fn greeting_over(&self) {
        self.unheard_since.store(self.tick(), Ordering::Relaxed);
    }

    /// The client's address.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    fn tick(&self) -> Tick {
        self.clock.load(Ordering::Relaxed).max(1)
    }

    /// Bytes arrived. Outside a request they are the beginning of the next head.
    pub(crate) fn bytes_read(&self, bytes: &[u8]) {
        let now = self.tick();
        self.moved.store(now, Ordering::Relaxed);
        let tail = last_four(self.tail.load(Ordering::Relaxed), bytes);
        self.tail.store(tail, Ordering::Relaxed);
        if self.is_busy() {
            return;
        }
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(now, Ordering::Relaxed);
            self.line_seen.store(false, Ordering::Relaxed);
        }
        if !self.line_seen.load(Ordering::Relaxed) && bytes.contains(&b'\n') {
            self.line_seen.store(true, Ordering::Relaxed);
        }
    }

    /// Bytes left.
    pub(crate) fn bytes_written(&self) {
        self.moved.store(self.tick(), Ordering::Relaxed);
        if self.blocked_since.load(Ordering::Relaxed) != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    /// The client does not read: a write has to wait.
    pub(crate) fn write_blocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.tick(), Ordering::Relaxed);
        }
    }

    /// Notes what a flush came to, and gives it back: a layer below may hold what was written.
    pub(crate) fn note_flush<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.write_blocked();
        } else if self.blocked_since.load(Ordering::Relaxed) != 0 {
            self.bytes_written();
        }
        polled
    }

    /// Notes what a write came to, and gives it back.
    pub(crate) fn note_write<T>(&self, polled: Poll<T>) -> Poll<T> {
        match &polled {
            Poll::Ready(_) => self.bytes_written(),
            Poll::Pending => self.write_blocked(),
        }
        polled
    }

    /// Whether a request is being answered.
    pub(crate) fn is_busy(&self) -> bool {
        // After the end of the last request comes what that has noted.
        self.in_flight.load(Ordering::Acquire) != 0
    }

    /// Whether a request's head is awaited: the first one, or the rest of one that has begun.
    pub(crate) fn awaits_head(&self) -> bool {
        !self.is_busy()
            && (!self.served.load(Ordering::Relaxed) || self.head_since.load(Ordering::Relaxed) != 0)
    }

    /// Everything handed over so far has left.
    pub(crate) fn flushed(&self) {
        if !self.is_busy() && self.owed.load(Ordering::Relaxed) {
            self.owed.store(false, Ordering::Relaxed);
        }
    }

    /// Whether what is being written may be the proxy's answer. A body that is empty is dropped
    /// before its head is written, so that being busy alone does not tell.
    pub(crate) fn owes_answer(&self) -> bool {
        self.is_busy() || self.owed.load(Ordering::Relaxed)
    }

    /// The connection is another protocol's, for good.
    pub(crate) fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Whether an upgrade was agreed on.
    pub(crate) fn is_switched(&self) -> bool {
        self.switched.load(Ordering::Relaxed)
    }

    /// A request's head is whole; the guard is dropped when its answer has left.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.owed.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.served.store(true, Ordering::Relaxed);
        InFlight {
            state: self.clone(),
            _connection: self.parent.as_ref().map(|parent| Box::new(parent.begin())),
        }
    }

    /// What is to be known of the request in hand once its answer ends.
    pub(crate) fn note(&self, version: Version, has_content: bool) {
        self.is_old.store(version < Version::HTTP_11, Ordering::Relaxed);
        self.has_content.store(has_content, Ordering::Relaxed);
    }

    /// Whether the client would take a part of an answer for the whole if the connection ended in an
    /// orderly manner.
    pub(crate) fn must_fail(&self) -> bool {
        self.cut.load(Ordering::Relaxed) && self.is_old.load(Ordering::Relaxed)
    }

    /// Whether content of the last request may be on its way still. The library reads such content no
    /// further and ends the connection at once; one that ends later was at rest.
    pub(crate) fn may_have_unread_content(&self) -> bool {
        let rested = self
            .tick()
            .saturating_sub(self.idle_since.load(Ordering::Relaxed));
        self.has_content.load(Ordering::Relaxed) && rested <= AT_ONCE
    }

    /// Whether what was read goes on after the request in hand: a part of the next head. Content
    /// cannot be told from it, and has its own limit.
    fn is_within_head(&self) -> bool {
        if self.is_multiplexed() {
            return false;
        }
        let tail = self.tail.load(Ordering::Relaxed).to_be_bytes();
        !self.has_content.load(Ordering::Relaxed) && !tail.ends_with(b"\n\r\n") && !tail.ends_with(b"\n\n")
    }

    /// Whether it carries many requests at once, in frames.
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    /// Has every answer from now on say that it is the last one (RFC 9112 §9.6).
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether answers are to say that they are the last.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Ends the connection after the request in hand.
    pub(crate) fn drain(&self) {
        if self.draining_since.load(Ordering::Relaxed) == 0 {
            self.draining_since.store(self.tick(), Ordering::Relaxed);
        }
        self.leave();
        self.draining.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ends the connection at once.
    pub(crate) fn kill(&self) {
        if self.is_busy() {
            self.cut.store(true, Ordering::Relaxed);
        }
        self.killed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it was ended at once, and may still be on its way out.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Whether the task should end; registers it to be woken when that changes.
    pub(crate) fn watch(&self, waker: &std::task::Waker) -> Wish {
        self.waker.register(waker);
        if self.killed.load(Ordering::Acquire) {
            Wish::End
        } else if self.draining.load(Ordering::Acquire) {
            Wish::Drain
        } else {
            Wish::GoOn
        }
    }

    /// How long each limit has been running, for the sweeper.
    pub(crate) fn waits(&self, now: Tick) -> Waits {
        let since = |tick: &AtomicU64| match tick.load(Ordering::Relaxed) {
            0 => 0,
            began => now.saturating_sub(began),
        };
        let busy = self.is_busy();
        let fresh = !self.served.load(Ordering::Relaxed);
        let idle = if busy { 0 } else { since(&self.idle_since) };
        let at_rest = self.is_multiplexed() && self.blocked_since.load(Ordering::Relaxed) == 0;
        Waits {
            // A connection that has never said a word is as suspect as a slow head.
            head: if busy {
                0
            } else {
                since(&self.head_since).max(if fresh { idle } else { 0 })
            },
            idle,
            begun: if busy { 0 } else { since(&self.head_since) },
            unheard: if fresh && self.head_since.load(Ordering::Relaxed) == 0 {
                since(&self.unheard_since)
            } else {
                0
            },
            parting: if at_rest {
                since(&self.draining_since).min(idle).min(since(&self.heard_at))
            } else {
                0
            },
            blocked: since(&self.blocked_since),
            silent: if busy { since(&self.moved) } else { 0 },
        }
    }
}

/// The last four bytes of all that was read, with `bytes` behind those in `tail`.
fn last_four(tail: u32, bytes: &[u8]) -> u32 {
    let last = bytes.get(bytes.len().saturating_sub(4)..).unwrap_or_default();
    last.iter().fold(tail, |tail, byte| tail << 8 | u32::from(*byte))
}

/// What a connection's task is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    GoOn,
    Drain,
    End,
}

/// How long a connection has been waiting for its client, in milliseconds; 0: not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub head: u64,
    /// As `head`, once its first byte has come.
    pub begun: u64,
    pub idle: u64,
    /// Since the connection was accepted, or its handshake was over, without a byte.
    pub unheard: u64,
    /// Since the client of many requests at once last said something, after it was told that the
    /// connection ends, and with nothing under way: it need only take what the system still has for it,
    /// and say that it has heard.
    pub parting: u64,
    pub blocked: u64,
    pub silent: u64,
}

/// A request being answered on a connection; dropped when the answer has left.
#[derive(Debug)]
pub struct InFlight {
    state: Arc<ConnState>,
    /// The same of the connection whose stream it is on.
    _connection: Option<Box<InFlight>>,
}

impl InFlight {
    /// The answer ends before it is whole.
    pub(crate) fn broke_off(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.state.tick();
        self.state.idle_since.store(now, Ordering::Relaxed);
        if self.state.is_within_head() {
            self.state.head_since.store(now, Ordering::Relaxed);
        }
        self.state.in_flight.fetch_sub(1, Ordering::Release);
    }
}
