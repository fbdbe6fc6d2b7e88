//! One request from its place in the queue to the head of its answer.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::TRANSFER_ENCODING;
use http::response::Parts;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;

use super::body::{Arriving, Lease, Line, OriginBody, Trailers};
use super::conn::Conn;
use super::error::{Cause, ErrorKind, Failure, OriginError, Sent};
use super::pool::{Need, Taken};
use super::request::{Content, Outgoing, Prepared, RequestBody};
use super::retry::{self, Failed, Retry};
use super::slots::{Claim, Slot};
use super::stats::Streaming;
use super::upload::UploadFault;
use super::wire::WireState;
use super::{Inner, answer, http2};
use crate::fields::{content_type, trailer};

/// However impatient the settings are, content may pause for so long: its head has come, and a
/// client that has half of it is better served by waiting.
const SHORTEST_SILENCE: Duration = Duration::from_secs(10);

/// The head of an answer, and what carries its content.
type Answered = (Response<Arriving>, Line);

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
        let (answered, tries) = self.tries(&request, patience).await?;
        self.answer(&request, answered, (slot, patience), tries)
    }

    /// Sends the request, a second time where that is safe.
    async fn tries(&self, request: &Prepared, patience: Duration) -> Result<(Answered, u8), OriginError> {
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
                Ok(answered) => return Ok((answered, tries)),
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
                    need = if request.alone || (failure.wants_http1 && self.is_secured) {
                        Need::Alone
                    } else {
                        Need::FreshSince(begun)
                    };
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
    ) -> Result<Answered, Failure> {
        let taken = self
            .pool
            .obtain(need, request.has_content(), self.slots.taken(), self.slots.most())
            .await
            .map_err(|(kind, cause)| Failure::new(kind, Some(cause), false))?;
        match taken {
            Taken::Conn { conn, rested } => {
                if rested.is_some() && need == Need::Certain {
                    conn.wire.look_before_writing();
                }
                self.exchange_http1(request, conn, rested, patience).await
            }
            Taken::Stream(stream) => self.exchange_http2(request, stream, patience).await,
        }
    }

    async fn exchange_http1(
        &self,
        request: &Prepared,
        mut conn: Conn,
        rested: Option<Duration>,
        patience: Duration,
    ) -> Result<Answered, Failure> {
        let (written, read) = (conn.wire.written(), conn.wire.read());
        let (kind, cause) = match head(&mut conn, request, patience).await {
            Ok(response) => return Ok((response.map(Arriving::Http1), Line::Conn(conn))),
            Err(failure) => failure,
        };
        let wrote = conn.wire.written() != written;
        let answered = conn.wire.read() != read;
        if let Some(rested) = rested.filter(|_| kind == ErrorKind::Reset && !answered) {
            self.pool.ended_after(rested);
        }
        Err(Failure {
            answered,
            ..Failure::new(kind, cause, wrote)
        })
    }

    async fn exchange_http2(
        &self,
        request: &Prepared,
        mut stream: http2::Stream,
        patience: Duration,
    ) -> Result<Answered, Failure> {
        let how = (self.is_secured, patience);
        let response = http2::head(&mut stream, request, how, &self.pool.tasks).await?;
        Ok((response.map(Arriving::Http2), Line::Stream(stream)))
    }

    /// Ties the answer to its connection.
    fn answer(
        &self,
        request: &Prepared,
        (response, line): Answered,
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
        let line = match line {
            Line::Conn(conn) if head.status == http::StatusCode::SWITCHING_PROTOCOLS => {
                drop(slot);
                let streaming = Streaming::new(&self.pool.counts);
                let body = OriginBody::upgraded(incoming, conn, streaming, tries);
                return Ok(Response::from_parts(head, body));
            }
            line @ (Line::Conn(_) | Line::Stream(_)) => line,
        };
        let by_close = answer::is_delimited_by_close(&request.method, &head);
        let (claim, silence) = if content_type::is_endless(&head.headers) && !incoming.is_end_stream() {
            let stream = self.slots.leave(slot, &self.pool.counts);
            request.begin_conversation();
            (Claim::Stream(stream), None)
        } else {
            let silence = patience.max(self.timeouts.response()).max(SHORTEST_SILENCE);
            (Claim::Place { _slot: slot }, Some(silence))
        };
        let lease = Lease {
            line,
            pool: Arc::clone(&self.pool),
            claim,
            after: answer::after(&head, by_close, request.alone),
            upload: match &request.content {
                Content::Stream(upload) => Some(Arc::clone(upload)),
                Content::Empty | Content::Bytes(_) => None,
            },
            silence,
        };
        let (trailers, announcement) = trailers(request, &head, &incoming);
        let body = OriginBody::new(incoming, lease, by_close, tries);
        Ok(Response::from_parts(
            head,
            body.with_trailers(trailers, announcement),
        ))
    }
}

/// What becomes of a trailer section, and how it is announced.
fn trailers(request: &Prepared, head: &Parts, incoming: &Arriving) -> (Trailers, Option<HeaderValue>) {
    if !request.takes_trailers() || incoming.is_end_stream() {
        return (Trailers::Dropped, None);
    }
    let announcement = trailer::announcement(&head.headers, |_| false);
    match incoming {
        Arriving::Http2(_) => (Trailers::Passable, announcement),
        // RFC 9112 §7.1.2: a trailer section is part of the chunked coding.
        Arriving::Http1(_) | Arriving::Left if head.headers.contains_key(TRANSFER_ENCODING) => {
            let passed = announcement
                .clone()
                .map_or(Trailers::Dropped, Trailers::Announced);
            (passed, announcement)
        }
        Arriving::Http1(_) | Arriving::Left => (Trailers::Dropped, None),
    }
}

/// What the first try needs. A safe request may meet a connection that is just ending: it is sent
/// again.
fn first_need(request: &Prepared) -> Need {
    if request.alone {
        Need::Alone
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
    let answered = poll_fn(|cx| answered(sending.as_mut(), wire, cx));
    match request.patiently(patience, answered).await {
        Ok(Some(done)) => done.map_err(|error| (kind_of(&error), Some(Cause::from(error)))),
        Ok(None) => Err((ErrorKind::Reset, None)),
        Err(late) => Err((ErrorKind::Timeout, Some(Cause::from(late)))),
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
    let fault = error
        .source()
        .and_then(|cause| cause.downcast_ref::<UploadFault>());
    if let Some(fault) = fault {
        return fault.kind();
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
