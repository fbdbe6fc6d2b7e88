//! Which connection a request gets, and what becomes of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::support::*;
use crate::clock::Clock;
use crate::origin::{Connect, Connected, Connecting, ErrorKind, Io, Origin, Sent, Sockets, Wanted};
use crate::tasks::Tasks;

#[tokio::test]
async fn a_kept_connection_serves_the_next_safe_request() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    for _ in 0..5 {
        assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    }
    assert_eq!((origin.connections(), origin.requests()), (1, 5));
    assert_eq!(client.stats().reused, 4);
}

#[tokio::test]
async fn the_most_recently_used_connection_is_used_first() {
    let origin = TestOrigin::start(|number, mut peer| async move {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        while peer.request().await.is_some() {
            peer.send(&answer).await;
        }
    })
    .await;
    let client = origin.client();
    let (first, second) = (
        client.forward(get()).await.unwrap(),
        client.forward(get()).await.unwrap(),
    );
    let (first, second) = (text(first).await, text(second).await);
    assert_ne!(first, second);
    assert_eq!(text(client.forward(get()).await.unwrap()).await, second);
    assert_eq!(text(client.forward(get()).await.unwrap()).await, second);
}

#[tokio::test]
async fn answers_that_end_the_connection_are_followed_by_a_fresh_one() {
    let table = [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\noksurplus",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nsurplus",
    ];
    for answer in table {
        let origin = TestOrigin::start(move |_, peer| peer.serve(answer)).await;
        let client = origin.client();
        for _ in 0..3 {
            assert_eq!(
                text(client.forward(get()).await.unwrap()).await,
                "ok",
                "{answer:?}"
            );
        }
        assert_eq!((origin.connections(), origin.requests()), (3, 3), "{answer:?}");
        until("all closed", || client.stats().open == 0).await;
    }
}

#[tokio::test]
async fn content_without_a_length_is_told_by_its_end() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    let response = origin.client().forward(get()).await.unwrap();
    assert!(response.body().delimited_by_close());
    assert_eq!(text(response).await, "until the end");
}

#[tokio::test]
async fn a_body_dropped_early_closes_its_connection() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin")
            .await;
        peer.rest().await;
    })
    .await;
    let client = origin.client();
    let mut response = client.forward(get()).await.unwrap();
    assert!(response.body_mut().frame().await.is_some());
    assert_eq!(client.stats().in_flight, 1);
    drop(response);
    until("closed", || origin.seen.lock().ended == 1).await;
    assert_eq!((client.stats().idle, client.stats().in_flight), (0, 0));
}

#[tokio::test]
async fn resting_connections_are_closed_when_their_time_is_up() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = client(&crate::config::Origin {
        idle_timeout: Duration::from_millis(30),
        ..origin.settings()
    });
    text(client.forward(get()).await.unwrap()).await;
    assert_eq!(client.stats().idle, 1);
    until("closed by us", || origin.seen.lock().ended == 1).await;
    assert_eq!((client.stats().idle, client.stats().open), (0, 0));
    text(client.forward(get()).await.unwrap()).await;
    until("and once more, by a new sweeper", || {
        origin.seen.lock().ended == 2
    })
    .await;
}

#[tokio::test]
async fn at_shutdown_nothing_rests() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    let under_way = client.forward(get()).await.unwrap();
    text(client.forward(get()).await.unwrap()).await;
    client.close_idle();
    until("the resting one closed", || origin.seen.lock().ended == 1).await;
    assert_eq!(text(under_way).await, "ok");
    until("the other one after its answer", || origin.seen.lock().ended == 2).await;
}

#[tokio::test]
async fn an_unsafe_request_gets_a_fresh_connection_until_the_origin_has_proven_patient() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    text(client.forward(get()).await.unwrap()).await;
    for _ in 0..3 {
        text(client.forward(post("x")).await.unwrap()).await;
    }
    assert_eq!(origin.connections(), 4);
    assert_eq!(
        client.stats().idle,
        1,
        "connections made out of caution do not pile up"
    );
    client.inner.pool.trust();
    for _ in 0..3 {
        text(client.forward(post("x")).await.unwrap()).await;
    }
    assert_eq!(origin.connections(), 4);
}

