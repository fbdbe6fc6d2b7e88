//! The sample shop: an origin with honest delays whose answers change after writes.
//!
//! It knows nothing of caches: no validators, no `Cache-Control`, as the applications that need
//! a cache in front of them. It counts and times its own calls, so that what was saved can be
//! proved.

mod products;
mod routes;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::tasks::Tasks;

use products::Products;
pub use routes::Route;

/// Largest content a request may have, bytes.
const MAX_CONTENT: usize = 1024 * 1024;

/// Calls of one route whose durations are kept.
const MAX_DURATIONS: usize = 100_000;

/// A running shop; ends, with its connections, when dropped.
#[derive(Debug)]
pub struct Shop {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
    /// Dropped with the shop, which ends its connections.
    _open: watch::Sender<()>,
}

/// What all connections share.
#[derive(Debug)]
struct State {
    products: Mutex<Products>,
    /// Factor on every delay.
    scale: f64,
    clock: Clock,
    tallies: [Tally; Route::ALL.len()],
    /// Every request, unknown routes too; numbers the answers.
    calls: AtomicU64,
}

/// What one route has done.
#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    /// How long each of the first [`MAX_DURATIONS`] calls took.
    durations: Mutex<Vec<Duration>>,
}

impl Shop {
    /// Starts a shop on a free port of loopback, its delays multiplied by `scale` (0: none).
    ///
    /// # Errors
    /// No port to be had.
    pub async fn start(scale: f64) -> io::Result<Shop> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            products: Mutex::new(Products::sample()),
            scale,
            clock: Clock::system(),
            tallies: Default::default(),
            calls: AtomicU64::new(0),
        });
        let (open, closed) = watch::channel(());
        let accepting = Tasks::new().detach(accept(listener, state.clone(), closed));
        Ok(Shop {
            address,
            state,
            accepting,
            _open: open,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a route was called.
    pub fn calls(&self, route: Route) -> u64 {
        self.tally(route)
            .map(|tally| tally.calls.load(Ordering::Relaxed))
            .unwrap_or_default()
    }

    /// How often the shop was called at all, unknown routes included.
    pub fn all_calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// How long each call of a route took, from its head to its answer, in the order of the answers.
    pub fn durations(&self, route: Route) -> Vec<Duration> {
        self.tally(route)
            .map(|tally| tally.durations.lock().clone())
            .unwrap_or_default()
    }

    fn tally(&self, route: Route) -> Option<&Tally> {
        self.state.tallies.get(route as usize)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, closed: watch::Receiver<()>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                Tasks::new().detach(connection(stream, state.clone(), closed.clone()));
            }
            // Out of descriptors, mostly: some will come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>, mut closed: watch::Receiver<()>) {
    // Without it a small answer may wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(state.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        _ = closed.changed() => {}
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = self.clock.now().mono;
        let (head, body) = request.into_parts();
        let route = Route::of(&head.method, head.uri.path());
        let tally = route.and_then(|(route, _)| self.tallies.get(route as usize));
        if let Some(tally) = tally {
            tally.calls.fetch_add(1, Ordering::Relaxed);
        }
        let mut answer = match (route, Limited::new(body, MAX_CONTENT).collect().await) {
            (None, _) => text(StatusCode::NOT_FOUND, "no such page\n"),
            (Some(_), Err(_)) => text(StatusCode::PAYLOAD_TOO_LARGE, "too much\n"),
            (Some((route, sku)), Ok(content)) => {
                self.work(
                    route,
                    sku,
                    head.uri.query().unwrap_or_default(),
                    &content.to_bytes(),
                )
                .await
            }
        };
        if head.method == Method::HEAD {
            *answer.body_mut() = Full::default();
        }
        answer
            .headers_mut()
            .insert("x-shop-call", HeaderValue::from(call));
        if let Some(tally) = tally {
            let mut durations = tally.durations.lock();
            if durations.len() < MAX_DURATIONS {
                durations.push(self.clock.now().mono.since(begun));
            }
        }
        answer
    }

    /// A read takes its data first and then its time, as a slow query sees the state in which it
    /// began; a write changes the table at the end of its time.
    async fn work(&self, route: Route, sku: &str, query: &str, content: &[u8]) -> Response<Full<Bytes>> {
        let delay = tokio::time::sleep(route.delay().mul_f64(self.scale));
        if route.is_write() {
            delay.await;
            return routes::write(route, sku, content, &mut self.products.lock());
        }
        let answer = routes::read(route, sku, query, content, &self.products.lock());
        delay.await;
        answer
    }
}

/// An answer in plain words.
fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(words));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

#[cfg(test)]
mod tests;
