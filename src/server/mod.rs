//! Client connections: the listener, each connection's I/O, its time limits and its drain.

mod descriptors;
mod door;
mod hear;
mod http2;
mod io;
mod linger;
mod listener;
mod newcomers;
mod room;
mod sweep;
mod transport;

pub use descriptors::make_room;
pub use door::{Door, Secured, bind};
pub use io::ClientIo;
pub use listener::Server;
pub use transport::Transport;
