//! The first bytes of a connection: which version of HTTP a client speaks (RFC 9113 §3.3).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::transport::Transport;
use crate::client::{ConnState, Wish};

/// What a client that speaks HTTP/2 says first (RFC 9113 §3.4). No HTTP/1 request begins so.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection's first bytes are the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// HTTP/1, or nothing that is known; the HTTP/1 library answers that.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Waits for as many bytes as it takes to tell, and puts them back. `None`: the connection is to end
/// first.
pub(super) async fn hear<T: Transport>(mut io: T, state: &ConnState) -> Option<(Heard, Rewound<T>)> {
    let mut said = BytesMut::new();
    let heard = loop {
        let length = read_some(&mut io, state, &mut said).await?;
        if said.starts_with(PREFACE) {
            break Heard::Http2;
        }
        if length == 0 || !PREFACE.starts_with(&said) {
            break Heard::Http1;
        }
        // Slow as with a head, whichever it becomes.
        state.bytes_read(said.get(said.len() - length..).unwrap_or_default());
    };
    let said = said.freeze();
    Some((heard, Rewound { said, io }))
}

/// Waits for a first byte, and puts it back. `None`: there is none, or the connection is to end first.
pub(super) async fn first_byte<T: Transport>(mut io: T, state: &ConnState) -> Option<Rewound<T>> {
    let mut said = BytesMut::new();
    let length = read_some(&mut io, state, &mut said).await?;
    let said = said.freeze();
    (length > 0).then_some(Rewound { said, io })
}

/// Reads once; how many bytes. `None`: that failed, or the connection is to end first.
async fn read_some<T: Transport>(io: &mut T, state: &ConnState, said: &mut BytesMut) -> Option<usize> {
    let mut chunk = [0; 64];
    let read = poll_fn(|cx| {
        if state.watch(cx.waker()) == Wish::End {
            return Poll::Ready(None);
        }
        let mut buf = ReadBuf::new(&mut chunk);
        let read = ready!(Pin::new(&mut *io).poll_read(cx, &mut buf));
        Poll::Ready(Some(read.map(|()| buf.filled().len())))
    })
    .await?;
    let length = read.ok()?;
    said.extend_from_slice(chunk.get(..length)?);
    Some(length)
}

/// A transport of which the first bytes were read already.
#[derive(Debug)]
pub(super) struct Rewound<T> {
    said: Bytes,
    io: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.said.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.said.len().min(buf.remaining());
        buf.put_slice(self.said.get(..length).unwrap_or_default());
        self.said.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<T: Transport> Transport for Rewound<T> {
    fn fail_at_end(&self) {
        self.io.fail_at_end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_version_is_told_by_the_first_bytes_however_they_come() {
        let preface = std::str::from_utf8(PREFACE).unwrap();
        for (pieces, expected) in [
            (vec![preface], Heard::Http2),
            (vec!["PRI * HT", "TP/2.0\r\n\r\nSM\r", "\n\r\nmore"], Heard::Http2),
            (vec!["GET / HTTP/1.1\r\n"], Heard::Http1),
            (vec!["P", "UT / HTTP/1.1\r\n"], Heard::Http1),
            (vec!["PRI", " /x HTTP/1.1\r\n"], Heard::Http1),
            (vec!["PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"], Heard::Http1),
            (vec!["PRI"], Heard::Http1),
            (vec![], Heard::Http1),
        ] {
            let (mut client, io) = duplex(1000);
            let state = Arc::new(ConnState::new(None, Arc::new(AtomicU64::new(1))));
            let saying = async {
                for piece in &pieces {
                    client.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(client);
            };
            let (heard, ()) = tokio::join!(hear(io, &state), saying);
            let (heard, mut rewound) = heard.unwrap();
            assert_eq!(heard, expected, "{pieces:?}");
            let mut all = String::new();
            rewound.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, pieces.concat());
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_to_end_is_not_waited_for() {
        let (_client, io) = duplex(1000);
        let state = Arc::new(ConnState::new(None, Arc::new(AtomicU64::new(1))));
        state.kill();
        assert!(hear(io, &state).await.is_none());
    }
}
