//! The one wrapper that every client connection runs over: it keeps the times the sweeper needs,
//! sends a small answer in one piece, turns the HTTP library's bare refusals into problem
//! details, and sends the interim answers that the library does not.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::linger::{End, Linger};
use super::sweep::Registered;
use super::transport::Transport;
use crate::client::ConnState;

/// Answers up to this size are copied together: one plain send costs less than a vectored one.
const FLATTEN: usize = 8 * 1024;

/// Told when the HTTP library refused a client's request by itself; returns the whole answer to
/// send.
pub(super) type OnRefusal = Arc<dyn Fn(http::StatusCode, Option<IpAddr>) -> Bytes + Send + Sync>;

/// What a connection counts as.
pub(super) struct Held {
    /// Its place among those that are swept, drained and counted.
    pub _registered: Registered,
    /// Counts against `limits.connections`; given back when the connection only lingers.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Where a place to linger comes from.
    pub lingering: Arc<Semaphore>,
}

/// A client connection's bytes.
pub struct ClientIo<T: Transport> {
    inner: T,
    state: Arc<ConnState>,
    on_refusal: OnRefusal,
    /// Holds a small answer while it is put together; reused.
    scratch: Vec<u8>,
    /// An answer of Larder's own that takes the place of the library's, partly sent.
    instead: Bytes,
    /// What the library believes it has sent in place of `instead`.
    swallowed: usize,
    /// Interim answers, partly sent.
    interim: Bytes,
    /// Whether the library has read since it last wrote: mostly because it waits for a request again.
    resting: bool,
    /// How it ends.
    end: End,
    /// Held as long as the connection lives, upgraded or not.
    held: Held,
}

impl<T: Transport> ClientIo<T> {
    pub(super) fn new(inner: T, state: Arc<ConnState>, on_refusal: OnRefusal, held: Held) -> Self {
        Self {
            inner,
            state,
            on_refusal,
            scratch: Vec::new(),
            instead: Bytes::new(),
            swallowed: 0,
            interim: Bytes::new(),
            resting: true,
            end: End::Open,
            held,
        }
    }

    /// If `bytes` is the library's own refusal of a request that never reached the proxy, prepares
    /// the answer to send in its place.
    fn replace_refusal(&mut self, bytes: &[u8]) {
        let ours = self.state.owes_answer() || self.state.is_switched();
        if ours || !bytes.starts_with(b"HTTP/1.1 4") || !bytes.ends_with(b"\r\n\r\n") {
            return;
        }
        let status = bytes
            .get(9..12)
            .and_then(|digits| http::StatusCode::from_bytes(digits).ok());
        let Some(mut status) = status else { return };
        // One limit bounds target and fields together; without a whole first line it was the target.
        let line_seen = self.state.line_seen.load(std::sync::atomic::Ordering::Relaxed);
        if status == http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE && !line_seen {
            status = http::StatusCode::URI_TOO_LONG;
        }
        self.instead = (self.on_refusal)(status, self.state.peer());
        self.swallowed = bytes.len();
    }
}

impl<T: Transport> ClientIo<T> {
    /// Sends what stands in place of a refusal; then reports the refusal's own bytes as sent.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while !self.instead.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.instead))?;
            self.instead.advance(sent);
        }
        Poll::Ready(Ok(std::mem::take(&mut self.swallowed)))
    }

    /// Sends the rest of interim answers that are partly sent: no other byte may come in between.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let polled = Pin::new(&mut self.inner).poll_write(cx, &self.interim);
            let sent = ready!(self.note(polled))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the interim answers that wait, and wakes the final answer that may wait for them.
    ///
    /// Only for a flush: the library asks for one when it has handed over all it has, so that no
    /// other message is torn apart.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_begun(cx))?;
            self.interim = self.state.take_interim();
            if self.interim.is_empty() {
                cx.waker().wake_by_ref();
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn note(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.resting = false;
        self.state.note_write(polled)
    }
}

impl<T: Transport> AsyncRead for ClientIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.resting |= !self.state.owes_answer();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if let Some(new) = buf.filled().get(before..)
            && !new.is_empty()
        {
            self.state.bytes_read(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for ClientIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_begun(cx))?;
        if this.swallowed == 0 {
            this.replace_refusal(buf);
        }
        let polled = if this.swallowed != 0 {
            this.poll_instead(cx)
        } else {
            Pin::new(&mut this.inner).poll_write(cx, buf)
        };
        this.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if let [only] = bufs {
            return Pin::new(this).poll_write(cx, only);
        }
        ready!(this.poll_begun(cx))?;
        let polled = if total <= FLATTEN {
            this.scratch.clear();
            for buf in bufs {
                this.scratch.extend_from_slice(buf);
            }
            Pin::new(&mut this.inner).poll_write(cx, &this.scratch)
        } else {
            Pin::new(&mut this.inner).poll_write_vectored(cx, bufs)
        };
        this.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state.has_interim() || !this.interim.is_empty() {
            ready!(this.poll_interim(cx))?;
        }
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        this.state.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state.must_fail() {
            return Poll::Ready(Ok(()));
        }
        let (state, held, resting) = (&this.state, &mut this.held, this.resting);
        let next = || after_last_byte(state, held, resting);
        this.end.poll(&mut this.inner, cx, next)
    }
}

/// What follows once all has been written that will be.
fn after_last_byte(state: &ConnState, held: &mut Held, resting: bool) -> End {
    let at_rest = resting && !state.may_have_unread_content();
    if at_rest || state.is_switched() {
        return End::Over;
    }
    // Whoever waits for a connection need not wait for this.
    held.permit = None;
    Linger::begin(&held.lingering).map_or(End::Over, End::Lingering)
}

impl<T: Transport> Drop for ClientIo<T> {
    fn drop(&mut self) {
        if self.state.must_fail() {
            self.inner.fail_at_end();
        }
    }
}
