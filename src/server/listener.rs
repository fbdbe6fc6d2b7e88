//! Accepts connections and serves each until it ends, is drained, or keeps Larder waiting.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::door::{BACKLOG, Door, Secured, Socket};
use super::hear::{Heard, first_byte, hear};
use super::http2::{self, FramesIo};
use super::io::{ClientIo, Held, OnRefusal};
use super::linger;
use super::newcomers;
use super::room::Room;
use super::sweep::{Registry, sweep};
use super::transport::Transport;
use crate::client::{ConnState, Wish};
use crate::clock::Clock;
use crate::config::Limits;
use crate::proxy::{ConnService, Proxy, StreamService};
use crate::tasks::Tasks;
use crate::telemetry::ClientFailure;

/// Handshakes that have begun when the listener is about to close have so long to end: a round trip
/// between hosts that are near each other.
const HANDSHAKE: Duration = Duration::from_millis(50);

/// In a drain a client that was not told with its answer may ask once more for so long.
const NEXT_REQUEST: Duration = Duration::from_secs(1);

/// Longest pause after an accept error.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Serves client connections for one [`Proxy`].
#[derive(Clone)]
pub struct Server {
    proxy: Arc<Proxy>,
    /// Changed by [`Server::limit`].
    limits: Arc<ArcSwap<Limits>>,
    tasks: Tasks,
    registry: Arc<Registry>,
    /// Bounds `limits.connections`.
    room: Arc<Room>,
    /// One place a connection that only waits for its client to stop sending.
    lingering: Arc<Semaphore>,
    on_refusal: OnRefusal,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("connections", &self.registry.len())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server that accepts nothing yet. Starts the sweeper.
    pub fn new(proxy: Arc<Proxy>, limits: Limits, clock: Clock, tasks: Tasks) -> Self {
        let room = Room::new(limits.connections);
        let limits = Arc::new(ArcSwap::from_pointee(limits));
        let registry = Arc::new(Registry::default());
        let (refusing, counting) = (proxy.clone(), proxy.clone());
        let on_stalled = move |number| counting.clients_failed(ClientFailure::Stalled, number);
        tasks.detach(sweep(
            Arc::downgrade(&registry),
            clock,
            limits.clone(),
            on_stalled,
        ));
        let on_refusal: OnRefusal = Arc::new(move |status, peer| refusing.refused_by_library(status, peer));
        Self {
            proxy,
            limits,
            tasks,
            registry,
            room,
            lingering: Arc::new(Semaphore::new(linger::PLACES)),
            on_refusal,
        }
    }

    /// Puts other limits in force: timeouts for every connection, what a head may hold for those to
    /// come, and how many there may be.
    pub fn limit(&self, limits: &Limits) {
        self.room.resize(limits.connections, &self.tasks);
        self.limits.store(Arc::new(limits.clone()));
    }

    /// Accepts until `stop`, then takes in whoever is connected already, and closes the door.
    /// No accept error ends it: it pauses, longer each time, and goes on.
    pub async fn accept(self, door: Door, stop: impl Future<Output = ()>) {
        let secured = door.secured().cloned();
        let secured = secured.as_ref();
        match door.socket {
            Socket::Tcp(listener) => {
                self.accept_until(stop, || accept_tcp(&listener), secured).await;
                if let Ok(listener) = listener.into_std() {
                    self.close(&listener, secured).await;
                }
            }
            Socket::Unix(listener, file) => {
                self.accept_until(stop, || accept_unix(&listener), secured).await;
                // First: nobody else finds the way here, and who is connected is still taken in.
                drop(file);
                if let Ok(listener) = listener.into_std() {
                    self.take_in(|| queued_unix(&listener), secured).await;
                }
            }
        }
    }

