//! Between the HTTP library and [`Proxy::handle`]: one connection's service and its answers.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;

use super::Proxy;
use crate::body::Body;
use crate::server::ConnState;

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
        let state = match answered {
            Ok(answering) => {
                return Answering {
                    proxy: Some(self.proxy.clone()),
                    ..answering
                };
            }
            Err(_panic) => State::Now(Some(self.proxy.panicked())),
        };
        Answering { state, proxy: None }
    }
}

/// An answer, there or under way.
pub struct Answering {
    state: State,
    proxy: Option<Arc<Proxy>>,
}

enum State {
    Now(Option<Response<Body>>),
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl Answering {
    pub(super) fn now(response: Response<Body>) -> Self {
        Self {
            state: State::Now(Some(response)),
            proxy: None,
        }
    }

    pub(super) fn later(future: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self {
            state: State::Later(Box::pin(future)),
            proxy: None,
        }
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.state {
            State::Now(response) => Poll::Ready(Ok(response.take().unwrap_or_else(gone))),
            State::Later(future) => match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(_panic) => {
                    let response = this.proxy.as_ref().map(|proxy| proxy.panicked());
                    Poll::Ready(Ok(response.unwrap_or_else(gone)))
                }
            },
        }
    }
}

/// The answer to a future polled after its end, which the library never does.
fn gone() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
