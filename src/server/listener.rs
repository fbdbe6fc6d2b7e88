//! Accepts connections and serves each until it ends, is drained, or keeps Larder waiting.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::io::{ClientIo, Held, OnRefusal};
use super::linger;
use super::newcomers;
use super::room::Room;
use super::sweep::{Registry, sweep};
use super::transport::Transport;
use crate::client::{ConnState, Wish};
use crate::clock::Clock;
use crate::config::Limits;
use crate::proxy::{ConnService, Proxy};
use crate::tasks::Tasks;

/// Bound of the operating system's queue of connections not yet accepted.
const BACKLOG: u32 = 4096;

/// Handshakes that have begun when the listener is about to close have so long to end: a round trip
/// between hosts that are near each other.
const HANDSHAKE: Duration = Duration::from_millis(50);

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
        tasks.detach(sweep(Arc::downgrade(&registry), clock, limits.clone()));
        let refusing = proxy.clone();
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

    /// Binds a listener. Errors name the address.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let bind = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        bind().map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
    }

    /// Accepts until `stop`, then takes in whoever is connected already, and closes the listener.
    /// No accept error ends it: it pauses, longer each time, and goes on.
    pub async fn accept(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut pause = Pause::default();
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.accept_one(&listener, &mut pause) => {}
            }
        }
        if let Ok(listener) = listener.into_std() {
            self.close(listener).await;
        }
    }

    /// Closes the listener so that nobody is reset who is connected: first nobody else may begin to
    /// connect, then who has begun is taken in.
    ///
    /// Where the system cannot turn clients away, who connects between the last look and the close,
    /// a matter of microseconds, is still reset.
    async fn close(&self, listener: std::net::TcpListener) {
        match newcomers::turn_away(&listener) {
            Ok(()) => {
                self.take_in(&listener).await;
                tokio::time::sleep(HANDSHAKE).await;
            }
            Err(error) => tracing::debug!(%error, "clients cannot be turned away before the listener closes"),
        }
        self.take_in(&listener).await;
    }

    async fn accept_one(&self, listener: &TcpListener, pause: &mut Pause) {
        // Beyond `limits.connections` clients wait in the operating system's queue.
        let Some(permit) = self.room.enter().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause.over();
                self.spawn_tcp(stream, peer, permit);
            }
            Err(error) => pause.after(&error).await,
        }
    }

    /// Accepts what waits in the operating system's queue: those clients are connected, and would
    /// be reset. Asked directly, not through the runtime, which may not know of the last ones yet.
    async fn take_in(&self, listener: &std::net::TcpListener) {
        let mut pause = Pause::default();
        for _ in 0..=BACKLOG {
            let accepted = listener.accept().and_then(|(stream, peer)| {
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream)?, peer))
            });
            match accepted {
                Ok((stream, peer)) => {
                    // Only now: with nobody in the queue the listener closes, however full it is here.
                    let Some(permit) = self.room.enter().await else {
                        return;
                    };
                    self.spawn_tcp(stream, peer, permit);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => pause.after(&error).await,
            }
        }
    }

    fn spawn_tcp(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        self.spawn(stream, Some(peer.ip()), Some(permit));
    }

    /// Serves one connection over any transport in the background.
    pub fn spawn<T: Transport>(&self, io: T, peer: Option<IpAddr>, permit: Option<OwnedSemaphorePermit>) {
        let state = Arc::new(ConnState::new(peer, self.registry.clock.clone()));
        let held = Held {
            _registered: self.registry.add(state.clone()),
            permit,
            lingering: self.lingering.clone(),
        };
        let io = ClientIo::new(io, state.clone(), self.on_refusal.clone(), held);
        let service = ConnService::new(self.proxy.clone(), state.clone());
        let connection = self
            .builder()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        self.tasks.spawn(async move {
            if let Err(error) = (Serve {
                connection: pin!(connection),
                state,
                draining: false,
            })
            .await
            {
                tracing::debug!(%error, "a client connection ended");
            }
        });
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

/// Drives one connection, and listens to the sweeper and the drain.
struct Serve<'c, C> {
    connection: Pin<&'c mut C>,
    state: Arc<ConnState>,
    draining: bool,
}

type Connection<T> = http1::UpgradeableConnection<TokioIo<ClientIo<T>>, ConnService>;

impl<T: Transport> Future for Serve<'_, Connection<T>> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let wish = this.state.watch(cx.waker());
        if wish == Wish::End {
            return Poll::Ready(Ok(()));
        }
        this.obey(wish);
        let polled = this.connection.as_mut().poll(cx);
        if polled.is_pending() && this.obey(wish) {
            return this.connection.as_mut().poll(cx);
        }
        polled
    }
}

impl<T: Transport> Serve<'_, Connection<T>> {
    /// Begins the connection's end where a drain asks for it; `true` if it did so now.
    ///
    /// A connection of which nothing was read yet would be closed at once, and its client reset if
    /// a request is on its way: it is left to speak first, and to the sweeper.
    fn obey(&mut self, wish: Wish) -> bool {
        let begins = wish == Wish::Drain && !self.draining && !self.state.is_unheard();
        if begins {
            self.draining = true;
            self.connection.as_mut().graceful_shutdown();
        }
        begins
    }
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
