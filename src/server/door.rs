//! Places where clients connect: bound sockets, and what secures them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::{Address, Listen, ListenerTls, Shown};

/// Bound of the operating system's queue of connections not yet accepted.
pub(super) const BACKLOG: u32 = 4096;

/// A bound place, not yet accepting.
#[derive(Debug)]
pub struct Door {
    pub(super) socket: Socket,
    secured: Option<Secured>,
}

/// What secures the connections through a door; changes with its certificates.
#[derive(Debug, Clone)]
pub struct Secured(Arc<ArcSwap<ListenerTls>>);

impl Secured {
    fn new(tls: &ListenerTls) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(tls.clone())))
    }

    /// Handshakes from now on go by this.
    pub fn replace(&self, tls: &ListenerTls) {
        self.0.store(Arc::new(tls.clone()));
    }

    /// What is told of the certificates in force, in their order.
    pub fn shown(&self) -> Vec<Shown> {
        self.0.load().shown.clone()
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.load().config.clone()
    }
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The name of a socket in the file system; taken away when nobody is to connect any more, unless
/// another file has taken its place. Drop it before its listener: what is bound keeps its number.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// What the name stood for when it was made; `None`: the system did not tell.
    identity: Option<Identity>,
}

/// The device and the number of a file.
type Identity = (u64, u64);

impl SocketFile {
    /// The name of a socket that was just bound.
    fn new(path: &Path) -> SocketFile {
        SocketFile {
            path: path.to_owned(),
            identity: identity(path).ok(),
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let path = &self.path;
        // A file that takes its place between these two lines is lost: the system cannot do both at once.
        let is_ours = identity(path).is_ok_and(|found| Some(found) == self.identity);
        if !is_ours {
            return tracing::debug!(path = %path.display(), "a socket was replaced or removed, and is left alone");
        }
        if let Err(error) = std::fs::remove_file(path) {
            tracing::debug!(%error, path = %path.display(), "a socket could not be removed");
        }
    }
}

impl Door {
    /// Binds a place.
    ///
    /// # Errors
    /// It cannot be bound; the error names it.
    pub fn open(listen: &Listen) -> io::Result<Door> {
        let socket = match &listen.address {
            Address::Tcp(address) => tcp(*address).map(Socket::Tcp),
            Address::Unix(path) => unix(path),
        };
        let named = |error: io::Error| {
            let text = format!("cannot listen on {}: {error}", listen.address);
            io::Error::new(error.kind(), text)
        };
        Ok(Door {
            socket: socket.map_err(named)?,
            secured: listen.tls.as_ref().map(Secured::new),
        })
    }

    /// Where it is: with the port that it got.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        Ok(match &self.socket {
            Socket::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Socket::Unix(_, file) => Address::Unix(file.path.clone()),
        })
    }

    /// What secures its connections; `None`: nothing.
    pub fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }
}

/// Binds an address and a port.
///
/// # Errors
/// It cannot be bound; the error names it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    tcp(address).map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds a path; a socket that is left there, and that nobody listens on, is replaced. One that cannot
/// be asked, such as another user's, is left alone.
fn unix(path: &Path) -> io::Result<Socket> {
    let left = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let asked = left.then(|| std::os::unix::net::UnixStream::connect(path));
    if asked.is_some_and(|asked| asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    Ok(Socket::Unix(listener, SocketFile::new(path)))
}
