//! What client connections run over.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A client connection's transport: a socket, TLS over one, or a pipe in memory.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Has the client see a failure instead of an orderly end once this is dropped.
    fn fail_at_end(&self);
}

impl Transport for TcpStream {
    fn fail_at_end(&self) {
        // Without time to linger the system sends a reset.
        if let Err(error) = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be made to reset");
        }
    }
}

impl Transport for UnixStream {
    /// Such a socket has no resets.
    fn fail_at_end(&self) {}
}

impl<T: Transport> Transport for TlsStream<T> {
    fn fail_at_end(&self) {
        self.get_ref().0.fail_at_end();
    }
}

impl Transport for DuplexStream {
    /// A pipe knows no failures.
    fn fail_at_end(&self) {}
}
