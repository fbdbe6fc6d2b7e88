//! Connections that speak HTTP/2: many requests at once, each with a state of its own.

use std::error::Error;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::hear::PREFACE;
use super::io::Held;
use super::linger::{End, Linger};
use super::listener::unless_ended;
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
    let background = Background {
        tasks: tasks.clone(),
        connection: io.state.clone(),
    };
    // Roomier than what is let in: a refusal says more than the library does.
    let head = limits.header_bytes + limits.uri_bytes + FIELD * (limits.header_count + CRUMBS);
    let mut builder = http2::Builder::new(background);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(UNSENT)
        // A client that is gone without a word is found out. One that reads slowly is not: the question
        // stands behind all that the system has for it.
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.idle_timeout.max(limits.write_timeout));
    builder.serve_connection(TokioIo::new(io), service)
}

/// Whether the library ended a connection because its client broke the protocol, or did too much of what
/// it allows; not because it went away.
pub(super) fn is_clients_fault(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(h2::Error::is_library)
}

/// Runs what the library has to do beside a connection: mostly each stream, from its request to its last
/// byte. One that is to end is dropped, and with that reset: the library has no other way, as it does not
/// ask for content while the client takes none.
#[derive(Debug, Clone)]
pub(super) struct Background {
    tasks: Tasks,
    connection: Arc<ConnState>,
}

impl<F> Executor<F> for Background
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let stream = self.connection.take_next();
        // Not waited for by a drain: the connection itself is, until its last answer has left.
        self.tasks.detach(async move {
            match stream {
                Some(stream) => drop(unless_ended(&stream, future).await),
                None => drop(future.await),
            }
        });
    }
}

/// A connection's bytes, and the times that the sweeper needs of them.
pub(super) struct FramesIo<T: Transport> {
    inner: T,
    state: Arc<ConnState>,
    /// Bytes of the preface that have not come; until they have, the client is slow as with a head.
    preface: usize,
    held: Held,
    /// How it ends.
    end: End,
}

impl<T: Transport> FramesIo<T> {
    pub(super) fn new(inner: T, state: Arc<ConnState>, held: Held) -> Self {
        Self {
            inner,
            state,
            preface: PREFACE.len(),
            held,
            end: End::Open,
        }
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.preface = self.preface.saturating_sub(bytes.len());
        if self.preface == 0 {
            self.state.frames_read();
        } else {
            self.state.bytes_read(bytes);
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
        self.note_read(buf.filled().get(before..).unwrap_or_default());
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
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.state.note_flush(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let held = &mut this.held;
        if let End::Lingering(_) = this.end {
            // Something came: the client still reads.
            this.state.frames_read();
        }
        this.end.poll(&mut this.inner, cx, || {
            // Whoever waits for a connection need not wait for this.
            held.permit = None;
            Linger::with_reader(&held.lingering).map_or(End::Over, End::Lingering)
        })
    }
}
