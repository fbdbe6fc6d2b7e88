//! Client connections: the listener, each connection's I/O, its time limits and its drain.

mod descriptors;
mod io;
mod listener;
mod sweep;

pub use descriptors::make_room;
pub use io::ClientIo;
pub use listener::Server;
