//! A TCP proxy before a Redis, for one client: it can delay what the server answers, lose it,
//! answer in the server's stead, or treat connections as a broken network does.
//!
//! Replies keep the order of their commands whatever happens to each. RESP2 without pushes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::port::HeldPort;
use super::resp::{Reply, name, parse, split};
use super::rng::Rng;

/// The proxy; it stops with the runtime.
#[derive(Debug)]
pub struct FaultProxy {
    port: Arc<HeldPort>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    fault: watch::Sender<Fault>,
    /// Raised to end every connection there is.
    resets: watch::Sender<u64>,
    rng: Mutex<Rng>,
    /// Connections that were accepted.
    accepted: watch::Sender<usize>,
}

/// What the proxy does at present.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each reply takes longer, by a time drawn from this range.
    Delay(Duration, Duration),
    /// Half-open: connections are accepted and read, and nothing is passed on or answered. One
    /// that has lost something stays so afterwards.
    Swallow,
    /// Commands reach the server, and replies are lost; so are all later ones of the connection.
    LoseReplies,
    /// Connections are reset as soon as they are made.
    Reset,
    /// Nobody listens, and connections are reset.
    Refuse,
    /// Commands of these names, or all, are not passed on but answered with an error.
    Answer {
        commands: Option<BTreeSet<String>>,
        error: String,
    },
}

impl Fault {
    /// Answers all commands with an error, such as `LOADING Redis is loading`.
    pub fn answer(error: &str) -> Fault {
        Fault::Answer {
            commands: None,
            error: error.to_owned(),
        }
    }

    /// Answers commands of these names with an error.
    pub fn answer_only(commands: &[&str], error: &str) -> Fault {
        Fault::Answer {
            commands: Some(commands.iter().map(|name| name.to_uppercase()).collect()),
            error: error.to_owned(),
        }
    }

    /// The error with which it answers a command.
    fn error_for(&self, command: &str) -> Option<&str> {
        match self {
            Fault::Answer { commands, error }
                if commands.as_ref().is_none_or(|names| names.contains(command)) =>
            {
                Some(error)
            }
            Fault::Answer { .. }
            | Fault::None
            | Fault::Delay(..)
            | Fault::Swallow
            | Fault::LoseReplies
            | Fault::Reset
            | Fault::Refuse => None,
        }
    }

    fn resets(&self) -> bool {
        matches!(self, Fault::Reset | Fault::Refuse)
    }
}

