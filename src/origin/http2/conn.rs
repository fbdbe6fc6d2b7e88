//! One connection, and one request's part of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::driver::Driver;
use super::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS};
use crate::clock::{Clock, Mono};
use crate::origin::connect::Io;
use crate::origin::stats::Open;
use crate::origin::wire::{Wire, WireState};

/// How many requests the library takes an origin to want before that has said so: a number that none
/// will say.
const UNKNOWN: usize = 9_973;
/// Most content of one request that waits to be written, bytes.
const UNSENT: usize = 64 * 1024;
/// What the library lets through of heads and trailers, bytes: more than is taken, since of a trailer
/// section that is too long it drops the end, and tells nobody.
const SECTION: u32 = 256 * 1024;
/// What frames of little content may cost before it is read, in the library's currency: 256 for each,
/// less its content. A hundred event streams of which nobody reads the last thousand events.
const SMALL_FRAMES: usize = 32 * 1024 * 1024;
/// How many requests that were given up are remembered, until the origin has heard of it.
const GIVEN_UP: usize = 1024;
/// A connection takes requests for so long: behind one name there may be many servers, and one more than
/// when it was made.
const MOST_AGE: Duration = Duration::from_secs(300);

/// One connection.
pub(in crate::origin) struct Conn {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) wire: Arc<WireState>,
    pub(super) made: Mono,
    /// Requests under way; raised only under the lock of the list.
    streams: AtomicUsize,
    /// When the last one ended.
    rests_since: Mutex<Mono>,
    /// It takes no more requests.
    over: AtomicBool,
    /// It owes answers, and has been mute: no request is put on it.
    pub(super) mute: AtomicBool,
    /// An answer has come.
    has_answered: AtomicBool,
    /// Requests whose content waits for the origin to take some: it may keep others' from leaving.
    pub(super) waiting_uploads: Arc<AtomicUsize>,
    pub(super) clock: Clock,
    /// Dropped with the last of its users: tells the driver to say goodbye.
    _in_use: oneshot::Sender<()>,
}

/// One request's part of a connection; dropped before its answer is whole, the request is cancelled.
pub(in crate::origin) struct Stream {
    pub(super) conn: Arc<Conn>,
    /// Sends the request's content.
    pub(super) upload: Option<AbortHandle>,
}

impl Conn {
    /// Speaks HTTP/2 over `io`; nothing moves before [`Driver::run`].
    pub(in crate::origin) async fn new(
        io: Box<dyn Io>,
        open: Open,
        clock: Clock,
    ) -> Result<(Arc<Conn>, Driver), h2::Error> {
        let (io, wire) = Wire::new(io, open);
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(UNKNOWN)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(SMALL_FRAMES)
            .max_header_list_size(SECTION)
            .max_send_buffer_size(UNSENT)
            .max_concurrent_reset_streams(GIVEN_UP)
            // Clients that leave are not the origin's fault.
            .max_local_error_reset_streams(None)
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
            mute: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
            waiting_uploads: Arc::default(),
            clock,
            _in_use: in_use,
        };
        Ok((Arc::new(conn), Driver::new(connection, released)))
    }

    /// A stream; only under the lock of the list, or while nobody else has the connection.
    pub(in crate::origin) fn stream(self: &Arc<Self>) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Stream {
            conn: Arc::clone(self),
            upload: None,
        }
    }

    /// Whether it takes no more requests: it ended, the origin said so (GOAWAY), or it is old.
    pub(super) fn is_over(&self) -> bool {
        if self.over.load(Ordering::Relaxed) || self.clock.now().mono.since(self.made) > MOST_AGE {
            return true;
        }
        let mut sender = self.sender.clone();
        let ready = sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }

    /// Whether the origin has said how it is spoken to (SETTINGS).
    pub(super) fn is_settled(&self) -> bool {
        self.sender.current_max_send_streams() != UNKNOWN || self.has_answered.load(Ordering::Relaxed)
    }

    /// Waits until [`Conn::is_settled`], or until the connection has ended.
    pub(super) async fn settle(&self) {
        poll_fn(|cx| self.wire.poll_heard(cx)).await;
        // It is read; what it says is known a moment later.
        while !self.is_settled() && !self.is_over() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn has_answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < STREAMS.min(self.sender.current_max_send_streams())
    }

    /// How long no request has been under way.
    pub(super) fn rested(&self) -> Option<Duration> {
        let rests = self.streams() == 0;
        rests.then(|| self.clock.now().mono.since(*self.rests_since.lock()))
    }

    /// How many requests are under way.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// No request is put on it any more.
    pub(super) fn retire(&self) {
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
