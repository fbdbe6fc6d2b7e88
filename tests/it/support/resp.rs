//! RESP2, as far as tests speak it: replies, whole commands in a stream of bytes, and a client
//! that sends one thing and waits for its reply.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gate::within;

/// A command: its name and arguments.
pub type Words = Vec<Vec<u8>>;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    /// A null bulk string.
    Nil,
    Array(Vec<Reply>),
    /// A null array.
    NilArray,
}

impl Reply {
    pub fn ok() -> Reply {
        Reply::Simple("OK".to_owned())
    }

    pub fn bulk(value: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(value.as_ref().to_vec())
    }

    pub fn error(text: impl Into<String>) -> Reply {
        Reply::Error(text.into())
    }

    /// What it says, if that is text; fails otherwise.
    pub fn text(&self) -> &str {
        match self {
            Reply::Simple(text) | Reply::Error(text) => text,
            Reply::Bulk(bytes) => std::str::from_utf8(bytes).expect("text"),
            Reply::Int(_) | Reply::Nil | Reply::Array(_) | Reply::NilArray => panic!("no text: {self:?}"),
        }
    }

    /// The number it is.
    pub fn int(&self) -> i64 {
        match self {
            Reply::Int(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    /// The replies it consists of.
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) => items,
            other => panic!("no array: {other:?}"),
        }
    }

    /// The first word of an error.
    pub fn code(&self) -> Option<&str> {
        match self {
            Reply::Error(text) => text.split(' ').next(),
            _ => None,
        }
    }

    /// As it goes over the wire.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Reply::Simple(text) => into.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Reply::Error(text) => into.extend_from_slice(format!("-{text}\r\n").as_bytes()),
            Reply::Int(number) => into.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Reply::Bulk(bytes) => bulk(bytes, into),
            Reply::Nil => into.extend_from_slice(b"$-1\r\n"),
            Reply::Array(items) => {
                into.extend_from_slice(format!("*{}\r\n", items.len()).as_bytes());
                for item in items {
                    item.encode(into);
                }
            }
            Reply::NilArray => into.extend_from_slice(b"*-1\r\n"),
        }
    }
}

fn bulk(bytes: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    into.extend_from_slice(bytes);
    into.extend_from_slice(b"\r\n");
}

/// A command as it goes over the wire.
pub fn encode(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bulk(word.as_ref(), &mut wire);
    }
    wire
}

/// The name of a command, in capitals.
pub fn name(words: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(words.first().map_or(b"", Vec::as_slice)).to_uppercase()
}

/// The first reply in `bytes` and its length; `None` while it is not whole.
pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let (line, mut at) = line(bytes)?;
    let (kind, rest) = line.split_at(1);
    let number = || rest.parse::<i64>().expect("a number in a reply");
    let reply = match kind {
        "+" => Reply::Simple(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Int(number()),
        "$" => match usize::try_from(number()) {
            Ok(length) => {
                let value = bytes.get(at..at + length + 2)?;
                at += length + 2;
                Reply::bulk(&value[..length])
            }
            Err(_) => Reply::Nil,
        },
        "*" => match number() {
            -1 => Reply::NilArray,
            length => {
                let mut items = Vec::new();
                for _ in 0..length {
                    let (item, taken) = parse(&bytes[at..])?;
                    at += taken;
                    items.push(item);
                }
                Reply::Array(items)
            }
        },
        other => panic!("no reply begins with {other:?}"),
    };
    Some((reply, at))
}

/// The first command in `bytes` and its length; `None` while it is not whole.
pub fn split(bytes: &[u8]) -> Option<(Words, usize)> {
    let (reply, taken) = parse(bytes)?;
    let words = reply.items().iter().map(|word| match word {
        Reply::Bulk(bytes) => bytes.clone(),
        other => panic!("no word of a command: {other:?}"),
    });
    Some((words.collect(), taken))
}

/// The first line without its end, and where the next begins.
fn line(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..end]).expect("text in RESP");
    assert!(!line.is_empty(), "an empty line in RESP");
    Some((line, end + 2))
}

/// A connection that waits for each reply, for half a minute at most.
pub struct RespClient {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl RespClient {
    pub async fn connect(address: SocketAddr) -> std::io::Result<RespClient> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(RespClient::over(stream))
    }

    /// A client over any transport.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> RespClient {
        RespClient {
            stream: Box::new(stream),
            buffer: Vec::new(),
        }
    }

    /// The reply to one command; an error of the server's is a reply.
    pub async fn command(&mut self, words: &[impl AsRef<[u8]>]) -> std::io::Result<Reply> {
        self.send(&encode(words)).await?;
        self.reply().await
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, wire: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(wire).await
    }

    /// The next reply.
    pub async fn reply(&mut self) -> std::io::Result<Reply> {
        within("a reply of Redis", self.next()).await
    }

    async fn next(&mut self) -> std::io::Result<Reply> {
        loop {
            if let Some((reply, taken)) = parse(&self.buffer) {
                self.buffer.drain(..taken);
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