impl FaultProxy {
    /// A proxy before `server` that does nothing yet; `seed` decides its delays.
    pub fn start(server: SocketAddr, seed: u64) -> FaultProxy {
        let shared = Arc::new(Shared {
            server,
            fault: watch::Sender::new(Fault::None),
            resets: watch::Sender::new(0),
            rng: Mutex::new(Rng::seeded(seed)),
            accepted: watch::Sender::new(0),
        });
        let port = Arc::new(HeldPort::new());
        tokio::spawn(accept(Arc::clone(&port), port.listen(), Arc::clone(&shared)));
        FaultProxy { port, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `redis://127.0.0.1:port/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Does this from now on, for commands and replies that have not passed yet.
    pub fn set(&self, fault: Fault) {
        let resets = fault.resets();
        self.shared.fault.send_replace(fault);
        if resets {
            self.reset_connections();
        }
    }

    /// Resets every connection there is; new ones fare as before.
    pub fn reset_connections(&self) {
        self.shared.resets.send_modify(|resets| *resets += 1);
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        *self.shared.accepted.borrow()
    }
}

async fn accept(port: Arc<HeldPort>, first: TcpListener, shared: Arc<Shared>) {
    let (mut listener, mut fault) = (Some(first), shared.fault.subscribe());
    loop {
        let refuses = matches!(*fault.borrow_and_update(), Fault::Refuse);
        match (&listener, refuses) {
            (Some(_), true) => listener = None,
            (None, false) => listener = Some(port.listen()),
            (Some(_), false) | (None, true) => {}
        }
        let Some(listening) = &listener else {
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = fault.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = listening.accept() => {
                let (client, _) = accepted.expect("a connection");
                shared.accepted.send_modify(|accepted| *accepted += 1);
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        }
    }
}

/// What one connection has lost, for good.
#[derive(Default)]
struct Lost {
    /// Commands, and with them all that follows.
    commands: AtomicBool,
    /// A reply, and with it all later ones.
    reply: AtomicBool,
}

/// Where the reply to a command comes from.
enum Expected {
    Here(String),
    Server,
}

/// Serves one connection until one side closes it or it is to be reset.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut resets = shared.resets.subscribe();
    client.set_nodelay(true).expect("a socket");
    let (reading, writing) = client.into_split();
    let reset = shared.fault.borrow().resets()
        || tokio::select! {
            reset = converse(&shared, reading, &writing) => reset,
            _ = resets.changed() => true,
        };
    if reset {
        let socket = SockRef::from(AsRef::<TcpStream>::as_ref(&writing));
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
        // Dropped as others are, it would end its direction in order first.
        writing.forget();
    }
}

/// Whether the client is to see a reset, since there is no server.
async fn converse(shared: &Shared, reading: OwnedReadHalf, writing: &OwnedWriteHalf) -> bool {
    let lost = Lost::default();
    if matches!(*shared.fault.borrow(), Fault::Swallow) {
        lost.commands.store(true, Ordering::Relaxed);
    }
    let server = match TcpStream::connect(shared.server).await {
        Ok(server) => server,
        Err(_) if lost.commands.load(Ordering::Relaxed) => {
            swallow(reading).await;
            return false;
        }
        Err(_) => return true,
    };
    server.set_nodelay(true).expect("a socket");
    let (from_server, to_server) = server.into_split();
    let (expect, expected) = unbounded_channel();
    let (to_client, replies) = unbounded_channel();
    tokio::select! {
        () = commands(shared, &lost, reading, to_server, expect) => {}
        () = answers(shared, &lost, from_server, expected, to_client) => {}
        () = deliver(shared, &lost, writing, replies) => {}
    }
    false
}

/// Reads until the client closes.
async fn swallow(mut reading: OwnedReadHalf) {
    let mut bytes = vec![0; 1 << 16];
    while matches!(reading.read(&mut bytes).await, Ok(1..)) {}
}

/// Passes on what the client sends, and says in order where each reply will come from.
async fn commands(
    shared: &Shared,
    lost: &Lost,
    mut reading: OwnedReadHalf,
    mut to_server: OwnedWriteHalf,
    expect: UnboundedSender<Expected>,
) {
    let mut buffer = Vec::new();
    while matches!(reading.read_buf(&mut buffer).await, Ok(1..)) {
        while let Some((words, taken)) = split(&buffer) {
            let fault = shared.fault.borrow().clone();
            if matches!(fault, Fault::Swallow) {
                lost.commands.store(true, Ordering::Relaxed);
            }
            if lost.commands.load(Ordering::Relaxed) {
                return swallow(reading).await;
            }
            match fault.error_for(&name(&words)) {
                Some(error) => drop(expect.send(Expected::Here(error.to_owned()))),
                None => {
                    drop(expect.send(Expected::Server));
                    // Its end is seen where its replies are read.
                    let _ = to_server.write_all(&buffer[..taken]).await;
                }
            }
            buffer.drain(..taken);
        }
    }
}

/// Gathers the replies, each with when it may be delivered.
async fn answers(
    shared: &Shared,
    lost: &Lost,
    mut from_server: OwnedReadHalf,
    mut expected: UnboundedReceiver<Expected>,
    to_client: UnboundedSender<(Instant, Vec<u8>)>,
) {
    let (mut buffer, mut due) = (Vec::new(), Instant::now());
    loop {
        let expected = tokio::select! {
            expected = expected.recv() => expected,
            // A server that goes while nothing is asked of it.
            read = from_server.read_buf(&mut buffer), if buffer.is_empty() => {
                if matches!(read, Ok(1..)) { continue } else { None }
            }
        };
        let reply = match expected {
            Some(Expected::Here(error)) => {
                let mut wire = Vec::new();
                Reply::Error(error).encode(&mut wire);
                Some(wire)
            }
            Some(Expected::Server) => reply_of(&mut from_server, &mut buffer).await,
            None => None,
        };
        let Some(reply) = reply else { break };
        due = due.max(Instant::now() + shared.delay());
        let _ = to_client.send((due, reply));
    }
    // Of a half-open connection nobody hears the end either.
    if lost.commands.load(Ordering::Relaxed) || lost.reply.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// The next whole reply, as it came; `None` at the end.
async fn reply_of(from_server: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some((_, taken)) = parse(buffer) {
            return Some(buffer.drain(..taken).collect());
        }
        if !matches!(from_server.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    }
}

async fn deliver(
    shared: &Shared,
    lost: &Lost,
    writing: &OwnedWriteHalf,
    mut replies: UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, reply)) = replies.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if matches!(*shared.fault.borrow(), Fault::Swallow | Fault::LoseReplies) {
            lost.reply.store(true, Ordering::Relaxed);
        }
        if !lost.reply.load(Ordering::Relaxed) && write_all(writing, &reply).await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// The half itself stays with whoever may have to reset the connection.
async fn write_all(writing: &OwnedWriteHalf, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        writing.writable().await?;
        match writing.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Shared {
    /// How long a reply that came now is kept.
    fn delay(&self) -> Duration {
        match *self.fault.borrow() {
            Fault::Delay(least, most) => {
                let spread = most.saturating_sub(least).max(Duration::from_micros(1));
                least + self.rng.lock().rest(spread)
            }
            Fault::None
            | Fault::Swallow
            | Fault::LoseReplies
            | Fault::Reset
            | Fault::Refuse
            | Fault::Answer { .. } => Duration::ZERO,
        }
    }
}
