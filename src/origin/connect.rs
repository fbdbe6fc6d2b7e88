//! Makes connections to the origin, and looks at them while they rest.
//!
//! Of HTTP it knows which version was agreed on: what a connection is used for, and for how long, is
//! decided elsewhere.

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
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Connected>> + Send>>;

/// A connection that stands.
pub struct Connected {
    /// Its bytes.
    pub io: Box<dyn Io>,
    /// The version that both sides have agreed on.
    pub version: Version,
}

/// A version of HTTP that a connection speaks from its first byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a connection may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever the origin prefers.
    Any,
    /// HTTP/1.1, if the origin speaks it: for what HTTP/2 has no way for.
    Http1,
}

/// A way to reach the origin; each call makes a connection of its own.
pub trait Connect: Send + Sync + 'static {
    /// Begins a connection. The caller bounds the time it may take.
    fn connect(&self, wanted: Wanted) -> Connecting;

    /// The version of every connection, where that is known before the first one stands.
    fn version(&self) -> Option<Version> {
        Some(Version::Http1)
    }
}

impl Connected {
    /// A connection that speaks HTTP/1.1.
    pub fn http1(io: impl Io) -> Connected {
        Connected {
            io: Box::new(io),
            version: Version::Http1,
        }
    }
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
    /// What is spoken in clear.
    in_clear: Version,
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
            in_clear: if settings.h2c {
                Version::Http2
            } else {
                Version::Http1
            },
        }
    }
}

impl Connect for Sockets {
    fn connect(&self, wanted: Wanted) -> Connecting {
        let Sockets { place, tls, in_clear } = self.clone();
        Box::pin(async move {
            let stream = match place {
                Place::Path(path) => return Ok(Connected::http1(UnixStream::connect(path).await?)),
                Place::Address(address) => TcpStream::connect(address).await?,
                // Tries every address the name has, in order.
                Place::Name(name, port) => TcpStream::connect((name.as_str(), port)).await?,
            };
            stream.set_nodelay(true)?;
            match tls {
                Some(tls) => secure(stream, tls, wanted).await,
                None => Ok(Connected {
                    io: Box::new(stream),
                    version: in_clear,
                }),
            }
        })
    }

    fn version(&self) -> Option<Version> {
        match self.tls {
            Some(_) => None,
            None => Some(self.in_clear),
        }
    }
}

async fn secure(stream: TcpStream, tls: OriginTls, wanted: Wanted) -> io::Result<Connected> {
    let config = match wanted {
        Wanted::Any => tls.config,
        Wanted::Http1 => tls.http1,
    };
    let io = TlsConnector::from(config)
        .connect(tls.server_name, stream)
        .await?;
    let version = match io.get_ref().1.alpn_protocol() {
        Some(b"h2") => Version::Http2,
        // An origin that chooses nothing speaks HTTP/1.1.
        Some(_) | None => Version::Http1,
    };
    Ok(Connected {
        io: Box::new(io),
        version,
    })
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
            let connected = Sockets::new(&settings).connect(Wanted::Any).await;
            assert_eq!(connected.unwrap().version, Version::Http1, "{host}");
        }
    }
}
