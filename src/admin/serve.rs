//! Connections of the admin port: few, bounded in what they may take and how long they may last.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::guard::Ends;
use super::seats::{Seats, Taken};
use super::{AdminState, routes};
use crate::tasks::Tasks;

/// Connections at once; the longest rested one makes room for another.
const MAX_CONNECTIONS: usize = 64;
/// Until a request's head is whole; also how long a connection may rest.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest a connection lasts, so that clients that do not read cannot hold all of them.
const MAX_AGE: Duration = Duration::from_secs(600);
/// How long answers may take to leave once the end has come.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, then ends within a second or so.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: impl Future<Output = ()>) {
    let router = routes::router(state);
    let seats = Seats::new(MAX_CONNECTIONS);
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
                let Some(seat) = seats.take() else {
                    continue;
                };
                let ends = Ends {
                    peer: peer.ip(),
                    local: stream.local_addr().ok().map(|address| address.ip()),
                };
                let (router, ended) = (router.clone(), ended.clone());
                tasks.spawn(connection((stream, ends), seat, router, ended));
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

async fn connection(
    (stream, ends): (TcpStream, Ends),
    seat: Taken,
    router: Router,
    mut ended: watch::Receiver<()>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(ends));
        let (busy, answer) = (seat.busy(), router.call(request));
        async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            drop(busy);
            Ok::<_, Infallible>(answer)
        }
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
        () = seat.lost() => return,
        _ = ended.changed() => {}
        () = tokio::time::sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_WORDS, connection).await;
}
