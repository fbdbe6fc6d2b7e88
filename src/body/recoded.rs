//! Content that is coded or decoded on its way to one client, at the pace at which it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};

use super::BodyError;
use super::stream::Reader;
use crate::clock::Clock;
use crate::codec::{Decoder, Encoder, Level, Undecodable};
use crate::fields::coding::Coding;
use crate::origin::OriginBody;
use crate::store::{Content, Reservation, StoredResponse};
use crate::telemetry::{Decoding, Metrics, Pass};

/// Most that goes into a codec at once, bytes.
const STEP: usize = 32 * 1024;

/// Most that passes through a codec, on either side, before others have their turn. Bytes.
const TURN: usize = 64 * 1024;

/// Where the content comes from.
#[derive(Debug)]
pub enum Source {
    /// The origin, for this client alone.
    Origin(Box<OriginBody>),
    /// A fill that others may follow too.
    Fill(Reader),
    /// The store.
    Stored {
        /// Whose content it is.
        response: Arc<StoredResponse>,
        /// The segment that comes next.
        next: usize,
    },
}

impl Source {
    /// How long the content is, if that is known before it has come.
    fn length(&self) -> Option<u64> {
        match self {
            Source::Origin(body) => body.size_hint().exact(),
            Source::Fill(_) => None,
            Source::Stored { response, .. } => Some(response.content.len()),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Source::Origin(body) => Pin::new(body.as_mut()).poll_frame(cx).map_err(BodyError::Origin),
            Source::Fill(reader) => reader
                .poll_chunk(cx)
                .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data).map_err(BodyError::Fill))),
            Source::Stored { response, next } => {
                let content: &Content = &response.content;
                let segment = content.segments().get(*next).cloned();
                *next += 1;
                Poll::Ready(segment.map(|segment| Ok(Frame::data(segment))))
            }
        }
    }
}

/// Where a codec's work is counted, and the clock that it is timed by.
#[derive(Debug, Clone)]
pub struct Meter {
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// What is done with the content.
#[derive(Debug)]
enum Codec {
    Encode(Encoder),
    Decode(Decoder),
}

/// Content on its way through a codec.
#[derive(Debug)]
pub(super) struct Recoded {
    source: Source,
    codec: Codec,
    coding: Coding,
    meter: Meter,
    /// What was read and not yet decoded.
    input: Bytes,
    /// Whether something went into the encoder since it was last flushed.
    unflushed: bool,
    /// The first of what comes out, where that was waited for.
    first: Option<Result<Bytes, BodyError>>,
    /// What passed through the codec since others had their turn, bytes.
    turn: usize,
    /// For the memory that the codec takes.
    _room: Option<Reservation>,
    /// The trailer section, to be sent after the last of the content.
    trailers: Option<HeaderMap>,
    ended: bool,
    read: u64,
    written: u64,
    took: Duration,
}

impl Recoded {
    pub(super) fn encode(
        source: Source,
        coding: Coding,
        level: Level,
        meter: Meter,
        room: Option<Reservation>,
    ) -> Self {
        let length = source.length();
        let mut encoded = Self::new(
            source,
            Codec::Encode(Encoder::new(coding, level, length)),
            coding,
            meter,
        );
        encoded._room = room;
        encoded
    }

    /// `cap`: the most that may come of it, bytes.
    pub(super) fn decode(source: Source, coding: Coding, cap: u64, meter: Meter) -> Self {
        Self::new(source, Codec::Decode(Decoder::new(coding, cap)), coding, meter)
    }

    fn new(source: Source, codec: Codec, coding: Coding, meter: Meter) -> Self {
        Self {
            source,
            codec,
            coding,
            meter,
            input: Bytes::new(),
            unflushed: false,
            first: None,
            turn: 0,
            _room: None,
            trailers: None,
            ended: false,
            read: 0,
            written: 0,
            took: Duration::ZERO,
        }
    }

