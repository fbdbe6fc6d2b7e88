//! The end of a connection whose client may still be sending: what it sends is read and dropped for
//! a while. Closing with bytes unread makes the system reset the connection, and with that throw
//! away what has not left of the answer (RFC 9112 §9.6).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// The client has so long to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many bytes are dropped at most.
const MOST: usize = 1024 * 1024;

/// Connections that may linger at once; those beyond are closed as they are.
pub(super) const PLACES: usize = 1024;

/// One connection's lingering.
pub(super) struct Linger {
    timer: Pin<Box<Sleep>>,
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
            room: MOST,
            _place: place,
        })
    }

    /// Ready when the client has ended its side, or had its chance.
    pub fn poll<T: AsyncRead + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; 4096];
        while self.room > 0 && self.timer.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut *io).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            self.room = self.room.saturating_sub(buf.filled().len());
        }
        Poll::Ready(())
    }
}
