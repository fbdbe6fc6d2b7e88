//! Client connections: the listener, each connection's I/O, its time limits and its drain.

mod connection;
mod io;
mod listener;
mod sweep;

pub use connection::{ConnState, InFlight};
pub use io::ClientIo;
pub use listener::Server;
