//! Connections over the network: TCP, TLS over it, and sockets in the file system.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::dial::{Dial, Dialing, Stream, UnknownHost};
use crate::config::{RedisAddress, RedisTls};

/// How long one address of several may keep the next one waiting.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// An idle connection is looked after from here on, so that what stands between does not forget it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Reaches servers over the network.
pub struct Network {
    tls: Option<TlsConnector>,
}

impl Network {
    /// In clear, or by TLS where `tls` says how. Sockets in the file system are always in clear.
    pub fn new(tls: Option<&RedisTls>) -> Network {
        Network {
            tls: tls.map(|tls| TlsConnector::from(tls.config.clone())),
        }
    }
}

impl Dial for Network {
    fn dial(&self, to: &RedisAddress) -> Dialing {
        match to {
            RedisAddress::Tcp(host, port) => Box::pin(tcp(host.clone(), *port, self.tls.clone())),
            RedisAddress::Unix(path) => Box::pin(unix(path.clone())),
        }
    }
}

async fn unix(path: PathBuf) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(UnixStream::connect(path).await?))
}

async fn tcp(host: Arc<str>, port: u16, tls: Option<TlsConnector>) -> io::Result<Box<dyn Stream>> {
    let stream = connect(&host, port).await?;
    // A connection without these is slower, and still one.
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 3);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    let Some(tls) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.to_string())
        .map_err(|_| io::Error::other(UnknownHost(format!("{host} is no name a certificate can have"))))?;
    Ok(Box::new(tls.connect(name, stream).await?))
}

/// Tries each address of a host; the last one's error is told.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| io::Error::other(UnknownHost(format!("{host}: {error}"))))?
        .collect();
    let mut failed = io::Error::other(UnknownHost(format!("{host} has no address")));
    let last = addresses.len().saturating_sub(1);
    for (number, address) in addresses.into_iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = if number == last {
            connecting.await
        } else {
            tokio::time::timeout(NEXT_ADDRESS, connecting)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
