//! An answer's content, and with it the claim on the connection it comes over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use super::conn::Conn;
use super::error::{Cause, ErrorKind, OriginError, Sent};
use super::http2;
use super::pool::Pool;
use super::request::Upload;
use super::slots::Claim;
use super::stats::Streaming;
use crate::fields::trailer;

/// Content as it arrives from the origin.
///
/// When it ends at a message boundary, the connection may serve the next request; dropped before
/// that, it is closed.
pub struct OriginBody {
    incoming: Arriving,
    /// Gone once the content has ended or failed.
    lease: Option<Lease>,
    silence: Silence,
    delimited_by_close: bool,
    tries: u8,
    trailers: Trailers,
    /// What `Trailer` may announce, until somebody asks.
    announcement: Option<HeaderValue>,
}

/// Content in whatever version of HTTP it comes.
pub(super) enum Arriving {
    Http1(Incoming),
    Http2(http2::Incoming),
    /// Its reader has left.
    Left,
}

/// What carries an answer.
pub(super) enum Line {
    /// A connection.
    Conn(Conn),
    /// A part of one, given back when dropped.
    Stream(#[expect(dead_code, reason = "held for its end")] http2::Stream),
}

/// What becomes of a trailer section.
#[derive(Debug)]
pub(super) enum Trailers {
    /// It ends here.
    Dropped,
    /// What was announced is passed on.
    Announced(HeaderValue),
    /// What may be there is passed on.
    Passable,
}

impl Trailers {
    /// Cuts a trailer section down to what is passed on.
    fn cut(&self, mut fields: HeaderMap) -> HeaderMap {
        match self {
            Trailers::Dropped => fields.clear(),
            Trailers::Announced(names) => trailer::keep_announced(&mut fields, names),
            Trailers::Passable => trailer::keep_passable(&mut fields),
        }
        fields
    }
}

/// How long content may be silent, and how long it has been.
struct Silence {
    /// `None`: for ever.
    limit: Option<Duration>,
    /// Runs while the origin owes a frame; kept for the next time after that. Made the first time
    /// it is needed: most content never needs one.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// The origin sent nothing for as long as it may.
#[derive(Debug, thiserror::Error)]
#[error("the content stopped arriving")]
struct Silent;

impl Silence {
    fn new(limit: Option<Duration>) -> Silence {
        Silence {
            limit,
            timer: None,
            waiting: false,
        }
    }

    /// The origin owes a frame: ready when it has for too long. Asked only while somebody waits for
    /// the frame, so that a client that does not read is not held against the origin.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !std::mem::replace(&mut self.waiting, true) {
            timer.set(sleep(limit));
        }
        timer.as_mut().poll(cx)
    }
}

/// What an answer in progress holds.
pub(super) struct Lease {
    pub(super) line: Line,
    pub(super) pool: Arc<Pool>,
    pub(super) claim: Claim,
    pub(super) after: After,
    /// The request's content, if it is still being sent while the answer arrives.
    pub(super) upload: Option<Upload>,
    /// How long the content may be silent; `None`: for ever.
    pub(super) silence: Option<Duration>,
}

/// What becomes of a connection after a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It is closed.
    Close,
    /// It is kept, for so long at most.
    Keep(Option<Duration>),
}

impl Arriving {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        match self {
            Arriving::Http1(content) => Pin::new(content).poll_frame(cx).map_err(Cause::from),
            Arriving::Http2(content) => Pin::new(content).poll_frame(cx).map_err(Cause::from),
            Arriving::Left => Poll::Ready(None),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Arriving::Http1(content) => content.is_end_stream(),
            Arriving::Http2(content) => content.is_end_stream(),
            Arriving::Left => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Arriving::Http1(content) => content.size_hint(),
            Arriving::Http2(content) => content.size_hint(),
            Arriving::Left => SizeHint::with_exact(0),
        }
    }
}

