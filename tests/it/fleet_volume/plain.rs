//! An origin for very many requests: it counts them, and remembers none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{Left, Wire};

/// How long its answers are, bytes; below `/large/` they are longer.
pub const USUAL: usize = 128;
pub const LARGE: usize = 1_300_000;

/// The origin. It answers reads with so many bytes, and writes with 204.
pub struct Plain {
    address: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Plain {
    pub async fn start() -> Plain {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::<Counts>::default();
        let serving = counts.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, serving.clone()));
            }
        });
        Plain {
            address,
            counts,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often something was read so far.
    pub fn reads(&self) -> u64 {
        self.counts.reads.load(Ordering::Relaxed)
    }

    /// How often something was written so far.
    pub fn writes(&self) -> u64 {
        self.counts.writes.load(Ordering::Relaxed)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(socket: TcpStream, counts: Arc<Counts>) {
    let mut wire = Wire::from(socket);
    while let Ok(Some(head)) = wire.head().await {
        let left = head.framing(Left::Done).expect("a length");
        let (_, read) = wire.content(left).await;
        if read.is_err() {
            return;
        }
        let answer = if head.start.starts_with("GET ") {
            counts.reads.fetch_add(1, Ordering::Relaxed);
            let length = if head.start.starts_with("GET /large/") {
                LARGE
            } else {
                USUAL
            };
            let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            answer.resize(answer.len() + length, b'x');
            answer
        } else {
            counts.writes.fetch_add(1, Ordering::Relaxed);
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        };
        if wire.write(&answer).await.is_err() {
            return;
        }
    }
}