    async fn accept_until<T, F>(
        &self,
        stop: impl Future<Output = ()>,
        accept: impl Fn() -> F,
        secured: Option<&Secured>,
    ) where
        T: Transport,
        F: Future<Output = io::Result<Accepted<T>>>,
    {
        let mut stop = pin!(stop);
        let mut pause = Pause::default();
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.accept_one(accept(), secured, &mut pause) => {}
            }
        }
    }

    /// Closes the listener so that nobody is reset who is connected: first nobody else may begin to
    /// connect, then who has begun is taken in.
    ///
    /// Where the system cannot turn clients away, who connects between the last look and the close,
    /// a matter of microseconds, is still reset.
    async fn close(&self, listener: &std::net::TcpListener, secured: Option<&Secured>) {
        match newcomers::turn_away(listener) {
            Ok(()) => {
                self.take_in(|| queued_tcp(listener), secured).await;
                tokio::time::sleep(HANDSHAKE).await;
            }
            Err(error) => tracing::debug!(%error, "clients cannot be turned away before the listener closes"),
        }
        self.take_in(|| queued_tcp(listener), secured).await;
    }

    async fn accept_one<T: Transport>(
        &self,
        accepting: impl Future<Output = io::Result<Accepted<T>>>,
        secured: Option<&Secured>,
        pause: &mut Pause,
    ) {
        // Beyond `limits.connections` clients wait in the operating system's queue.
        let Some(permit) = self.room.enter().await else {
            return;
        };
        match accepting.await {
            Ok(accepted) => {
                pause.over();
                self.begin(accepted, secured, permit);
            }
            Err(error) => pause.after(&error).await,
        }
    }

    /// Accepts what waits in the operating system's queue: those clients are connected, and would
    /// be reset. Asked directly, not through the runtime, which may not know of the last ones yet.
    async fn take_in<T: Transport>(
        &self,
        accept: impl Fn() -> io::Result<Accepted<T>>,
        secured: Option<&Secured>,
    ) {
        let mut pause = Pause::default();
        for _ in 0..=BACKLOG {
            match accept() {
                Ok(accepted) => {
                    // Only now: with nobody in the queue the listener closes, however full it is here.
                    let Some(permit) = self.room.enter().await else {
                        return;
                    };
                    self.begin(accepted, secured, permit);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => pause.after(&error).await,
            }
        }
    }

    /// Serves an accepted connection in the background, after a handshake if it is to be secured.
    fn begin<T: Transport>(
        &self,
        (stream, peer): Accepted<T>,
        secured: Option<&Secured>,
        permit: OwnedSemaphorePermit,
    ) {
        match secured {
            None => self.spawn(stream, peer, Some(permit)),
            Some(secured) => self.spawn_secured(stream, peer, secured.config(), permit),
        }
    }

    /// Serves one connection over any transport in the background.
    pub fn spawn<T: Transport>(&self, io: T, peer: Option<IpAddr>, permit: Option<OwnedSemaphorePermit>) {
        let (state, held) = self.admit(peer, permit);
        let server = self.clone();
        self.tasks.spawn(async move {
            match hear(io, &state).await {
                None => {}
                Some((Heard::Http1, io)) => server.serve_http1(io, state, held).await,
                Some((Heard::Http2, io)) => server.serve_http2(io, state, held).await,
            }
        });
    }

    fn spawn_secured<T: Transport>(
        &self,
        io: T,
        peer: Option<IpAddr>,
        config: Arc<rustls::ServerConfig>,
        permit: OwnedSemaphorePermit,
    ) {
        let (state, held) = self.admit(peer, Some(permit));
        let server = self.clone();
        self.tasks.spawn(async move {
            // Who only connects and leaves has not failed at a handshake.
            let Some(io) = first_byte(io, &state).await else {
                return;
            };
            state.greeting_begun();
            let handshake = TlsAcceptor::from(config).accept(io);
            let io = match unless_ended(&state, handshake).await {
                None => return,
                Some(Ok(io)) => io,
                Some(Err(error)) => {
                    server.proxy.clients_failed(ClientFailure::Tls, 1);
                    return tracing::debug!(%error, "a client's TLS handshake failed");
                }
            };
            state.greeting_over();
            // A client that names no protocol speaks HTTP/1.1 (RFC 9113 §3.2).
            if io.get_ref().1.alpn_protocol() == Some(b"h2") {
                server.serve_http2(io, state, held).await;
            } else {
                server.serve_http1(io, state, held).await;
            }
        });
    }

    /// A connection's state, and its place among all.
    fn admit(&self, peer: Option<IpAddr>, permit: Option<OwnedSemaphorePermit>) -> (Arc<ConnState>, Held) {
        let state = Arc::new(ConnState::new(peer, self.registry.clock.clone()));
        let held = Held {
            _registered: self.registry.add(state.clone()),
            permit,
            lingering: self.lingering.clone(),
        };
        (state, held)
    }

    async fn serve_http1<T: Transport>(&self, io: T, state: Arc<ConnState>, held: Held) {
        let io = ClientIo::new(io, state.clone(), self.on_refusal.clone(), held);
        let service = ConnService::new(self.proxy.clone(), state.clone());
        let connection = self
            .builder()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        drop(drive(pin!(connection), state).await);
    }

    async fn serve_http2<T: Transport>(&self, io: T, state: Arc<ConnState>, held: Held) {
        let io = FramesIo::new(io, state.clone(), held);
        let service = StreamService::new(self.proxy.clone(), state.clone());
        let connection = http2::serve(io, service, &self.limits.load(), &self.tasks);
        let ended = drive(pin!(connection), state).await;
        if ended.is_err_and(|error| http2::is_clients_fault(&error)) {
            self.proxy.clients_failed(ClientFailure::Http2, 1);
        }
    }

    fn builder(&self) -> http1::Builder {
        let limits = self.limits.load();
        let head = limits.header_bytes + limits.uri_bytes;
        let mut builder = http1::Builder::new();
        builder
            .max_headers(limits.header_count)
            .max_header_size(head)
            .max_buf_size((head + 1024).max(64 * 1024))
            .writev(true)
            // Slow heads are the sweeper's: a timer a request costs more.
            .header_read_timeout(None)
            // A drain has begun: one answer, which says that it is the last.
            .keep_alive(!self.registry.is_draining());
        builder
    }

    /// How many client connections are open.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Has every answer by HTTP/1.1 say that it is the last of its connection, so that clients move
    /// away; connections are accepted as before.
    ///
    /// HTTP/2 connections go on: whoever is told to go away connects again at once, perhaps here, and
    /// the drain itself ends them without a loss (RFC 9113 §6.8).
    pub fn leave(&self) {
        self.registry.leave();
    }

    /// Asks every connection, present or to come, to end after the request in hand.
    pub fn drain(&self) {
        self.registry.drain();
    }

    /// Waits at most `limit` until every connection has ended and nobody accepts any more, then
    /// ends what is left. `true` when nothing had to be cut off.
    pub async fn drained(&self, limit: Duration) -> bool {
        let drained = self.tasks.drained(limit).await;
        if !drained {
            self.registry.kill();
        }
        drained
    }
}

