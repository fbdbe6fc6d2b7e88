//! Between the HTTP library and [`Proxy::handle`]: one connection's service and its answers.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;

use super::Proxy;
use super::outcome::Asked;
use crate::body::Body;
use crate::client::{ConnState, Expecting};
use crate::clock::Now;
use crate::telemetry::Meter;

/// One client connection's requests.
#[derive(Debug)]
pub struct ConnService {
    proxy: Arc<Proxy>,
    connection: Arc<ConnState>,
}

impl ConnService {
    /// The service of one connection.
    pub fn new(proxy: Arc<Proxy>, connection: Arc<ConnState>) -> Self {
        Self { proxy, connection }
    }
}

impl Service<Request<Incoming>> for ConnService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        // One panic is one 500, not a dead connection and never a dead process.
        let answered = catch_unwind(AssertUnwindSafe(|| self.proxy.handle(request, &self.connection)));
        answered.unwrap_or_else(|_panic| Answering::now(self.proxy.panicked()))
    }
}

/// An answer, there or under way.
pub enum Answering {
    /// There; taken out when asked for.
    Now(Option<Response<Body>>),
    /// Under way.
    Later(Later),
}

/// What an answer under way comes from.
pub(super) type Awaited = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// An answer under way, and what is needed should it never come.
pub struct Later {
    future: Awaited,
    proxy: Arc<Proxy>,
    /// Where the request is counted.
    meter: Meter,
    started: Now,
    /// What the access log says of the request; `None` where there is no such log.
    asked: Option<Box<Asked>>,
    /// Whether it has come.
    done: bool,
    /// It has come, and lets interim answers go first.
    answer: Option<Response<Body>>,
    /// The way for those; `None` for a client that must not get any.
    expecting: Option<Expecting>,
}

impl Drop for Later {
    fn drop(&mut self) {
        if !self.done {
            self.proxy
                .client_left(&self.meter, self.started, self.asked.as_deref());
        }
    }
}

impl Answering {
    pub(super) fn now(response: Response<Body>) -> Self {
        Answering::Now(Some(response))
    }

    pub(super) fn later(
        proxy: Arc<Proxy>,
        (meter, started): (Meter, Now),
        asked: Option<Box<Asked>>,
        expecting: Option<Expecting>,
        future: Awaited,
    ) -> Self {
        Answering::Later(Later {
            future,
            proxy,
            meter,
            started,
            asked,
            done: false,
            answer: None,
            expecting,
        })
    }
}

impl Later {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        if self.answer.is_none() {
            let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
            self.answer = Some(match polled {
                Ok(polled) => ready!(polled),
                Err(_panic) => self.proxy.panicked(),
            });
            self.done = true;
        }
        // Once the library has the head, interim answers that came before it could not leave any
        // more. Waiting costs nothing: they are first on the same connection.
        if self.expecting.as_ref().is_some_and(|expecting| !expecting.end()) {
            return Poll::Pending;
        }
        Poll::Ready(self.answer.take().unwrap_or_else(gone))
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Now(response) => Poll::Ready(Ok(response.take().unwrap_or_else(gone))),
            Answering::Later(later) => later.poll(cx).map(Ok),
        }
    }
}

/// The answer to a future polled after its end, which the library never does.
fn gone() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
