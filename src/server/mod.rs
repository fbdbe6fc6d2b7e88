//! Client connections: the listener, each connection's I/O, its time limits and its drain.

mod descriptors;
mod io;
mod linger;
mod listener;
mod newcomers;
mod room;
mod sweep;
mod transport;

pub use descriptors::make_room;
pub use io::ClientIo;
pub use listener::Server;
pub use transport::Transport;
