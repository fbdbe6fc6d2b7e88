//! Ports that nobody else is given while a test needs them.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

/// A port of the loopback, bound and not listened on: whoever connects is refused until a server
/// of the test's own listens there, and again when that has gone.
#[derive(Debug)]
pub struct HeldPort {
    /// Linux gives the port to nobody who asks for any, and lets a second socket bind it by name
    /// as long as neither of the two listens.
    _socket: Socket,
    address: SocketAddr,
}

impl HeldPort {
    pub fn new() -> HeldPort {
        let socket = socket(([127, 0, 0, 1], 0).into());
        let address = socket.local_addr().expect("an address").as_socket();
        HeldPort {
            _socket: socket,
            address: address.expect("an Internet address"),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Listens there, in this process.
    pub fn listen(&self) -> TcpListener {
        let socket = socket(self.address);
        socket.listen(1024).expect("the port is held");
        socket.set_nonblocking(true).expect("a socket");
        TcpListener::from_std(socket.into()).expect("a listener")
    }
}

fn socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a socket");
    socket.bind(&address.into()).expect("a port");
    socket
}
