//! Content that leaves over a connection which carries many answers at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Frame, SizeHint};

use super::{Body, BodyError};
use crate::client::{Delivery, Untaken};

/// A [`Body`] of which every byte is counted until its client takes it.
#[derive(Debug)]
pub struct Delivered {
    body: Body,
    delivery: Arc<Delivery>,
}

impl Delivered {
    /// Counts what leaves of `body`.
    pub fn new(body: Body, delivery: Arc<Delivery>) -> Self {
        Self { body, delivery }
    }
}

impl http_body::Body for Delivered {
    type Data = Untaken;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Untaken>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        polled.map_ok(|frame| frame.map_data(|bytes| this.delivery.hand_over(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
