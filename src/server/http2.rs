//! Connections that speak HTTP/2: many requests at once, each with a state of its own.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::Held;
use super::linger::{End, Linger};
use super::transport::Transport;
use crate::client::ConnState;
use crate::config::Limits;
use crate::proxy::StreamService;
use crate::tasks::Tasks;

/// Requests that one client may have under way at once.
const STREAMS: u32 = 128;
/// Requests that a client may take back before Larder has seen to them: more are an attack
/// (CVE-2023-44487).
const RESETS: usize = 32;
/// Requests of one connection, over its whole life, that break the protocol: many users may share one
/// through what stands in front.
const ERRORS: usize = 1024;
/// What HTTP/2 counts for each field beside its bytes (RFC 9113 §6.5.2), and how many pieces cookies may
/// come in.
const FIELD: usize = 32;
const CRUMBS: usize = 64;
/// What a client may send of one request's content, and of all together, before it is read. Bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Most that waits to be sent on one stream, bytes.
const UNSENT: usize = 64 * 1024;

/// One connection.
pub(super) type Connection<T> = http2::Connection<TokioIo<FramesIo<T>>, StreamService, Background>;

/// Serves a connection.
pub(super) fn serve<T: Transport>(
    io: FramesIo<T>,
    service: StreamService,
    limits: &Limits,
    tasks: &Tasks,
) -> Connection<T> {
    // Roomier than what is let in: a refusal says more than the library does.
    let head = limits.header_bytes + limits.uri_bytes + FIELD * (limits.header_count + CRUMBS);
    let mut builder = http2::Builder::new(Background(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(UNSENT)
        // A client that is gone without a word is found out.
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder.serve_connection(TokioIo::new(io), service)
}

/// Runs what the library has to do beside a connection.
#[derive(Debug, Clone)]
pub(super) struct Background(Tasks);

impl<F> Executor<F> for Background
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        // Not waited for by a drain: the connection itself is, until its last answer has left.
        self.0.detach(async move {
            future.await;
        });
    }
}

/// A connection's bytes, and the times that the sweeper needs of them.
pub(super) struct FramesIo<T: Transport> {
    inner: T,
    state: Arc<ConnState>,
    held: Held,
    /// How it ends.
    end: End,
}

impl<T: Transport> FramesIo<T> {
    pub(super) fn new(inner: T, state: Arc<ConnState>, held: Held) -> Self {
        Self {
            inner,
            state,
            held,
            end: End::Open,
        }
    }
}

impl<T: Transport> AsyncRead for FramesIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.state.frames_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for FramesIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.state.note_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.state.note_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let held = &mut this.held;
        this.end.poll(&mut this.inner, cx, || {
            // Whoever waits for a connection need not wait for this.
            held.permit = None;
            Linger::with_reader(&held.lingering).map_or(End::Over, End::Lingering)
        })
    }
}
