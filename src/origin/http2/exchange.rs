//! One request on a connection that others use too, up to the head of its answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::TRAILER;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use tokio::sync::oneshot;

use super::{Conn, FIELD_LINES, HEAD, Incoming, Stream, size, upload};
use crate::client::ForwardedInterim;
use crate::origin::error::{Cause, ErrorKind, Failure};
use crate::origin::interim;
use crate::origin::request::{Prepared, WireBody};
use crate::origin::upload::UploadFault;
use crate::tasks::Tasks;

/// The answer's head has more field lines than Larder takes.
#[derive(Debug, thiserror::Error)]
#[error("the answer's head has more than {FIELD_LINES} field lines, or than {HEAD} bytes")]
struct TooManyFields;

/// What came first was no HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("the origin does not speak HTTP/2; an `h2c://` origin must do so in clear and without being asked")]
struct NotHttp2(#[source] h2::Error);

/// Sends the request and waits for the head, `patience` from the last progress of its content.
pub(in crate::origin) async fn head(
    stream: &mut Stream,
    request: &Prepared,
    (is_secured, patience): (bool, Duration),
    tasks: &Tasks,
) -> Result<Response<Incoming>, Failure> {
    let (head, body) = request
        .http2(is_secured)
        .map_err(|error| failure(ErrorKind::RequestBroken, error, false))?;
    let (heard, written) = (stream.conn.wire.read(), stream.conn.wire.written());
    let mut asked = stream.ask(head, body, request.next_forward(), tasks)?;
    match request.patiently(patience, poll_fn(|cx| asked.poll(cx))).await {
        Ok(Ok(answer)) => {
            stream.conn.has_answered();
            arrived(request, answer)
        }
        Ok(Err(obstacle)) => {
            let mut failure = obstacle.into_failure(&stream.conn);
            // Nothing at all has left since: whatever became of the connection.
            failure.wrote &= stream.conn.wire.written() != written;
            Err(failure)
        }
        Err(late) => {
            // Perhaps the connection is dead, and nobody has said so: others had better not wait.
            if stream.conn.wire.read() == heard {
                stream.conn.retire();
            }
            Err(failure(ErrorKind::Timeout, late, true))
        }
    }
}

fn failure(kind: ErrorKind, cause: impl Into<Cause>, wrote: bool) -> Failure {
    Failure::new(kind, Some(cause.into()), wrote)
}

impl Stream {
    fn ask(
        &mut self,
        head: Request<()>,
        body: WireBody,
        interim: Option<ForwardedInterim>,
        tasks: &Tasks,
    ) -> Result<Asked, Failure> {
        let is_all = body.is_end_stream();
        let announced = head.headers().get(TRAILER).cloned();
        let sent = self.conn.sender.clone().send_request(head, is_all);
        let (response, content) = sent.map_err(|error| failure(ErrorKind::Reset, error, false))?;
        let fault = (!is_all).then(|| self.send(body, announced, content, tasks));
        Ok(Asked {
            response,
            fault,
            interim,
        })
    }

    /// Sends content in the background, and tells of a fault that is not the origin's.
    fn send(
        &mut self,
        body: WireBody,
        announced: Option<HeaderValue>,
        content: SendStream<Bytes>,
        tasks: &Tasks,
    ) -> oneshot::Receiver<UploadFault> {
        let (tell, fault) = oneshot::channel();
        let waiting = Arc::clone(&self.conn.waiting_uploads);
        let upload = tasks.detach(async move {
            if let Err(fault) = upload::send(body, announced, content, &waiting).await {
                // Who waited may have gone.
                let _ = tell.send(fault);
            }
        });
        self.upload = Some(upload);
        fault
    }
}

/// A request whose answer is waited for.
struct Asked {
    response: ResponseFuture,
    /// What went wrong with its content; `None`: it has none, or all of it has left.
    fault: Option<oneshot::Receiver<UploadFault>>,
    /// Where interim answers go; `None`: they are dropped.
    interim: Option<ForwardedInterim>,
}

impl Asked {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Obstacle>> {
        while let Poll::Ready(Some(Ok(answer))) = self.response.poll_informational(cx) {
            if let Some(to) = &self.interim {
                interim::pass(answer.status(), answer.headers(), to);
            }
        }
        if let Some(receiver) = &mut self.fault
            && let Poll::Ready(told) = Pin::new(receiver).poll(cx)
        {
            self.fault = None;
            if let Ok(fault) = told {
                return Poll::Ready(Err(Obstacle::Upload(fault)));
            }
        }
        let answered = ready!(Pin::new(&mut self.response).poll(cx));
        Poll::Ready(answered.map_err(Obstacle::Stream))
    }
}

/// What kept a head from coming.
enum Obstacle {
    /// The client's content.
    Upload(UploadFault),
    /// The origin, or the connection.
    Stream(h2::Error),
}

impl Obstacle {
    fn into_failure(self, conn: &Conn) -> Failure {
        match self {
            Obstacle::Upload(fault) => failure(fault.kind(), fault, true),
            Obstacle::Stream(error) if error.is_library() && !conn.is_settled() => {
                failure(ErrorKind::BadResponse, NotHttp2(error), true)
            }
            Obstacle::Stream(error) => judge(error),
        }
    }
}

/// The head has come.
fn arrived(request: &Prepared, answer: Response<RecvStream>) -> Result<Response<Incoming>, Failure> {
    let (head, content) = answer.into_parts();
    if head.headers.len() > FIELD_LINES || size(&head.headers) > HEAD {
        return Err(failure(ErrorKind::BadResponse, TooManyFields, true));
    }
    let incoming = Incoming::new(content, &request.method, &head);
    Ok(Response::from_parts(head, incoming))
}

/// What an error of a stream, or of its connection, means for the request.
///
/// A stream that the origin refused, or that is beyond those that it said it would still see to, was
/// not acted on (RFC 9113 §8.7).
fn judge(error: h2::Error) -> Failure {
    let reason = error.reason().filter(|_| error.is_remote());
    let by_reset = reason.filter(|_| error.is_reset());
    let unseen =
        by_reset == Some(Reason::REFUSED_STREAM) || (error.is_go_away() && reason == Some(Reason::NO_ERROR));
    let wants_http1 = by_reset == Some(Reason::HTTP_1_1_REQUIRED);
    let answered = reason == Some(Reason::ENHANCE_YOUR_CALM);
    // A fault of this answer; one of another's ends the connection, and this request with it.
    let kind = if error.is_library() && error.is_reset() {
        ErrorKind::BadResponse
    } else {
        ErrorKind::Reset
    };
    Failure {
        answered,
        wants_http1,
        ..failure(kind, error, !unseen && !wants_http1)
    }
}