/// Waits for a handshake or a stream's end, unless the connection or the stream is to end first.
pub(super) async fn unless_ended<T>(state: &ConnState, awaited: impl Future<Output = T>) -> Option<T> {
    let mut awaited = pin!(awaited);
    poll_fn(|cx| match state.watch(cx.waker()) {
        Wish::End => Poll::Ready(None),
        // Who has not spoken yet is left to the sweeper.
        Wish::Drain | Wish::GoOn => awaited.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Serves one connection to its end, which may be asked for by the sweeper and by a drain.
async fn drive<C: Drivable>(connection: Pin<&mut C>, state: Arc<ConnState>) -> hyper::Result<()> {
    let served = Serve {
        connection,
        state,
        draining: false,
        answered: false,
        pause: None,
    };
    let ended = served.await;
    if let Err(error) = &ended {
        tracing::debug!(%error, "a client connection ended");
    }
    ended
}

/// A connection of the HTTP library.
trait Drivable: Future<Output = hyper::Result<()>> {
    /// Ends it once what is under way has been answered.
    fn end_gracefully(self: Pin<&mut Self>);
}

impl<T: Transport> Drivable for http1::UpgradeableConnection<TokioIo<ClientIo<T>>, ConnService> {
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<T: Transport> Drivable for http2::Connection<T> {
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives one connection, and listens to the sweeper and the drain.
struct Serve<'c, C> {
    connection: Pin<&'c mut C>,
    state: Arc<ConnState>,
    /// Set once the end has begun.
    draining: bool,
    /// Whether it has been answering since a drain began.
    answered: bool,
    /// At the end of this a connection at rest is ended; `None`: it is not to end, or not at rest.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<C: Drivable> Future for Serve<'_, C> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let wish = this.state.watch(cx.waker());
        if wish == Wish::End {
            return Poll::Ready(Ok(()));
        }
        let polled = this.connection.as_mut().poll(cx);
        // Only now: what has come is read before the connection may be found at rest.
        if polled.is_pending() && wish == Wish::Drain && this.may_end(cx) {
            this.draining = true;
            this.connection.as_mut().end_gracefully();
            return this.connection.as_mut().poll(cx);
        }
        polled
    }
}

impl<C: Drivable> Serve<'_, C> {
    /// Whether the connection's end is to begin now.
    ///
    /// With HTTP/2 nothing is lost by it. With HTTP/1.1 an answer whose head is yet to come says that it
    /// is the last, and ends the connection by itself. One at rest would be closed beneath a request that
    /// is on its way, and its client reset: a pause lets that come. One that waits for a request's head,
    /// its very first byte included, is left to the sweeper.
    fn may_end(&mut self, cx: &mut Context<'_>) -> bool {
        if self.draining || self.state.awaits_head() {
            return false;
        }
        if self.state.is_busy() && !self.state.is_multiplexed() {
            self.answered = true;
            self.pause = None;
            return false;
        }
        self.state.is_multiplexed() || self.has_paused(cx)
    }

    /// Whether a connection at rest has been so for long enough: until the system was asked for news
    /// once; after an answer that did not say that it was the last, until its client can have gone on.
    fn has_paused(&mut self, cx: &mut Context<'_>) -> bool {
        let answered = self.answered;
        let pause = self.pause.get_or_insert_with(|| {
            if answered {
                Box::pin(tokio::time::sleep(NEXT_REQUEST))
            } else {
                Box::pin(tokio::task::yield_now())
            }
        });
        pause.as_mut().poll(cx).is_ready()
    }
}

/// A connection just accepted, and the address on the other side, if it has one.
type Accepted<T> = (T, Option<IpAddr>);

async fn accept_tcp(listener: &TcpListener) -> io::Result<Accepted<TcpStream>> {
    listener.accept().await.map(over_tcp)
}

async fn accept_unix(listener: &UnixListener) -> io::Result<Accepted<UnixStream>> {
    let (stream, _) = listener.accept().await?;
    Ok((stream, None))
}

/// As [`accept_tcp`], past the runtime.
fn queued_tcp(listener: &std::net::TcpListener) -> io::Result<Accepted<TcpStream>> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(over_tcp((TcpStream::from_std(stream)?, peer)))
}

/// As [`accept_unix`], past the runtime.
fn queued_unix(listener: &std::os::unix::net::UnixListener) -> io::Result<Accepted<UnixStream>> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((UnixStream::from_std(stream)?, None))
}

fn over_tcp((stream, peer): (TcpStream, SocketAddr)) -> Accepted<TcpStream> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    (stream, Some(peer.ip()))
}

/// The pause after accept errors: longer each time.
#[derive(Debug, Default)]
struct Pause(Duration);

impl Pause {
    fn over(&mut self) {
        self.0 = Duration::ZERO;
    }

    async fn after(&mut self, error: &io::Error) {
        self.0 = (self.0 * 2).clamp(Duration::from_millis(5), MOST_PAUSE);
        tracing::warn!(%error, pause_ms = self.0.as_millis(), "accepting a connection failed");
        tokio::time::sleep(self.0).await;
    }
}
