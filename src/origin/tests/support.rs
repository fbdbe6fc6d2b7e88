//! A scripted origin, and the requests and content that tests send to it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config;
use crate::origin::upload::UploadFault;
use crate::origin::{Origin, OriginBody, Outgoing, RequestBody, Sockets, StreamBody};
use crate::tasks::Tasks;

/// A client's content that arrives when a test says so, and ends when the sender is dropped.
#[derive(Debug)]
pub(in crate::origin) struct Script {
    frames: mpsc::UnboundedReceiver<Bytes>,
    length: Option<u64>,
}

impl Script {
    /// Chunks that are all there.
    pub(in crate::origin) fn of(chunks: impl Iterator<Item = Bytes>) -> Script {
        let (sender, frames) = mpsc::unbounded_channel();
        let mut length = 0;
        for chunk in chunks {
            length += chunk.len() as u64;
            sender.send(chunk).unwrap();
        }
        Script {
            frames,
            length: Some(length),
        }
    }

    pub(in crate::origin) fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }

    pub(in crate::origin) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        let next = self.frames.poll_recv(cx);
        if let (Poll::Ready(Some(chunk)), Some(left)) = (&next, &mut self.length) {
            *left -= chunk.len() as u64;
        }
        next.map(|next| next.map(|chunk| Ok(Frame::data(chunk))))
    }

    /// As with a client that announced a length: whole without a further look.
    pub(in crate::origin) fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }
}

pub(super) fn stream(
    length: Option<u64>,
    limit: Option<u64>,
    stall: Duration,
) -> (mpsc::UnboundedSender<Bytes>, RequestBody) {
    let (sender, frames) = mpsc::unbounded_channel();
    (
        sender,
        RequestBody::Stream(StreamBody::scripted(Script { frames, length }, limit, stall)),
    )
}

/// What the origin has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: usize,
    /// Heads, in lower case, of all requests that arrived whole.
    pub(super) heads: Vec<String>,
    pub(super) bodies: Vec<Vec<u8>>,
    /// Connections that the other side has ended.
    pub(super) ended: usize,
}

/// An origin on a port of its own that behaves as a script says.
pub(super) struct TestOrigin {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl TestOrigin {
    /// Runs `script` for each connection, which it numbers from 0.
    pub(super) async fn start<S, F>(script: S) -> TestOrigin
    where
        S: Fn(usize, Peer) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let tasks = Tasks::new();
        tasks.clone().detach(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let number = shared.lock().connections;
                shared.lock().connections += 1;
                let peer = Peer {
                    stream,
                    seen: Arc::clone(&shared),
                    rest: Vec::new(),
                };
                tasks.detach(script(number, peer));
            }
        });
        TestOrigin { address, seen }
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.lock().heads.len()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().connections
    }

    pub(super) fn settings(&self) -> config::Origin {
        settings(self.address)
    }

    pub(super) fn client(&self) -> Origin {
        client(&self.settings())
    }
}

/// One connection, from the origin's side.
pub(super) struct Peer {
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    rest: Vec<u8>,
}

impl Peer {
    /// Reads one whole request; `None` when the connection ended instead.
    pub(super) async fn request(&mut self) -> Option<Vec<u8>> {
        let head = self.head().await?;
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
                body.extend(self.exactly(size).await?);
                self.exactly(2).await?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some((_, length)) = head.split_once("content-length: ") {
            let length = length.split("\r\n").next().unwrap().parse().unwrap();
            body = self.exactly(length).await?;
        }
        let mut seen = self.seen.lock();
        seen.heads.push(head);
        seen.bodies.push(body.clone());
        Some(body)
    }

    /// Reads one whole request without content; its head.
    pub(super) async fn request_head(&mut self) -> Option<String> {
        self.request().await?;
        self.seen.lock().heads.last().cloned()
    }

    /// Waits until the other side ends the connection.
    pub(super) async fn gone(&mut self) {
        while self.more().await.is_some() {}
    }

    /// Reads a head, and counts nothing.
    pub(super) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.rest.drain(..end + 4).collect::<Vec<_>>();
                return Some(String::from_utf8(head).unwrap().to_lowercase());
            }
            self.more().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|two| two == b"\r\n") {
                let line = self.rest.drain(..end + 2).take(end).collect::<Vec<_>>();
                return Some(String::from_utf8(line).unwrap());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.rest.len() < count {
            self.more().await?;
        }
        Some(self.rest.drain(..count).collect())
    }

    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.rest).await {
            Ok(0) | Err(_) => {
                self.seen.lock().ended += 1;
                None
            }
            Ok(_) => Some(()),
        }
    }

    pub(super) async fn send(&mut self, bytes: &str) {
        // The other side may have gone; what it then reports is what the test asks for.
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Answers every request the same way until the other side ends the connection.
    pub(super) async fn serve(mut self, answer: &str) {
        while self.request().await.is_some() {
            self.send(answer).await;
        }
    }

    /// Does nothing until the other side ends the connection.
    pub(super) async fn rest(mut self) {
        self.gone().await;
    }
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(in crate::origin) fn settings(address: SocketAddr) -> config::Origin {
    config::Origin {
        host: address.ip().to_string(),
        port: address.port(),
        unix: None,
        tls: None,
        h2c: false,
        http2: true,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(1),
        max_connections: 256,
        max_in_flight: None,
        host_field: config::HostField::Forward,
    }
}

pub(super) fn client(settings: &config::Origin) -> Origin {
    Origin::new(
        settings,
        Arc::new(Sockets::new(settings)),
        Clock::system(),
        Tasks::new(),
    )
}

pub(super) fn get() -> Outgoing {
    request(Method::GET, RequestBody::Empty)
}

pub(super) fn post(content: &'static str) -> Outgoing {
    request(
        Method::POST,
        RequestBody::Bytes(Bytes::from_static(content.as_bytes())),
    )
}

pub(super) fn request(method: Method, body: RequestBody) -> Outgoing {
    let mut fields = HeaderMap::new();
    fields.insert("host", "shop.test".parse().unwrap());
    let target = "/a?b=c".parse().unwrap();
    Outgoing {
        method,
        target,
        fields,
        body,
        repeatable: true,
        response_timeout: None,
        upgrade: false,
        interim: None,
    }
}

/// The content as text, read to its end.
pub(super) async fn text(response: Response<OriginBody>) -> String {
    let content = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(content.to_vec()).unwrap()
}

/// Waits, bounded, until `condition` holds.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never came: {what}");
}
