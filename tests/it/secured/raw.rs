//! An HTTP/2 client that does nothing by itself: it grants no window, answers no PING, and says what
//! a test has it say (RFC 9113 §4.1).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TestLarder, within};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW: u16 = 4;

/// What every connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame, as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub content: Vec<u8>,
}

impl Frame {
    /// Whether the stream has ended with this frame.
    pub fn is_last(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    fn is_pong(&self) -> bool {
        self.kind == PING && self.flags & ACK != 0
    }
}

/// One connection.
pub struct RawClient {
    io: TcpStream,
}

impl RawClient {
    /// A client whose streams begin with so much window. The connection has 65,535 bytes of it.
    pub async fn connect(larder: &TestLarder, window: u32) -> RawClient {
        Self::over(TcpStream::connect(larder.address()).await.unwrap(), window).await
    }

    /// The same over a socket of the test's own.
    pub async fn over(io: TcpStream, window: u32) -> RawClient {
        let mut client = RawClient { io };
        client.say(PREFACE).await;
        client.set_window(window).await;
        client
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
    }

    /// Sends a frame; it does not matter whether the connection still stands.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, content: &[u8]) {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(content);
        drop(self.io.write_all(&bytes).await);
    }

    /// Sets the window of all streams, those that are open too.
    pub async fn set_window(&mut self, window: u32) {
        let mut setting = INITIAL_WINDOW.to_be_bytes().to_vec();
        setting.extend_from_slice(&window.to_be_bytes());
        self.frame(SETTINGS, 0, 0, &setting).await;
    }

    /// Grants more window; stream 0: the connection.
    pub async fn grant(&mut self, stream: u32, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// Begins a GET (RFC 7541: the method and the scheme by their index, the others by name).
    pub async fn get(&mut self, stream: u32, target: &str) {
        let mut fields = vec![0x82, 0x86];
        for (name, value) in [(0x01, "shop.test"), (0x04, target)] {
            fields.extend_from_slice(&[name, u8::try_from(value.len()).unwrap()]);
            fields.extend_from_slice(value.as_bytes());
        }
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields)
            .await;
    }

    pub async fn ping(&mut self) {
        self.frame(PING, 0, 0, &[7; 8]).await;
    }

    /// The next frame; `None`: the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        within("a frame", async {
            let mut head = [0; 9];
            self.io.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut content = vec![0; length as usize];
            self.io.read_exact(&mut content).await.ok()?;
            Some(Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                content,
            })
        })
        .await
    }

    /// Reads up to a frame of this kind on this stream.
    pub async fn until(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("a connection that stands");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// Exchanges one PING after the other until `is_it` says so of a frame; `None`: the connection
    /// has ended.
    pub async fn pinging_until(&mut self, is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
        within("what ends the PINGs", async {
            self.ping().await;
            loop {
                let frame = self.next().await?;
                if is_it(&frame) {
                    return Some(frame);
                }
                if frame.is_pong() {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    self.ping().await;
                }
            }
        })
        .await
    }

    /// Reads an answer to its end, and grants what it takes.
    pub async fn read(&mut self, stream: u32) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let frame = self.next().await.expect("a connection that stands");
            if frame.stream != stream {
                continue;
            }
            assert_ne!(frame.kind, RESET, "{frame:?}");
            if frame.kind == DATA {
                content.extend_from_slice(&frame.content);
            }
            if frame.is_last() {
                return content;
            }
            if let (DATA, Ok(taken @ 1..)) = (frame.kind, u32::try_from(frame.content.len())) {
                self.grant(0, taken).await;
                self.grant(stream, taken).await;
            }
        }
    }

    /// Reads until the connection has ended.
    pub async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }
}
