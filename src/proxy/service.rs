//! Between the HTTP library and [`Proxy::handle`]: one connection's service and its answers.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::Service;

use super::Proxy;
use super::outcome::Asked;
use crate::body::{Body, Delivered};
use crate::client::{ConnState, Delivery, Expecting};
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
    type Future = MaybeLast;

    fn call(&self, request: Request<Incoming>) -> MaybeLast {
        MaybeLast {
            answering: answer(&self.proxy, request, &self.connection),
            connection: self.connection.clone(),
        }
    }
}

/// An answer that says so if it is the last of its connection.
pub struct MaybeLast {
    answering: Answering,
    connection: Arc<ConnState>,
}

impl Future for MaybeLast {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.answering).poll(cx))?;
        // An upgrade needs its own `Connection`, and no request follows it.
        if self.connection.is_leaving() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        Poll::Ready(Ok(answer))
    }
}

/// One panic is one 500, not a dead connection and never a dead process.
fn answer(proxy: &Arc<Proxy>, request: Request<Incoming>, connection: &Arc<ConnState>) -> Answering {
    let answered = catch_unwind(AssertUnwindSafe(|| proxy.handle(request, connection)));
    answered.unwrap_or_else(|_panic| Answering::now(proxy.panicked()))
}

/// The requests of one client connection that carries many at once (HTTP/2).
#[derive(Debug)]
pub struct StreamService {
    proxy: Arc<Proxy>,
    connection: Arc<ConnState>,
}

impl StreamService {
    /// The service of one connection.
    pub fn new(proxy: Arc<Proxy>, connection: Arc<ConnState>) -> Self {
        Self { proxy, connection }
    }
}

impl Service<Request<Incoming>> for StreamService {
    type Response = Response<Delivered>;
    type Error = Infallible;
    type Future = Delivering;

    fn call(&self, mut request: Request<Incoming>) -> Delivering {
        as_http1(&mut request);
        let (stream, delivery) = Delivery::begin(&self.connection);
        Delivering {
            answering: answer(&self.proxy, request, &stream),
            delivery,
        }
    }
}

/// An [`Answering`] whose content is counted until the client takes it.
pub struct Delivering {
    answering: Answering,
    delivery: Arc<Delivery>,
}

impl Future for Delivering {
    type Output = Result<Response<Delivered>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.answering).poll(cx);
        polled.map_ok(|response| response.map(|body| Delivered::new(body, this.delivery.clone())))
    }
}

/// Writes a request's head as HTTP/1.1 has it: the authority as `Host` (RFC 9113 §8.3.1), cookies in
/// one line (§8.2.3). Where `Host` says something else, both stay, and the request is refused.
fn as_http1<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().map(ToString::to_string);
    if let Some(authority) = authority
        && !request.headers().contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(&authority)
    {
        request.headers_mut().insert(header::HOST, host);
    }
    if let (Some(_), Some(path)) = (request.uri().authority(), request.uri().path_and_query().cloned())
        && is_same_host(request)
    {
        *request.uri_mut() = path.into();
    }
    let cookies = request.headers().get_all(header::COOKIE);
    if cookies.iter().nth(1).is_some() {
        let lines: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
        if let Ok(line) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
            request.headers_mut().insert(header::COOKIE, line);
        }
    }
}

fn is_same_host<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let authority = request.uri().authority();
    host.zip(authority)
        .is_some_and(|(host, authority)| host.eq_ignore_ascii_case(authority.as_str().as_bytes()))
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
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http1(target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(target).version(http::Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        as_http1(&mut request);
        request
    }

    #[test]
    fn the_authority_becomes_the_host_unless_another_is_named() {
        let request = http1("https://shop.test:8443/a?b", &[]);
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()["host"], "shop.test:8443");
        let request = http1("https://shop.test/a", &[("host", "SHOP.test")]);
        assert_eq!(
            (
                request.uri().to_string().as_str(),
                request.headers()["host"].as_bytes()
            ),
            ("/a", &b"SHOP.test"[..])
        );
        let request = http1("https://shop.test/a", &[("host", "other.test")]);
        assert_eq!(request.uri(), "https://shop.test/a", "left for the refusal");
    }

    #[test]
    fn cookies_are_one_line_again() {
        let request = http1("https://a/", &[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        let lines: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3"]);
    }
}
