//! Connections of the admin port: few, bounded in what they may take and how long they may last.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::{AdminState, routes};
use crate::tasks::Tasks;

/// Connections at once; more are closed.
const MAX_CONNECTIONS: usize = 64;
/// Until a request's head is whole; also how long a connection may rest.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest a connection lasts, so that clients that do not read cannot hold all of them.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How long answers may take to leave once the end has come.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, then ends within a second or so.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: impl Future<Output = ()>) {
    let router = routes::router(state);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tasks = Tasks::new();
    let (end, ended) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(slot) = slots.clone().try_acquire_owned() else {
                    continue;
                };
                let (router, ended) = (router.clone(), ended.clone());
                tasks.spawn(async move {
                    connection(stream, peer, router, ended).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                // Mostly a lack of descriptors: trying again at once would only burn the CPU.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(end);
    tasks.drained(LAST_WORDS).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, mut ended: watch::Receiver<()>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(64)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ends is its client's business.
        _ = &mut connection => return,
        _ = ended.changed() => {}
        () = tokio::time::sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_WORDS, connection).await;
}
