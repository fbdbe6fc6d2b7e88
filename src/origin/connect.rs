//! Makes connections to the origin, and looks at them while they rest.
//!
//! Knows nothing of HTTP: what a connection is used for, and for how long, is decided elsewhere.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{self, OriginTls};

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// A way to reach the origin; each call makes a connection of its own.
pub trait Connect: Send + Sync + 'static {
    /// Begins a connection. The caller bounds the time it may take.
    fn connect(&self) -> Connecting;
}

/// The two directions of one connection.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether a resting connection has a byte to read, or has ended, or is broken.
    ///
    /// Never waits and takes nothing out. `false` where the transport cannot tell.
    fn has_readable_or_end(&self) -> bool;
}

impl Io for TcpStream {
    fn has_readable_or_end(&self) -> bool {
        peek(&SockRef::from(self))
    }
}

impl Io for DuplexStream {
    fn has_readable_or_end(&self) -> bool {
        false
    }
}

impl Io for UnixStream {
    fn has_readable_or_end(&self) -> bool {
        peek(&SockRef::from(self))
    }
}

impl Io for TlsStream<TcpStream> {
    /// Also for a record that is not for HTTP, such as a new session's ticket: then a resting
    /// connection is given up without need, which costs a handshake and no request.
    fn has_readable_or_end(&self) -> bool {
        self.get_ref().0.has_readable_or_end()
    }
}

/// Whether a socket has a byte, an end or an error to read. Asks the kernel itself: tokio's readiness
/// lags behind by a turn of the event loop, and that is exactly the moment that matters here.
fn peek(socket: &SockRef<'_>) -> bool {
    let mut byte = [MaybeUninit::uninit(); 1];
    match socket.peek(&mut byte) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Reaches the origin over sockets: TCP, TLS over it, or one in the file system.
#[derive(Debug, Clone)]
pub struct Sockets {
    place: Place,
    tls: Option<OriginTls>,
}

#[derive(Debug, Clone)]
enum Place {
    Address(SocketAddr),
    /// Resolved for each connection: a Kubernetes service may move at any time.
    Name(String, u16),
    Path(PathBuf),
}

impl Sockets {
    /// A connector to where the origin is.
    pub fn new(settings: &config::Origin) -> Sockets {
        let place = match (&settings.unix, settings.host.parse::<IpAddr>()) {
            (Some(path), _) => Place::Path(path.clone()),
            (None, Ok(address)) => Place::Address(SocketAddr::new(address, settings.port)),
            (None, Err(_)) => Place::Name(settings.host.clone(), settings.port),
        };
        Sockets {
            place,
            tls: settings.tls.clone(),
        }
    }
}

impl Connect for Sockets {
    fn connect(&self) -> Connecting {
        let Sockets { place, tls } = self.clone();
        Box::pin(async move {
            let stream = match place {
                Place::Path(path) => return Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn Io>),
                Place::Address(address) => TcpStream::connect(address).await?,
                // Tries every address the name has, in order.
                Place::Name(name, port) => TcpStream::connect((name.as_str(), port)).await?,
            };
            stream.set_nodelay(true)?;
            let Some(OriginTls {
                config, server_name, ..
            }) = tls
            else {
                return Ok(Box::new(stream) as Box<dyn Io>);
            };
            let secured = TlsConnector::from(config).connect(server_name, stream).await?;
            Ok(Box::new(secured) as Box<dyn Io>)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_look_sees_a_byte_or_the_end_and_takes_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        assert!(!near.has_readable_or_end());
        far.write_all(b"x").await.unwrap();
        near.readable().await.unwrap();
        assert!(near.has_readable_or_end() && near.has_readable_or_end());
        assert_eq!(near.read_u8().await.unwrap(), b'x');
        assert!(!near.has_readable_or_end());
        drop(far);
        assert_eq!(near.peek(&mut [0]).await.unwrap(), 0);
        assert!(near.has_readable_or_end());
    }

    #[tokio::test]
    async fn names_and_addresses_are_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let mut settings = super::super::tests::settings(address);
            settings.host = host.to_owned();
            assert!(Sockets::new(&settings).connect().await.is_ok(), "{host}");
        }
    }
}
