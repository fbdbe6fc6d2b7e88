//! A client that speaks HTTP/2, many requests at once on one connection.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::gate::within;

/// What a request's content is.
pub type Content = BoxBody<Bytes, std::convert::Infallible>;

/// One connection.
pub struct Http2Client {
    sender: SendRequest<Content>,
    /// Ends with the connection.
    driver: JoinHandle<hyper::Result<()>>,
    scheme: &'static str,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Streamed {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its content.
    pub content: Bytes,
    /// Its trailer section.
    pub trailers: Option<HeaderMap>,
}

impl Streamed {
    /// A field as text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether it came from the store.
    pub fn is_hit(&self) -> bool {
        self.field("cache-status")
            .is_some_and(|status| status.contains("; hit"))
    }
}

impl Http2Client {
    /// Speaks HTTP/2 over `io` without asking.
    pub async fn over(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
    ) -> Http2Client {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .expect("a handshake");
        Http2Client {
            sender,
            driver: tokio::spawn(connection),
            scheme,
        }
    }

    /// A request to `shop.test`.
    pub fn request(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .version(Version::HTTP_2)
            .uri(format!("{}://shop.test{target}", self.scheme));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request
    }

    /// Sends a request; resolves with the answer's head.
    pub async fn send(&mut self, request: Request<Content>) -> hyper::Result<Response<Incoming>> {
        within("an answer's head", self.sender.send_request(request)).await
    }

    /// Sends a request, to be waited for later.
    pub fn begin(&mut self, request: Request<Content>) -> JoinHandle<Response<Incoming>> {
        let answer = self.sender.send_request(request);
        tokio::spawn(async move { within("an answer's head", answer).await.expect("an answer") })
    }

    /// GET, read to its end.
    pub async fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> hyper::Result<Streamed> {
        self.ask("GET", target, fields, b"").await
    }

    /// Any request, read to its end.
    pub async fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        content: &'static [u8],
    ) -> hyper::Result<Streamed> {
        let request = self.request(method, target, fields);
        let request = request.body(Full::from(content).boxed()).expect("a request");
        let answer = self.send(request).await?;
        read(answer).await
    }

    /// Waits until the connection has ended.
    pub async fn ended(self) {
        drop(self.sender);
        let ended = within("the connection's end", self.driver).await;
        drop(ended.expect("a task"));
    }
}

/// Reads an answer to its end.
pub async fn read(answer: Response<Incoming>) -> hyper::Result<Streamed> {
    let (head, content) = answer.into_parts();
    let collected = within("the content", content.collect()).await?;
    let trailers = collected.trailers().cloned();
    Ok(Streamed {
        status: head.status.as_u16(),
        fields: head.headers,
        content: collected.to_bytes(),
        trailers,
    })
}
