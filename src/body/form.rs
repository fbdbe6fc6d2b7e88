//! A stored response's content in a coding that was made of it, or is being made.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::{Body, Kind};
use crate::store::{Content, Made, NewCoding, StoredResponse};

/// NewCoding content, on its way.
#[derive(Debug)]
pub(super) struct FormBody {
    /// What it stands beside: held, so that what is read counts as long as it is.
    _response: Arc<StoredResponse>,
    /// Where it stands beside nothing: the same.
    _coded: Option<Arc<NewCoding>>,
    content: Content,
    next: usize,
    pub left: u64,
}

impl FormBody {
    pub fn new(response: Arc<StoredResponse>, content: Content, coded: Option<Arc<NewCoding>>) -> Self {
        Self {
            _response: response,
            _coded: coded,
            left: content.len(),
            content,
            next: 0,
        }
    }

    /// The next segment.
    pub fn next(&mut self) -> Option<Bytes> {
        let segment = self.content.segments().get(self.next).cloned()?;
        self.next += 1;
        self.left = self.left.saturating_sub(segment.len() as u64);
        Some(segment)
    }
}

/// NewCoding content that is being made.
pub(super) struct PromisedBody {
    pub made: Pin<Box<dyn Future<Output = Made> + Send>>,
    pub response: Arc<StoredResponse>,
    pub otherwise: Option<Body>,
}

impl fmt::Debug for PromisedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromisedBody").finish_non_exhaustive()
    }
}

impl PromisedBody {
    /// What it becomes once the promise is kept or broken.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Kind> {
        let made = ready!(self.made.as_mut().poll(cx));
        Poll::Ready(match made {
            Some(coded) => {
                let response = coded.beside.clone().unwrap_or_else(|| self.response.clone());
                Kind::Form(FormBody::new(response, coded.content.clone(), Some(coded)))
            }
            None => self
                .otherwise
                .take()
                .map_or(Kind::Empty, |otherwise| otherwise.kind),
        })
    }
}
