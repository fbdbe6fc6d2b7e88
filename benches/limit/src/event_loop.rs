//! One thread, one level-triggered epoll set, one connection a slot.
//!
//! A connection is either reading or writing: while output is pending nothing more is read,
//! so a client that does not read costs one buffer and no more.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// Room for the heads that one read may bring: 64 pipelined small requests.
const READ_BYTES: usize = 16 * 1024;
const EVENTS: usize = 256;
/// The listener's place in the event data; connections use their slot's index.
const LISTENER: u64 = u64::MAX;

/// What one connection says: bytes in, bytes out.
pub trait Speaker {
    /// What all connections share.
    type Shared: Default;

    /// A fresh connection.
    fn new() -> Self;

    /// Takes what was read. An error closes the connection.
    fn take(&mut self, bytes: &[u8], shared: &mut Self::Shared) -> Result<(), Malformed>;

    /// The next bytes to write; empty when there is nothing to say.
    fn output(&mut self, shared: &mut Self::Shared) -> &[u8];

    /// `count` bytes of the last output were written.
    fn written(&mut self, count: usize);

    /// Whether the connection ends once nothing is left to say.
    fn ends(&self) -> bool;
}

/// A request that this program does not understand.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

struct Connection<S> {
    stream: TcpStream,
    speaker: S,
    /// Whether epoll reports room to write instead of bytes to read.
    writing: bool,
}

/// What became of a connection after its event.
#[derive(PartialEq, Eq)]
enum After {
    Reading,
    Writing,
    Closed,
}

/// Serves until the process is killed.
///
/// # Errors
/// When epoll itself fails; a connection's error only ends that connection.
pub fn serve<S: Speaker>(listener: &TcpListener) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let data = EventData::new_u64(LISTENER);
    epoll::add(&epoll, listener, data, EventFlags::IN)?;

    let mut shared = S::Shared::default();
    let mut slots: Vec<Option<Connection<S>>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let data = event.data.u64();
            if data == LISTENER {
                accept(listener, &epoll, &mut slots, &mut free)?;
                continue;
            }
            let index = data as usize;
            let Some(slot) = slots.get_mut(index) else {
                continue;
            };
            let Some(connection) = slot else { continue };
            match connection.turn(&mut buffer, &mut shared) {
                After::Closed => {
                    // Closing the descriptor takes it out of the epoll set.
                    *slot = None;
                    free.push(index);
                }
                after => connection.watch(&epoll, data, after == After::Writing)?,
            }
        }
    }
}

fn accept<S: Speaker>(
    listener: &TcpListener,
    epoll: &OwnedFd,
    slots: &mut Vec<Option<Connection<S>>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // Nobody waits, or no descriptors are left: level-triggered epoll asks again.
            Err(_) => return Ok(()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let index = free.pop().unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        let data = EventData::new_u64(index as u64);
        epoll::add(epoll, &stream, data, EventFlags::IN)?;
        slots[index] = Some(Connection {
            stream,
            speaker: S::new(),
            writing: false,
        });
    }
}

impl<S: Speaker> Connection<S> {
    /// One event: one read if there was nothing to write, then as many writes as fit.
    fn turn(&mut self, buffer: &mut [u8], shared: &mut S::Shared) -> After {
        if !self.writing {
            match self.stream.read(buffer) {
                Ok(0) => return After::Closed,
                Ok(count) => {
                    if self.speaker.take(&buffer[..count], shared).is_err() {
                        return After::Closed;
                    }
                }
                Err(error) if is_transient(&error) => return After::Reading,
                Err(_) => return After::Closed,
            }
        }
        loop {
            let output = self.speaker.output(shared);
            if output.is_empty() {
                return if self.speaker.ends() {
                    After::Closed
                } else {
                    After::Reading
                };
            }
            match self.stream.write(output) {
                Ok(count) => self.speaker.written(count),
                Err(error) if is_transient(&error) => return After::Writing,
                Err(_) => return After::Closed,
            }
        }
    }

    /// Asks epoll for the other direction, only where that changed: a request that is read and
    /// answered at once costs no call here.
    fn watch(&mut self, epoll: &OwnedFd, data: u64, writing: bool) -> io::Result<()> {
        if self.writing != writing {
            self.writing = writing;
            let flags = if writing { EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.stream, EventData::new_u64(data), flags)?;
        }
        Ok(())
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