impl OriginBody {
    /// The content of a whole head; a connection that has nothing more to bring goes back now.
    pub(super) fn new(incoming: Arriving, lease: Lease, delimited_by_close: bool, tries: u8) -> OriginBody {
        let mut body = OriginBody {
            incoming,
            silence: Silence::new(lease.silence),
            lease: Some(lease),
            delimited_by_close,
            tries,
            trailers: Trailers::Dropped,
            announcement: None,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The content of a 101, which has none: the connection is the caller's, by its upgrade.
    pub(super) fn upgraded(incoming: Arriving, conn: Conn, streaming: Streaming, tries: u8) -> OriginBody {
        conn.wire.hold(streaming);
        conn.release();
        OriginBody {
            incoming,
            lease: None,
            silence: Silence::new(None),
            delimited_by_close: false,
            tries,
            trailers: Trailers::Dropped,
            announcement: None,
        }
    }

    /// Passes a trailer section on, and tells what may be announced of it.
    pub(super) fn with_trailers(
        mut self,
        trailers: Trailers,
        announcement: Option<HeaderValue>,
    ) -> OriginBody {
        (self.trailers, self.announcement) = (trailers, announcement);
        self
    }

    /// The `Trailer` under which this content may be passed on to the client that asked for it; `None`
    /// where nothing was announced. HTTP/1.1 drops what is not named in it.
    pub fn take_trailer(&mut self) -> Option<HeaderValue> {
        self.announcement.take()
    }

    /// Whether only the end of the connection marks the content's end (RFC 9112 §6.3): then a
    /// whole answer cannot be told from one that the origin broke off in an orderly manner.
    pub fn delimited_by_close(&self) -> bool {
        self.delimited_by_close
    }

    /// Nothing more will come: the connection is closed.
    fn broken(&mut self, cause: Cause) -> OriginError {
        self.lease = None;
        OriginError::new(ErrorKind::BodyBroken, Sent::Something, self.tries, Some(cause))
    }

    /// The answer is whole.
    fn finish(&mut self) {
        let Some(Lease {
            line,
            pool,
            claim,
            after,
            upload,
            silence: _,
        }) = self.lease.take()
        else {
            return;
        };
        // An answer may come before the request's content has gone out; the rest of that would
        // stand before the next request.
        let sent = upload.is_none_or(|upload| upload.lock().stream.is_sent());
        match (line, after) {
            (Line::Conn(conn), After::Keep(announced)) if sent && claim.has_room(pool.idle()) => {
                pool.keep(conn, announced);
            }
            (line, After::Keep(_) | After::Close) => drop(line),
        }
        // Only now, so that whoever waits for a place finds the connection.
        drop(claim);
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = OriginError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OriginError>>> {
        match self.incoming.poll_frame(cx) {
            Poll::Pending => {
                ready!(self.silence.poll_over(cx));
                Poll::Ready(Some(Err(self.broken(Silent.into()))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.waiting = false;
                // The trailer section is the last of a message, and not every reader asks further.
                Poll::Ready(match frame.into_trailers() {
                    Ok(fields) => {
                        self.finish();
                        let fields = self.trailers.cut(fields);
                        (!fields.is_empty()).then(|| Ok(Frame::trailers(fields)))
                    }
                    Err(data) => Some(Ok(data)),
                })
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(cause))) => Poll::Ready(Some(Err(self.broken(cause)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for OriginBody {
    fn drop(&mut self) {
        // A reader that knows the length may never ask for the end.
        if self.incoming.is_end_stream() {
            return self.finish();
        }
        if let Arriving::Http2(content) = std::mem::replace(&mut self.incoming, Arriving::Left)
            && content.is_all_there()
            && let Some(Lease { line, pool, .. }) = self.lease.take()
            && Handle::try_current().is_ok()
        {
            pool.tasks.detach(async move {
                let _ = timeout(http2::FAREWELL, content.end()).await;
                drop(line);
            });
        }
    }
}

impl std::fmt::Debug for OriginBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginBody")
            .field("delimited_by_close", &self.delimited_by_close)
            .finish_non_exhaustive()
    }
}
