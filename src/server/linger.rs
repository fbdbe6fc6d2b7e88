//! The end of a connection whose client may still be sending: what it sends is read and dropped for
//! a while. Closing with bytes unread makes the system reset the connection, and with that throw
//! away what has not left of the answer (RFC 9112 §9.6).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// The client has so long to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client that speaks in frames has so long to say something, again and again: it tells how far it
/// has read (RFC 9113 §6.9), and ends its side once it has read all.
const PATIENCE_WITH_READERS: Duration = Duration::from_secs(10);

/// However much it says.
const MOST_PATIENCE: Duration = Duration::from_secs(120);

/// So many bytes are dropped at most.
const MOST: usize = 1024 * 1024;

/// Connections that may linger at once; those beyond are closed as they are.
pub(super) const PLACES: usize = 1024;

/// How far a connection's end has come.
pub(super) enum End {
    Open,
    /// Nothing more is written; what still arrives is dropped.
    Lingering(Linger),
    Over,
}

impl End {
    /// Ends the sending side, and goes on as `next` says.
    pub fn poll<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        next: impl FnOnce() -> End,
    ) -> Poll<io::Result<()>> {
        if let End::Open = self {
            ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
            *self = next();
        }
        if let End::Lingering(linger) = self {
            ready!(linger.poll(io, cx));
            *self = End::Over;
        }
        Poll::Ready(Ok(()))
    }
}

/// One connection's lingering.
pub(super) struct Linger {
    timer: Pin<Box<Sleep>>,
    /// For a client that says how far it has read: the timer is set again when it says something, for as
    /// long as this one runs.
    whole: Option<Pin<Box<Sleep>>>,
    /// Bytes that may still come.
    room: usize,
    _place: OwnedSemaphorePermit,
}

impl Linger {
    /// `None`: too many others do.
    pub fn begin(places: &Arc<Semaphore>) -> Option<Linger> {
        let place = places.clone().try_acquire_owned().ok()?;
        Some(Linger {
            timer: Box::pin(sleep(PATIENCE)),
            whole: None,
            room: MOST,
            _place: place,
        })
    }

    /// The same for a client that says how far it has read for as long as it reads.
    pub fn with_reader(places: &Arc<Semaphore>) -> Option<Linger> {
        Some(Linger {
            timer: Box::pin(sleep(PATIENCE_WITH_READERS)),
            whole: Some(Box::pin(sleep(MOST_PATIENCE))),
            ..Linger::begin(places)?
        })
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let mut is_over = |timer: &mut Pin<Box<Sleep>>| timer.as_mut().poll(cx).is_ready();
        is_over(&mut self.timer) || self.whole.as_mut().is_some_and(is_over)
    }

    /// Ready when the client has ended its side, or had its chance.
    pub fn poll<T: AsyncRead + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; 4096];
        while self.room > 0 && !self.is_over(cx) {
            let mut buf = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut *io).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            if self.whole.is_some() {
                self.timer.set(sleep(PATIENCE_WITH_READERS));
            }
            self.room = self.room.saturating_sub(buf.filled().len());
        }
        Poll::Ready(())
    }
}
