//! The one body type that leaves through a client connection: an enum, not a box a request.

pub mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use self::stream::Reader;
use crate::client::InFlight;
use crate::origin::OriginBody;
use crate::store::StoredResponse;
use crate::telemetry::LineAtEnd;

/// Content on its way to a client.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    /// Held until the content has left or is dropped: the connection counts as busy.
    busy: Option<InFlight>,
    /// Writes the access-log line when the content has left or is dropped.
    line: Option<Box<LineAtEnd>>,
}

#[derive(Debug)]
enum Kind {
    Empty,
    Bytes(Bytes),
    Stored {
        response: Arc<StoredResponse>,
        next: usize,
        left: u64,
    },
    Origin(Box<OriginBody>),
    Fill {
        reader: Reader,
        left: Option<u64>,
    },
}

/// Why content could not be sent whole; ends the client's connection, so that nobody takes a
/// part for the whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The origin's answer, read for this client alone, broke off.
    #[error("the origin's answer broke off")]
    Origin(#[source] crate::origin::OriginError),
    /// The fill that this client followed broke off.
    #[error("the fill broke off")]
    Fill(#[source] stream::Broken),
}

impl Body {
    fn new(kind: Kind) -> Self {
        Body {
            kind,
            busy: None,
            line: None,
        }
    }

    /// No content.
    pub fn empty() -> Self {
        Self::new(Kind::Empty)
    }

    /// Content at hand.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Kind::Bytes(bytes.into()))
    }

    /// A stored response's content.
    pub fn stored(response: Arc<StoredResponse>) -> Self {
        let left = response.content.len();
        Self::new(Kind::Stored {
            response,
            next: 0,
            left,
        })
    }

    /// The origin's content, straight through.
    pub fn origin(body: OriginBody) -> Self {
        Self::new(Kind::Origin(Box::new(body)))
    }

    /// A fill's content as it arrives; `length` if the origin announced it.
    pub fn fill(reader: Reader, length: Option<u64>) -> Self {
        Self::new(Kind::Fill { reader, left: length })
    }

    /// Marks the connection busy until this content has left.
    pub fn keep_busy(&mut self, busy: Option<InFlight>) {
        self.busy = busy;
    }

    /// Has the access-log line written when this content has left.
    pub fn log_at_end(&mut self, line: Box<LineAtEnd>) {
        self.line = Some(line);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = match &mut this.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Stored { response, next, left } => {
                let segment = response.content.segments().get(*next).cloned();
                *next += 1;
                Poll::Ready(segment.map(|segment| {
                    *left = left.saturating_sub(segment.len() as u64);
                    Ok(Frame::data(segment))
                }))
            }
            Kind::Origin(body) => Pin::new(body.as_mut()).poll_frame(cx).map_err(BodyError::Origin),
            Kind::Fill { reader, left } => reader.poll_chunk(cx).map(|polled| {
                polled.map(|chunk| match chunk {
                    Ok(chunk) => {
                        if let Some(left) = left {
                            *left = left.saturating_sub(chunk.len() as u64);
                        }
                        Ok(Frame::data(chunk))
                    }
                    Err(broken) => Err(BodyError::Fill(broken)),
                })
            }),
        };
        if let (Some(line), Poll::Ready(Some(Ok(frame)))) = (&mut this.line, &polled)
            && let Some(data) = frame.data_ref()
        {
            line.sent(data.len() as u64);
        }
        if let (Some(busy), Poll::Ready(Some(Err(_)))) = (&this.busy, &polled) {
            busy.broke_off();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Stored { left, .. } => *left == 0,
            Kind::Origin(body) => body.is_end_stream(),
            Kind::Fill { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stored { left, .. } => SizeHint::with_exact(*left),
            Kind::Origin(body) => body.size_hint(),
            Kind::Fill { left: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Fill { left: None, .. } => SizeHint::new(),
        }
    }
}
