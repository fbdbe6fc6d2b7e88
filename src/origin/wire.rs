//! One connection's bytes: counted as they pass, and looked at from outside while it rests.
//!
//! Knows nothing of messages. The counts are what tells a request that certainly never left from
//! one that may have been acted on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::Io;
use super::stats::{Open, Streaming};

/// What the pool and a request keep of a connection whose driver owns the [`Wire`].
pub(super) struct WireState {
    /// Gone as soon as the driver is, so that nothing that still looks keeps a socket open.
    io: Mutex<Option<Box<dyn Io>>>,
    vectored: bool,
    /// Bytes written and read since the connection was made; only the driver raises them.
    written: AtomicU64,
    read: AtomicU64,
    /// Set before an unsafe request on a kept connection, cleared by the first write after it.
    look_first: AtomicBool,
    /// Who waits for an answer on this connection, to be told when its driver is gone; or for its first
    /// byte.
    waiting: AtomicWaker,
    /// An upgraded connection is counted for as long as it lives.
    streaming: Mutex<Option<Streaming>>,
    _open: Open,
}

impl WireState {
    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Whether a connection at rest shows a byte or its end.
    pub(super) fn has_readable_or_end(&self) -> bool {
        self.io.lock().as_ref().is_none_or(|io| io.has_readable_or_end())
    }

    /// Lets the next write fail, before its first byte, if the connection then shows a byte or
    /// its end.
    pub(super) fn look_before_writing(&self) {
        self.look_first.store(true, Ordering::Release);
    }

    /// Ready when a first byte has come, or the driver has let go of the connection. One waiter at a time.
    pub(super) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.register(cx.waker());
        if self.read() > 0 || self.io.lock().is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Ready when the driver has let go of the connection.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.register(cx.waker());
        match *self.io.lock() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        }
    }

    /// Keeps the connection counted until it closes.
    pub(super) fn hold(&self, streaming: Streaming) {
        *self.streaming.lock() = Some(streaming);
    }
}

/// The connection as its driver uses it.
pub(super) struct Wire {
    state: Arc<WireState>,
}

impl Wire {
    pub(super) fn new(io: Box<dyn Io>, open: Open) -> (Wire, Arc<WireState>) {
        let state = Arc::new(WireState {
            vectored: io.is_write_vectored(),
            io: Mutex::new(Some(io)),
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            look_first: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            streaming: Mutex::new(None),
            _open: open,
        });
        (
            Wire {
                state: Arc::clone(&state),
            },
            state,
        )
    }

    fn poll_io<T>(&self, poll: impl FnOnce(Pin<&mut dyn Io>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.state.io.lock().as_mut() {
            Some(io) => poll(Pin::new(&mut **io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_counted_write(
        &self,
        poll: impl FnOnce(Pin<&mut dyn Io>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // The relaxed load keeps the common case to one plain read.
        if self.state.look_first.load(Ordering::Relaxed)
            && self.state.look_first.swap(false, Ordering::AcqRel)
            && self.state.has_readable_or_end()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let done = self.poll_io(poll);
        if let Poll::Ready(Ok(count)) = done {
            self.state.written.fetch_add(count as u64, Ordering::Release);
        }
        done
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let io = self.state.io.lock().take();
        drop(io);
        self.state.waiting.wake();
        self.state.streaming.lock().take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = self.poll_io(|io| io.poll_read(cx, buf));
        let count = buf.filled().len().saturating_sub(before);
        if self.state.read.fetch_add(count as u64, Ordering::Release) == 0 && count > 0 {
            self.state.waiting.wake();
        }
        done
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_counted_write(|io| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_counted_write(|io| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.state.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(|io| io.poll_shutdown(cx))
    }
}
