//! An answer's content as it arrives.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::response::Parts;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::{HEAD, size};
use crate::fields::content_length;

/// Content, and behind it perhaps a trailer section. What is not read is not asked for.
pub(in crate::origin) struct Incoming {
    stream: RecvStream,
    /// Bytes still to come, where the head said; the library holds the origin to it.
    left: Option<u64>,
    /// There is to be none (RFC 9110 §6.4.1).
    is_without: bool,
    /// All data has come.
    is_whole: bool,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream, method: &Method, head: &Parts) -> Incoming {
        let without_content = method == Method::HEAD
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        let left = if without_content {
            Some(0)
        } else {
            content_length::told(&head.headers)
        };
        Incoming {
            is_whole: stream.is_end_stream(),
            is_without: without_content,
            stream,
            left,
        }
    }

    /// Whether all that was announced has come, and only the end is to be said.
    pub(in crate::origin) fn is_all_there(&self) -> bool {
        self.left == Some(0)
    }

    /// Waits for the end to be said: who leaves before takes the request back, which the origin may make
    /// much of.
    pub(in crate::origin) async fn end(mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.poll_data(cx)).await {}
    }

    /// The next data; `None` when all has come.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(data)) if self.is_without && !data.is_empty() => {
                Poll::Ready(Some(Err(Reason::PROTOCOL_ERROR.into())))
            }
            Some(Ok(data)) => {
                if let Err(error) = self.stream.flow_control().release_capacity(data.len()) {
                    return Poll::Ready(Some(Err(error)));
                }
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                self.is_whole = self.stream.is_end_stream();
                Poll::Ready(Some(Ok(data)))
            }
            Some(Err(error)) if self.left == Some(0) && ends_request(&error) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        while !self.is_whole {
            match ready!(self.poll_data(cx)) {
                // Padding alone, or the mere end.
                Some(Ok(data)) if data.is_empty() => {}
                Some(data) => return Poll::Ready(Some(data.map(Frame::data))),
                None => self.is_whole = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            // Of one that is much too long the library has dropped the end.
            Ok(Some(fields)) if size(&fields) > HEAD => {
                Poll::Ready(Some(Err(Reason::ENHANCE_YOUR_CALM.into())))
            }
            Ok(trailers) => Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields)))),
            Err(error) if ends_request(&error) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        // A trailer section may follow.
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// Whether the origin only wants no more of the request's content, as it may say behind a whole answer
/// (RFC 9113 §8.1). Whether one is whole this does not tell.
fn ends_request(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}
