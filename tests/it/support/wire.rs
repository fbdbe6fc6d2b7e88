//! HTTP/1.1 messages over a socket or an in-memory pipe, read without mercy or repair.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use super::seen::first;

/// Either kind of connection.
#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

/// One end of a connection, with what was read ahead.
#[derive(Debug)]
pub struct Wire {
    io: Io,
    ahead: BytesMut,
    /// The last trailer section.
    trailers: Vec<(String, String)>,
}

/// Why a message could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The connection ended within a message.
    Closed,
    /// The connection was reset, or failed otherwise.
    Reset,
    /// The bytes are not HTTP/1.1.
    Malformed(String),
}

/// A start line and field lines.
#[derive(Debug, Clone)]
pub struct Head {
    /// The start line without its end.
    pub start: String,
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
}

/// How much of a message's content is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Done,
    /// This many bytes.
    Length(u64),
    /// This many bytes of the present chunk, then more chunks; `None` before the first.
    Chunk(Option<u64>),
    /// All until the connection ends.
    UntilClose,
}

impl From<TcpStream> for Wire {
    fn from(socket: TcpStream) -> Wire {
        let _ = socket.set_nodelay(true);
        Wire {
            io: Io::Tcp(socket),
            ahead: BytesMut::new(),
            trailers: Vec::new(),
        }
    }
}

impl From<DuplexStream> for Wire {
    fn from(pipe: DuplexStream) -> Wire {
        Wire {
            io: Io::Memory(pipe),
            ahead: BytesMut::new(),
            trailers: Vec::new(),
        }
    }
}

impl Wire {
    /// Writes and flushes raw bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Ends the writing direction.
    pub async fn shutdown(&mut self) {
        let _ = self.io.shutdown().await;
    }

    /// Drops the connection so that the peer sees a reset, not an end.
    pub fn reset(self) {
        if let Io::Tcp(socket) = &self.io {
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Reads more; `false` at the end.
    async fn more(&mut self) -> Result<bool, Broken> {
        match self.io.read_buf(&mut self.ahead).await {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            Err(_) => Err(Broken::Reset),
        }
    }

    /// Waits until at least one byte has come; `false` if the connection ends instead.
    pub async fn readable(&mut self) -> Result<bool, Broken> {
        if self.ahead.is_empty() {
            self.more().await
        } else {
            Ok(true)
        }
    }

    /// Reads and drops; `false` once the connection has ended.
    pub async fn discard(&mut self) -> bool {
        self.ahead.clear();
        matches!(self.more().await, Ok(true))
    }

    /// A head; `None` when the connection ended before its first byte.
    pub async fn head(&mut self) -> Result<Option<Head>, Broken> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let text = self.ahead.split_to(end + 4);
                return parse_head(&text[..end]).map(Some);
            }
            if !self.more().await? {
                return if self.ahead.is_empty() {
                    Ok(None)
                } else {
                    Err(Broken::Closed)
                };
            }
        }
    }

    /// The next piece of content as it arrives; `None` at its end.
    pub async fn piece(&mut self, left: &mut Left) -> Result<Option<Bytes>, Broken> {
        loop {
            match *left {
                Left::Done | Left::Length(0) => {
                    *left = Left::Done;
                    return Ok(None);
                }
                Left::UntilClose => {
                    if !self.readable().await? {
                        *left = Left::Done;
                        return Ok(None);
                    }
                    return Ok(Some(self.ahead.split().freeze()));
                }
                Left::Length(rest) => {
                    let piece = self.up_to(rest).await?;
                    *left = Left::Length(rest - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Left::Chunk(Some(0)) => {
                    self.line().await?;
                    *left = Left::Chunk(None);
                }
                Left::Chunk(Some(rest)) => {
                    let piece = self.up_to(rest).await?;
                    *left = Left::Chunk(Some(rest - piece.len() as u64));
                    return Ok(Some(piece));
                }
                Left::Chunk(None) => *left = self.chunk_start().await?,
            }
        }
    }

    /// Everything up to the end of the content.
    pub async fn content(&mut self, mut left: Left) -> (BytesMut, Result<(), Broken>) {
        let mut all = BytesMut::new();
        loop {
            match self.piece(&mut left).await {
                Ok(Some(piece)) => all.extend_from_slice(&piece),
                Ok(None) => return (all, Ok(())),
                Err(broken) => return (all, Err(broken)),
            }
        }
    }

    /// The trailer section of the message that has just ended.
    pub fn take_trailers(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.trailers)
    }

    async fn up_to(&mut self, most: u64) -> Result<Bytes, Broken> {
        if !self.readable().await? {
            return Err(Broken::Closed);
        }
        let take = self.ahead.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.ahead.split_to(take).freeze())
    }

    async fn chunk_start(&mut self) -> Result<Left, Broken> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| Broken::Malformed(line.clone()))?;
        if size > 0 {
            return Ok(Left::Chunk(Some(size)));
        }
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            text.push_str("\r\n");
            text.push_str(&line);
        }
        self.trailers = parse_head(text.as_bytes())?.fields;
        Ok(Left::Done)
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line = self.ahead.split_to(end);
                self.ahead.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.more().await? {
                return Err(Broken::Closed);
            }
        }
    }
}

impl Head {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }

    /// What content follows: `Transfer-Encoding` before `Content-Length` before `otherwise`.
    pub fn framing(&self, otherwise: Left) -> Result<Left, Broken> {
        if self
            .field("transfer-encoding")
            .is_some_and(|v| v.to_ascii_lowercase().contains("chunked"))
        {
            return Ok(Left::Chunk(None));
        }
        match self.field("content-length") {
            Some(digits) => digits
                .parse()
                .map(Left::Length)
                .map_err(|_| Broken::Malformed(digits.to_owned())),
            None => Ok(otherwise),
        }
    }
}

fn parse_head(text: &[u8]) -> Result<Head, Broken> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .map(|line| match line.split_once(':') {
            Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
            None => Err(Broken::Malformed(line.to_owned())),
        })
        .collect::<Result<_, _>>()?;
    Ok(Head { start, fields })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Io::Memory(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Io::Memory(pipe) => Pin::new(pipe).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Io::Memory(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Io::Memory(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}
