//! A request's content on its way out.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use tokio::time::sleep;

use crate::fields::trailer;
use crate::origin::request::WireBody;
use crate::origin::upload::UploadFault;

/// An origin that takes nothing for so long may be taking nothing of others' either.
const HELD_UP: Duration = Duration::from_millis(10);

/// Sends content as the origin takes it. Where the origin wants no more of it, that is no fault: its
/// answer says what it is.
///
/// `announced` names what of a trailer section is sent on; `None`: nothing. `waiting` counts who waits for
/// the origin to take more.
pub(super) async fn send(
    mut body: WireBody,
    announced: Option<HeaderValue>,
    mut to: SendStream<Bytes>,
    waiting: &AtomicUsize,
) -> Result<(), UploadFault> {
    // Only what can leave is taken from the client.
    while is_wanted(&mut to, waiting).await {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let sent = match next {
            None => (end(&mut to), true),
            Some(Err(fault)) => {
                to.send_reset(Reason::CANCEL);
                return Err(fault);
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let is_last = body.is_end_stream();
                    (to.send_data(data, is_last), is_last)
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    (send_trailers(&mut to, trailers, announced.as_ref()), true)
                }
            },
        };
        match sent {
            (Ok(()), false) => {}
            (Ok(()), true) | (Err(_), _) => return Ok(()),
        }
    }
    Ok(())
}

fn end(to: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    to.send_data(Bytes::new(), true)
}

fn send_trailers(
    to: &mut SendStream<Bytes>,
    mut trailers: HeaderMap,
    announced: Option<&HeaderValue>,
) -> Result<(), h2::Error> {
    match announced {
        Some(announced) => trailer::keep_announced(&mut trailers, announced),
        None => trailers.clear(),
    }
    if trailers.is_empty() {
        return end(to);
    }
    to.send_trailers(trailers)
}

/// Whether the origin takes more; counted among those that wait once it has not for a while.
async fn is_wanted(to: &mut SendStream<Bytes>, waiting: &AtomicUsize) -> bool {
    let mut held_up = pin!(sleep(HELD_UP));
    let mut counted = None;
    poll_fn(|cx| {
        let polled = poll_wanted(to, cx);
        if polled.is_pending() && counted.is_none() && held_up.as_mut().poll(cx).is_ready() {
            counted = Some(Counted::new(waiting));
        }
        polled
    })
    .await
}

/// One more, until dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the origin takes more; ready when it takes a byte, or nothing any more.
fn poll_wanted(to: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<bool> {
    to.reserve_capacity(1);
    while to.capacity() == 0 {
        match ready!(to.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(false),
        }
    }
    Poll::Ready(to.poll_reset(cx).is_pending())
}