    /// Waits for the first of what is decoded.
    pub(super) async fn begin(&mut self) -> Result<(), BodyError> {
        if let Codec::Decode(_) = self.codec {
            match std::future::poll_fn(|cx| self.poll_frame(cx)).await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.first = Some(Ok(data)),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error @ BodyError::Undecodable(_))) => return Err(error),
                // Where the content comes from has failed: it breaks off, as it would without a codec.
                Some(Err(error)) => self.first = Some(Err(error)),
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first.map(Frame::data)));
        }
        if !self.ended {
            match ready!(self.poll_data(cx)) {
                Some(Ok(data)) => {
                    if !self.ended {
                        self.written += data.len() as u64;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None if self.ended => {}
                None => {
                    self.ended = true;
                    self.account();
                }
            }
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn account(&self) {
        match self.codec {
            Codec::Encode(_) => {
                self.meter
                    .metrics
                    .coded(self.coding, Pass::Stream, (self.read, self.written), self.took);
            }
            Codec::Decode(_) => self.meter.metrics.decoded(self.coding, Decoding::Done),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if self.turn > TURN {
                self.turn = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.step() {
                Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(piece))),
                Ok(_) if !self.input.is_empty() => continue,
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let frame = match self.source.poll(cx) {
                Poll::Pending => return self.pause(),
                Poll::Ready(None) => return Poll::Ready(self.last()),
                Poll::Ready(Some(frame)) => frame?,
            };
            match frame.into_data() {
                Ok(data) => {
                    self.read += data.len() as u64;
                    self.input = data;
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    /// Has the codec take some of what was read; what came of it, if anything.
    fn step(&mut self) -> Result<Bytes, BodyError> {
        match &mut self.codec {
            Codec::Decode(decoder) => {
                let piece = decoder.pull(&mut self.input);
                let piece = piece.map_err(|why| undecodable(&self.meter, self.coding, why))?;
                self.turn += piece.len();
                Ok(piece)
            }
            Codec::Encode(_) if self.input.is_empty() => Ok(Bytes::new()),
            Codec::Encode(encoder) => {
                let step = self.input.split_to(self.input.len().min(STEP));
                let began = self.meter.clock.mono();
                let coded = encoder.push(&step);
                self.took += self.meter.clock.mono().since(began);
                self.turn += step.len();
                self.unflushed = true;
                coded.map_err(BodyError::Codec)
            }
        }
    }

    /// Nothing comes for now: what has come is to be read before more does.
    fn pause(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        match &mut self.codec {
            Codec::Encode(encoder) if self.unflushed => {
                self.unflushed = false;
                let flushed = encoder.flush().map_err(BodyError::Codec)?;
                if flushed.is_empty() {
                    Poll::Pending
                } else {
                    Poll::Ready(Some(Ok(flushed)))
                }
            }
            Codec::Encode(_) | Codec::Decode(_) => Poll::Pending,
        }
    }

    fn last(&mut self) -> Option<Result<Bytes, BodyError>> {
        match &mut self.codec {
            Codec::Encode(encoder) => {
                let last = encoder.finish().map_err(BodyError::Codec);
                self.written += last.as_ref().map_or(0, |last| last.len() as u64);
                self.account();
                self.ended = true;
                match last {
                    Ok(last) if last.is_empty() => None,
                    other => Some(other),
                }
            }
            Codec::Decode(decoder) => match decoder.finish() {
                Ok(()) => None,
                Err(why) => Some(Err(undecodable(&self.meter, self.coding, why))),
            },
        }
    }
}

fn undecodable(meter: &Meter, coding: Coding, why: Undecodable) -> BodyError {
    let ended = match why {
        Undecodable::Corrupt => Decoding::Corrupt,
        Undecodable::TooLong => Decoding::TooLong,
    };
    meter.metrics.decoded(coding, ended);
    BodyError::Undecodable(why)
}
