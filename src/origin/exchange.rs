//! One request from its place in the queue to the head of its answer.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::TRANSFER_ENCODING;
use http::{Method, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::body::{Lease, OriginBody};
use super::conn::Conn;
use super::error::{Cause, ErrorKind, OriginError, Sent};
use super::pool::{Need, Taken};
use super::request::{Content, Outgoing, Prepared, RequestBody};
use super::retry::{self, Failed, Retry};
use super::slots::{Claim, Slot};
use super::stats::Streaming;
use super::upload::UploadFault;
use super::wire::WireState;
use super::{Inner, answer};
use crate::fields::{content_type, trailer};

/// However impatient the settings are, content may pause for so long: its head has come, and a
/// client that has half of it is better served by waiting.
const SHORTEST_SILENCE: Duration = Duration::from_secs(10);

/// A try that failed, and how far it had got.
struct Failure {
    kind: ErrorKind,
    cause: Option<Cause>,
    wrote: bool,
    answered: bool,
}

impl Inner {
    pub(super) async fn forward(&self, request: Outgoing) -> Result<Response<OriginBody>, OriginError> {
        if matches!(&request.body, RequestBody::Stream(stream) if stream.is_too_large()) {
            return Err(OriginError::new(
                ErrorKind::RequestTooLarge,
                Sent::Nothing,
                0,
                None,
            ));
        }
        let patience = request
            .response_timeout
            .unwrap_or_else(|| self.timeouts.response());
        let Some(slot) = self.slots.admit(patience).await else {
            return Err(OriginError::new(ErrorKind::Busy, Sent::Nothing, 0, None));
        };
        let request = Prepared::new(request);
        let (response, conn, tries) = self.tries(&request, patience).await?;
        self.answer(&request, response, conn, (slot, patience), tries)
    }

    /// Sends the request, a second time where that is safe.
    async fn tries(
        &self,
        request: &Prepared,
        patience: Duration,
    ) -> Result<(Response<Incoming>, Conn, u8), OriginError> {
        let mut need = first_need(request);
        let mut sent = Sent::Nothing;
        let mut tries = 1;
        let begun = self.pool.clock.now().mono;
        loop {
            // A second try has what the first one left.
            let left = match tries {
                1 => patience,
                _ => patience.saturating_sub(self.pool.clock.now().mono.since(begun)),
            };
            let failure = match self.exchange(request, need, left).await {
                Ok((response, conn)) => return Ok((response, conn, tries)),
                Err(failure) => failure,
            };
            if failure.wrote {
                sent = Sent::Something;
            }
            let failed = Failed {
                kind: failure.kind,
                wrote: failure.wrote,
                answered: failure.answered,
                replayable: request.is_replayable(),
                repeatable: request.repeatable,
                tries,
            };
            match retry::decide(failed) {
                Retry::GiveUp => return Err(OriginError::new(failure.kind, sent, tries, failure.cause)),
                Retry::Again => {
                    self.pool.counts.retried();
                    need = Need::Fresh;
                    tries += 1;
                }
            }
        }
    }

    /// One try: a connection, the request on it, the head of the answer.
    async fn exchange(
        &self,
        request: &Prepared,
        need: Need,
        patience: Duration,
    ) -> Result<(Response<Incoming>, Conn), Failure> {
        let Taken { mut conn, rested } = self
            .pool
            .obtain(need, self.slots.taken(), self.slots.most())
            .await
            .map_err(|(kind, cause)| Failure {
                kind,
                cause: Some(cause),
                wrote: false,
                answered: false,
            })?;
        if rested.is_some() && need == Need::Certain {
            conn.wire.look_before_writing();
        }
        let (written, read) = (conn.wire.written(), conn.wire.read());
        let (kind, cause) = match head(&mut conn, request, patience).await {
            Ok(response) => return Ok((response, conn)),
            Err(failure) => failure,
        };
        let wrote = conn.wire.written() != written;
        let answered = conn.wire.read() != read;
        if let Some(rested) = rested.filter(|_| kind == ErrorKind::Reset && !answered) {
            self.pool.ended_after(rested);
        }
        Err(Failure {
            kind,
            cause,
            wrote,
            answered,
        })
    }

    /// Ties the answer to its connection.
    fn answer(
        &self,
        request: &Prepared,
        response: Response<Incoming>,
        conn: Conn,
        (slot, patience): (Slot, Duration),
        tries: u8,
    ) -> Result<Response<OriginBody>, OriginError> {
        request.answered();
        let (head, incoming) = response.into_parts();
        if let Err(fault) = answer::check(&head, request.upgrade) {
            let cause = Some(Cause::from(fault));
            return Err(OriginError::new(
                ErrorKind::BadResponse,
                Sent::Something,
                tries,
                cause,
            ));
        }
        if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
            drop(slot);
            let streaming = Streaming::new(&self.pool.counts);
            let body = OriginBody::upgraded(incoming, conn, streaming, tries);
            return Ok(Response::from_parts(head, body));
        }
        let by_close = answer::is_delimited_by_close(&request.method, &head);
        let (claim, silence) = if content_type::is_endless(&head.headers) && !incoming.is_end_stream() {
            let stream = self.slots.leave(slot, &self.pool.counts);
            (Claim::Stream(stream), None)
        } else {
            let silence = patience.max(self.timeouts.response()).max(SHORTEST_SILENCE);
            (Claim::Place { _slot: slot }, Some(silence))
        };
        let lease = Lease {
            conn,
            pool: Arc::clone(&self.pool),
            claim,
            after: answer::after(&head, by_close, request.alone),
            upload: match &request.content {
                Content::Stream(upload) => Some(Arc::clone(upload)),
                Content::Empty | Content::Bytes(_) => None,
            },
            silence,
        };
        let chunked = head.headers.contains_key(TRANSFER_ENCODING) && !incoming.is_end_stream();
        let trailer = if chunked && request.takes_trailers() {
            trailer::announcement(&head.headers, |_| false)
        } else {
            None
        };
        Ok(Response::from_parts(
            head,
            OriginBody::new(incoming, lease, by_close, tries).with_trailer(trailer),
        ))
    }
}

