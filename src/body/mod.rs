//! The one body type that leaves through a client connection: an enum, not a box a request.

mod delivered;
mod form;
mod parts;
mod recoded;
pub mod stream;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use self::form::{FormBody, PromisedBody};
use self::parts::Pieces;
use self::recoded::Recoded;
use self::stream::Reader;
use crate::client::InFlight;
use crate::codec::{Level, Undecodable};
use crate::fields::coding::Coding;
use crate::fields::range::Part;
use crate::origin::OriginBody;
use crate::store::{Content, Promised, Reservation, StoredResponse};
use crate::telemetry::LineAtEnd;

pub use delivered::Delivered;
pub use parts::Piece;
pub use recoded::{Meter, Source};

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
    Form(FormBody),
    Promised(Box<PromisedBody>),
    Recoded(Box<Recoded>),
    Parts(Box<Pieces>),
    Origin(Box<OriginBody>),
    Fill {
        reader: Reader,
        /// Bytes to pass over first, where a part was asked for.
        skip: u64,
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
    /// The content could not be coded.
    #[error("the content could not be coded")]
    Codec(#[source] std::io::Error),
    /// The content is not in the coding that the origin said, or too long.
    #[error("the content could not be decoded")]
    Undecodable(#[source] Undecodable),
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

    /// A coding of a stored response's content.
    pub fn form(response: Arc<StoredResponse>, content: Content) -> Self {
        Self::new(Kind::Form(FormBody::new(response, content, None)))
    }

    /// A coding of a stored response's content that is being made; where nothing comes of it, `otherwise`.
    pub fn promised(response: Arc<StoredResponse>, promised: Promised, otherwise: Body) -> Self {
        Self::new(Kind::Promised(Box::new(PromisedBody {
            made: Box::pin(promised.made()),
            response,
            otherwise: Some(otherwise),
        })))
    }

    /// Content that is coded on its way. `room`: for the memory that this takes.
    pub fn encoded(
        source: Source,
        (coding, level): (Coding, Level),
        meter: Meter,
        room: Option<Reservation>,
    ) -> Self {
        Self::new(Kind::Recoded(Box::new(Recoded::encode(
            source, coding, level, meter, room,
        ))))
    }

    /// Content that is decoded on its way, into `cap` bytes at most.
    pub fn decoded(source: Source, coding: Coding, cap: u64, meter: Meter) -> Self {
        Self::new(Kind::Recoded(Box::new(Recoded::decode(
            source, coding, cap, meter,
        ))))
    }

    /// The origin's content, straight through.
    pub fn origin(body: OriginBody) -> Self {
        Self::new(Kind::Origin(Box::new(body)))
    }

    /// A fill's content as it arrives; `length` if the origin announced it.
    pub fn fill(reader: Reader, length: Option<u64>) -> Self {
        Self::new(Kind::Fill {
            reader,
            skip: 0,
            left: length,
        })
    }

    /// A part of a fill's content, as soon as it has arrived.
    pub fn fill_part(reader: Reader, part: Part) -> Self {
        Self::new(Kind::Fill {
            reader,
            skip: part.first,
            left: Some(part.len()),
        })
    }

    /// Pieces of an answer made from a stored response's content.
    pub fn parts(response: Arc<StoredResponse>, pieces: Vec<Piece>) -> Self {
        Self::new(Kind::Parts(Box::new(Pieces::new(response, pieces))))
    }

    /// Waits for the first of content that is decoded, so that content that cannot be is known of before
    /// anything is sent. Other content is not waited for.
    pub async fn begin(&mut self) -> Result<(), BodyError> {
        match &mut self.kind {
            Kind::Recoded(recoded) => recoded.begin().await,
            Kind::Empty
            | Kind::Bytes(_)
            | Kind::Stored { .. }
            | Kind::Form(_)
            | Kind::Promised(_)
            | Kind::Parts(_)
            | Kind::Origin(_)
            | Kind::Fill { .. } => Ok(()),
        }
    }

    /// As [`Body::begin`], for stored content, which is all there.
    pub fn begin_at_once(&mut self) -> Result<(), BodyError> {
        let mut cx = Context::from_waker(Waker::noop());
        match std::pin::pin!(self.begin()).poll(&mut cx) {
            Poll::Ready(begun) => begun,
            Poll::Pending => Ok(()),
        }
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
            Kind::Form(form) => Poll::Ready(form.next().map(|segment| Ok(Frame::data(segment)))),
            Kind::Promised(promised) => {
                this.kind = ready!(promised.poll(cx));
                return Pin::new(this).poll_frame(cx);
            }
            Kind::Recoded(recoded) => recoded.poll_frame(cx),
            Kind::Parts(pieces) => Poll::Ready(pieces.next().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Origin(body) => Pin::new(body.as_mut()).poll_frame(cx).map_err(BodyError::Origin),
            Kind::Fill { reader, skip, left } => poll_fill(reader, skip, left, cx),
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
            Kind::Form(form) => form.left == 0,
            Kind::Recoded(_) | Kind::Promised(_) => false,
            Kind::Parts(pieces) => pieces.left() == 0,
            Kind::Origin(body) => body.is_end_stream(),
            Kind::Fill { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stored { left, .. } => SizeHint::with_exact(*left),
            Kind::Form(form) => SizeHint::with_exact(form.left),
            Kind::Recoded(_) | Kind::Promised(_) => SizeHint::new(),
            Kind::Parts(pieces) => SizeHint::with_exact(pieces.left()),
            Kind::Origin(body) => body.size_hint(),
            Kind::Fill { left: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Fill { left: None, .. } => SizeHint::new(),
        }
    }
}

/// The next bytes of a fill that are wanted.
fn poll_fill(
    reader: &mut Reader,
    skip: &mut u64,
    left: &mut Option<u64>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    loop {
        if *left == Some(0) {
            return Poll::Ready(None);
        }
        let mut chunk = match std::task::ready!(reader.poll_chunk(cx)) {
            None => return Poll::Ready(None),
            Some(Err(broken)) => return Poll::Ready(Some(Err(BodyError::Fill(broken)))),
            Some(Ok(chunk)) => chunk,
        };
        let passed = usize::try_from(*skip).unwrap_or(usize::MAX).min(chunk.len());
        chunk.advance(passed);
        *skip -= passed as u64;
        if chunk.is_empty() {
            continue;
        }
        if let Some(left) = left {
            chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= chunk.len() as u64;
        }
        return Poll::Ready(Some(Ok(Frame::data(chunk))));
    }
}
