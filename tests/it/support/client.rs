//! A client that shows everything: fields in order, pieces as they arrive, how a message ended.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

use super::cache_status::CacheStatus;
use super::gate::within;
use super::seen::{all, first};
use super::wire::{Broken, Head, Left, Wire};

/// One client connection.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    left: Left,
    /// Interim answers since the last final one.
    interim: Vec<(u16, Head)>,
}

/// How an answer's content ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At its message boundary.
    Complete,
    /// Before it.
    Broken(Broken),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
    /// Content without framing.
    pub content: Bytes,
    /// How it ended.
    pub end: End,
    /// The interim answers before it.
    pub interim: Vec<(u16, Head)>,
    /// The trailer section.
    pub trailers: Vec<(String, String)>,
}

impl From<TcpStream> for Client {
    fn from(socket: TcpStream) -> Client {
        Client {
            wire: Wire::from(socket),
            left: Left::Done,
            interim: Vec::new(),
        }
    }
}

impl Client {
    /// Connects over loopback.
    pub async fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).await.expect("Larder accepts");
        Client::from(socket)
    }

    /// A client at the end of an in-memory pipe.
    pub fn over(pipe: DuplexStream) -> Client {
        Client {
            wire: Wire::from(pipe),
            left: Left::Done,
            interim: Vec::new(),
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write(bytes.as_ref()).await.expect("Larder reads");
    }

    /// Sends bytes as they are; `false` if Larder has gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.write(bytes.as_ref()).await.is_ok()
    }

    /// Sends a request with `Host` and, where there is content, `Content-Length`.
    pub async fn send_request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        content: &[u8],
    ) {
        let bytes = request_bytes(method, target, fields, content);
        self.send(bytes).await;
    }

    /// Sends a request and reads the whole answer.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        content: &[u8],
    ) -> Response {
        self.send_request(method, target, fields, content).await;
        self.response_to(method).await
    }

    /// GET without further fields.
    pub async fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, &[], b"").await
    }

    /// Reads the next answer whole, as one to a GET.
    pub async fn response(&mut self) -> Response {
        self.response_to("GET").await
    }

    /// Reads the next answer whole.
    pub async fn response_to(&mut self, method: &str) -> Response {
        match self.try_response_to(method).await {
            Ok(response) => response,
            Err(broken) => panic!("no answer to {method}: {broken:?}"),
        }
    }

    /// Reads the next answer whole, or says why there is none.
    pub async fn try_response_to(&mut self, method: &str) -> Result<Response, Broken> {
        let (status, head) = self.try_head_of(method).await?;
        let (content, end) = within("the content", self.wire.content(self.left)).await;
        self.left = Left::Done;
        let end = match end {
            Ok(()) => End::Complete,
            Err(broken) => End::Broken(broken),
        };
        Ok(Response {
            status,
            fields: head.fields,
            content: content.freeze(),
            end,
            interim: std::mem::take(&mut self.interim),
            trailers: self.wire.take_trailers(),
        })
    }

    /// Reads an answer's head to a GET; [`Client::piece`] gives its content.
    pub async fn head(&mut self) -> (u16, Head) {
        self.try_head_of("GET").await.expect("an answer's head")
    }

    async fn try_head_of(&mut self, method: &str) -> Result<(u16, Head), Broken> {
        loop {
            let (status, head) = self.any_head().await?;
            if (102..200).contains(&status) || status == 100 {
                self.interim.push((status, head));
                continue;
            }
            self.left = match (method, status) {
                ("HEAD", _) | (_, 101 | 204 | 304) => Left::Done,
                _ => head.framing(Left::UntilClose)?,
            };
            return Ok((status, head));
        }
    }

    /// The next head, be it an interim one.
    pub async fn any_head(&mut self) -> Result<(u16, Head), Broken> {
        let head = within("an answer's head", self.wire.head())
            .await?
            .ok_or(Broken::Closed)?;
        let status = head.start.split(' ').nth(1).and_then(|s| s.parse::<u16>().ok());
        let status = status.ok_or_else(|| Broken::Malformed(head.start.clone()))?;
        Ok((status, head))
    }

    /// The next piece of the answer's content as it arrives; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        within("a piece of content", self.wire.piece(&mut self.left)).await
    }

    /// The rest of the answer's content.
    pub async fn rest(&mut self) -> (Bytes, End) {
        let (content, end) = within("the content", self.wire.content(self.left)).await;
        self.left = Left::Done;
        let end = match end {
            Ok(()) => End::Complete,
            Err(broken) => End::Broken(broken),
        };
        (content.freeze(), end)
    }

    /// Waits until Larder ends the connection; fails if it sends anything first.
    pub async fn closed(&mut self) {
        let readable = within("the connection's end", self.wire.readable()).await;
        assert!(
            matches!(readable, Ok(false) | Err(Broken::Reset)),
            "more bytes instead of the end"
        );
    }

    /// The connection itself, for bytes that are not HTTP.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Breaks off with a reset.
    pub fn reset(self) {
        self.wire.reset();
    }
}

/// A request in its usual form.
pub fn request_bytes(method: &str, target: &str, fields: &[(&str, &str)], content: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("Host: shop.test\r\n");
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !content.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", content.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(content);
    bytes
}

impl Response {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }

    /// Every value of a field, in order.
    pub fn lines(&self, name: &str) -> Vec<&str> {
        all(&self.fields, name)
    }

    /// The content as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("text")
    }

    /// What Larder says of the request.
    pub fn cache_status(&self) -> CacheStatus {
        let lines = self.lines("cache-status");
        assert!(!lines.is_empty(), "Cache-Status in {self:?}");
        CacheStatus::parse(&lines.join(", "))
    }

    /// The reason word in `Cache-Status`: `hit`, `uri-miss`, `credentials`, ...
    pub fn reason(&self) -> String {
        self.cache_status().reason().to_owned()
    }

    /// Fails unless the content ended at its boundary.
    pub fn complete(self) -> Response {
        assert_eq!(self.end, End::Complete, "{} {:?}", self.status, self.fields);
        self
    }
}