/// What the first try needs. A safe request may meet a connection that is just ending: it is sent
/// again.
fn first_need(request: &Prepared) -> Need {
    if request.alone {
        Need::Fresh
    } else if matches!(
        request.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    ) && request.repeatable
        && request.stays_replayable()
    {
        Need::Any
    } else {
        Need::Certain
    }
}

/// Sends the request and waits for the head, `patience` from the last progress of its content.
async fn head(
    conn: &mut Conn,
    request: &Prepared,
    patience: Duration,
) -> Result<Response<Incoming>, (ErrorKind, Option<Cause>)> {
    let mut sending = pin!(conn.send(request.request()));
    let wire = &conn.wire;
    let mut answered = pin!(poll_fn(|cx| answered(sending.as_mut(), wire, cx)));
    loop {
        let progress = request.progress();
        match timeout(patience, answered.as_mut()).await {
            Ok(Some(done)) => return done.map_err(|error| (kind_of(&error), Some(Cause::from(error)))),
            Ok(None) => return Err((ErrorKind::Reset, None)),
            Err(_) if request.progress() != progress => {}
            Err(late) => return Err((ErrorKind::Timeout, Some(Cause::from(late)))),
        }
    }
}

/// The answer, or `None` when the connection is gone without a word about the request.
///
/// That happens: a request that is handed over at the very moment at which the driver ends stays
/// in a queue that nobody empties, since tokio's channel drains once and does not wait for a
/// message half way in. Nothing of such a request was written.
fn answered<F: Future>(
    mut sending: Pin<&mut F>,
    wire: &WireState,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    if let Poll::Ready(done) = sending.as_mut().poll(cx) {
        return Poll::Ready(Some(done));
    }
    match wire.poll_gone(cx) {
        Poll::Pending => Poll::Pending,
        // What the driver said before it went is there by now.
        Poll::Ready(()) => match sending.poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        },
    }
}

/// What hyper's error means for the request.
fn kind_of(error: &hyper::Error) -> ErrorKind {
    match error
        .source()
        .and_then(|cause| cause.downcast_ref::<UploadFault>())
    {
        Some(UploadFault::TooLarge) => return ErrorKind::RequestTooLarge,
        Some(UploadFault::Stalled) => return ErrorKind::RequestTimeout,
        Some(UploadFault::Broken(_)) => return ErrorKind::RequestBroken,
        Some(UploadFault::Superseded) | None => {}
    }
    if error.is_parse() {
        ErrorKind::BadResponse
    } else if error.is_body_write_aborted() {
        // The client announced more content than it sent.
        ErrorKind::RequestBroken
    } else {
        ErrorKind::Reset
    }
}