#[tokio::test]
async fn after_a_silent_end_unsafe_requests_stay_below_a_quarter_of_that_rest() {
    let (close, closing) = tokio::sync::watch::channel(false);
    let origin = TestOrigin::start(move |number, mut peer| {
        let mut closing = closing.clone();
        async move {
            if number > 0 {
                return peer.serve(OK).await;
            }
            peer.request().await;
            peer.send(OK).await;
            closing.wait_for(|close| *close).await.unwrap();
        }
    })
    .await;
    let clock = Clock::manual(std::time::SystemTime::UNIX_EPOCH);
    let settings = crate::config::Origin {
        idle_timeout: Duration::from_secs(60),
        ..origin.settings()
    };
    let client = Origin::new(
        &settings,
        Arc::new(Sockets::new(&settings)),
        clock.clone(),
        Tasks::new(),
    );
    text(client.forward(get()).await.unwrap()).await;
    clock.advance(Duration::from_millis(1600));
    close.send(true).unwrap();
    until("the end was noticed while it rested", || client.stats().idle == 0).await;
    client.inner.pool.trust();
    text(client.forward(get()).await.unwrap()).await;
    text(client.forward(post("x")).await.unwrap()).await;
    assert_eq!(origin.connections(), 2);
    clock.advance(Duration::from_millis(480));
    text(client.forward(post("x")).await.unwrap()).await;
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn a_resting_connection_that_shows_its_end_is_not_used() {
    let origin = TestOrigin::start(|number, mut peer| async move {
        peer.request().await;
        peer.send(OK).await;
        if number > 0 {
            peer.rest().await;
        }
    })
    .await;
    let client = origin.client();
    client.inner.pool.trust();
    text(client.forward(get()).await.unwrap()).await;
    // No wait: whether the end has arrived already or not, it must come out right. A request that
    // may be repeated is, so this asks with one that may be.
    assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    assert_eq!(origin.requests(), 2);
}

/// A connection that shows its end from the given look on.
struct Ending {
    io: DuplexStream,
    looks: AtomicUsize,
}

impl Io for Ending {
    fn has_readable_or_end(&self) -> bool {
        self.looks.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl AsyncRead for Ending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Ending {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// In memory; counts the requests that carried `content`.
struct Memory {
    looks: usize,
    tasks: Tasks,
    connections: AtomicUsize,
    arrived: Arc<AtomicUsize>,
}

impl Connect for Memory {
    fn connect(&self, _: Wanted) -> Connecting {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let (io, mut far) = tokio::io::duplex(4096);
        let arrived = Arc::clone(&self.arrived);
        self.tasks.detach(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = far.read(&mut buffer).await {
                if buffer[..count].windows(7).any(|seven| seven == b"content") {
                    arrived.fetch_add(1, Ordering::Relaxed);
                    far.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        });
        let io = Ending {
            io,
            looks: AtomicUsize::new(self.looks),
        };
        Box::pin(async move { Ok(Connected::http1(io)) })
    }
}

#[tokio::test]
async fn the_last_look_is_right_before_the_first_byte_and_content_is_sent_again() {
    let arrived = Arc::new(AtomicUsize::new(0));
    // The first look, when the connection is taken, shows nothing; the second one its end.
    let memory = Arc::new(Memory {
        looks: 2,
        tasks: Tasks::new(),
        connections: AtomicUsize::new(0),
        arrived: Arc::clone(&arrived),
    });
    let settings = settings("127.0.0.1:1".parse().unwrap());
    let client = Origin::new(
        &settings,
        Arc::clone(&memory) as Arc<dyn Connect>,
        Clock::system(),
        Tasks::new(),
    );
    let ask = || async {
        client.inner.pool.trust();
        let (sender, body) = stream(Some(7), None, Duration::from_secs(5));
        sender.send(Bytes::from_static(b"content")).unwrap();
        text(client.forward(request(Method::POST, body)).await.unwrap()).await
    };
    assert_eq!(ask().await, "ok");
    assert_eq!(ask().await, "ok");
    assert_eq!(arrived.load(Ordering::Relaxed), 2, "each arrived once");
    assert_eq!(memory.connections.load(Ordering::Relaxed), 2);
    assert_eq!((client.stats().reused, client.stats().retried), (1, 1));
}

#[tokio::test]
async fn more_requests_than_places_wait_and_then_are_refused() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = client(&crate::config::Origin {
        max_in_flight: Some(1),
        ..origin.settings()
    });
    let first = client.forward(get()).await.unwrap();
    let mut impatient = get();
    impatient.response_timeout = Some(Duration::from_millis(20));
    let error = client.forward(impatient).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.tries),
        (ErrorKind::Busy, Sent::Nothing, 0)
    );
    let (second, _) = tokio::join!(client.forward(get()), text(first));
    assert_eq!(text(second.unwrap()).await, "ok");
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = client(&crate::config::Origin {
        max_connections: 2,
        ..origin.settings()
    });
    let one = || async { text(client.forward(get()).await.unwrap()).await };
    tokio::join!(one(), one(), one(), one(), one(), one());
    assert_eq!((origin.connections(), origin.requests()), (2, 6));
}
