//! Accepts connections and serves each until it ends, is drained, or keeps Larder waiting.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::io::{ClientIo, Held, OnRefusal};
use super::linger;
use super::sweep::{Registry, sweep};
use super::transport::Transport;
use crate::client::{ConnState, Wish};
use crate::clock::Clock;
use crate::config::Limits;
use crate::proxy::{ConnService, Proxy};
use crate::tasks::Tasks;

/// Bound of the operating system's queue of connections not yet accepted.
const BACKLOG: u32 = 4096;

/// Longest pause after an accept error.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Serves client connections for one [`Proxy`].
#[derive(Clone)]
pub struct Server {
    proxy: Arc<Proxy>,
    limits: Arc<Limits>,
    tasks: Tasks,
    registry: Arc<Registry>,
    /// One permit a connection; bounds `limits.connections`.
    room: Arc<Semaphore>,
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
        let limits = Arc::new(limits);
        let registry = Arc::new(Registry::default());
        tasks.detach(sweep(Arc::downgrade(&registry), clock, limits.clone()));
        let room = Arc::new(Semaphore::new(limits.connections));
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

    /// Accepts until dropped. No accept error ends it: it pauses, longer each time, and goes on.
    pub async fn accept(self, listener: TcpListener) {
        let mut pause = Duration::ZERO;
        loop {
            // Beyond `limits.connections` clients wait in the operating system's queue.
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pause = Duration::ZERO;
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY could not be set");
                    }
                    self.spawn(stream, Some(peer.ip()), Some(permit));
                }
                Err(error) => {
                    pause = (pause * 2).clamp(Duration::from_millis(5), MOST_PAUSE);
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "accepting a connection failed");
                    tokio::time::sleep(pause).await;
                }
            }
        }
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
        let head = self.limits.header_bytes + self.limits.uri_bytes;
        let mut builder = http1::Builder::new();
        builder
            .max_headers(self.limits.header_count)
            .max_header_size(head)
            .max_buf_size((head + 1024).max(64 * 1024))
            .writev(true)
            // Slow heads are the sweeper's: a timer a request costs more.
            .header_read_timeout(None);
        builder
    }

    /// How many client connections are open.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Asks every connection to end after the request in hand; waits for it at most `limit`, then
    /// ends what is left. `true` when nothing had to be cut off.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.registry.drain();
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
        match this.state.watch(cx.waker()) {
            Wish::GoOn => {}
            Wish::End => return Poll::Ready(Ok(())),
            Wish::Drain => {
                if !this.draining {
                    this.draining = true;
                    this.connection.as_mut().graceful_shutdown();
                }
            }
        }
        this.connection.as_mut().poll(cx)
    }
}
