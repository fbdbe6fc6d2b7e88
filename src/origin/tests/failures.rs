//! What a request that failed is reported as, and how often the origin saw it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::support::*;
use crate::clock::Clock;
use crate::origin::{Connect, Connecting, ErrorKind, Origin, OriginError, RequestBody, Sent, Wanted};
use crate::tasks::Tasks;

/// Sends `outgoing` to an origin that reads a request, sends `answer` and closes.
async fn fail(outgoing: crate::origin::Outgoing, answer: &'static str) -> (OriginError, usize) {
    let origin = TestOrigin::start(move |_, mut peer| async move {
        peer.request().await;
        peer.send(answer).await;
    })
    .await;
    let client = origin.client();
    let error = client.forward(outgoing).await.unwrap_err();
    assert_eq!(client.stats().in_flight, 0);
    (error, origin.requests())
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_tried_again_where_that_is_safe() {
    let table = [
        (Method::GET, 2),
        (Method::HEAD, 2),
        (Method::OPTIONS, 2),
        (Method::PUT, 2),
        (Method::DELETE, 2),
        (Method::POST, 1),
        (Method::PATCH, 1),
    ];
    for (method, times) in table {
        let (error, requests) = fail(request(method.clone(), RequestBody::Empty), "").await;
        assert_eq!(
            (error.kind, error.sent),
            (ErrorKind::Reset, Sent::Something),
            "{method}"
        );
        assert_eq!((requests, usize::from(error.tries)), (times, times), "{method}");
    }
}

#[tokio::test]
async fn the_second_try_may_succeed() {
    let origin = TestOrigin::start(|number, mut peer| async move {
        peer.request().await;
        if number > 0 {
            peer.send(OK).await;
        }
    })
    .await;
    let client = origin.client();
    assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    assert_eq!((origin.requests(), client.stats().retried), (2, 1));
}

#[tokio::test]
async fn an_answer_that_has_begun_is_never_asked_for_again() {
    let table = [
        ("HTTP/1.1 200 O", ErrorKind::Reset),
        ("HTTP/1.1 200 OK\r\ncontent-le", ErrorKind::Reset),
        ("SSH-2.0-OpenSSH_9.2\r\n", ErrorKind::BadResponse),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            ErrorKind::BadResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nok",
            ErrorKind::BadResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nok",
            ErrorKind::BadResponse,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            ErrorKind::BadResponse,
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            ErrorKind::BadResponse,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            ErrorKind::BadResponse,
        ),
    ];
    for (answer, kind) in table {
        let (error, requests) = fail(get(), answer).await;
        assert_eq!(
            (error.kind, error.sent, requests),
            (kind, Sent::Something, 1),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_head_without_end_is_cut_off() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\n").await;
        for _ in 0..10_000 {
            peer.send("x-field: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
                .await;
        }
    })
    .await;
    let error = origin.client().forward(get()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadResponse);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_body() {
    let table = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ];
    for answer in table {
        let origin = TestOrigin::start(move |_, mut peer| async move {
            peer.request().await;
            peer.send(answer).await;
        })
        .await;
        let client = origin.client();
        let response = client.forward(get()).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert_eq!(
            (error.kind, error.sent),
            (ErrorKind::BodyBroken, Sent::Something),
            "{answer:?}"
        );
        assert_eq!(
            (client.stats().idle, client.stats().in_flight),
            (0, 0),
            "{answer:?}"
        );
        assert_eq!(origin.requests(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_is_tried_twice_with_nothing_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(listener.local_addr().unwrap());
    drop(listener);
    for outgoing in [get(), post("x")] {
        let error = client(&settings).forward(outgoing).await.unwrap_err();
        assert_eq!(
            (error.kind, error.sent, error.tries),
            (ErrorKind::Unreachable, Sent::Nothing, 2)
        );
    }
}

struct Never;

impl Connect for Never {
    fn connect(&self, _: Wanted) -> Connecting {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_stands_is_given_up_once() {
    let settings = settings("127.0.0.1:1".parse().unwrap());
    let client = Origin::new(&settings, Arc::new(Never), Clock::system(), Tasks::new());
    let error = client.forward(get()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.tries),
        (ErrorKind::ConnectTimeout, Sent::Nothing, 1)
    );
}

#[tokio::test]
async fn a_head_that_is_late_is_a_timeout_and_not_asked_for_again() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
        peer.rest().await;
    })
    .await;
    let mut outgoing = get();
    outgoing.response_timeout = Some(Duration::from_millis(30));
    let error = origin.client().forward(outgoing).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.tries),
        (ErrorKind::Timeout, Sent::Something, 1)
    );
    until("the connection closed", || origin.seen.lock().ended == 1).await;
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let origin = TestOrigin::start(|_, peer| {
        peer.serve(
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        )
    })
    .await;
    let client = origin.client();
    assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_upgrade_hands_the_connection_over() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"));
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello",
        )
        .await;
        let echo = peer.head().await.unwrap();
        peer.send(&echo).await;
        peer.rest().await;
    })
    .await;
    let client = origin.client();
    let mut outgoing = get();
    outgoing.upgrade = true;
    outgoing.fields.insert("upgrade", "websocket".parse().unwrap());
    let mut response = client.forward(outgoing).await.unwrap();
    assert_eq!(response.status(), 101);
    let mut upgraded = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    drop(response);
    upgraded.write_all(b"echo\r\n\r\n").await.unwrap();
    let mut answer = [0; 13];
    upgraded.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"helloecho\r\n\r\n");
    assert_eq!(
        (
            client.stats().open,
            client.stats().in_flight,
            client.stats().streams
        ),
        (1, 0, 1),
        "it counts while it lives"
    );
    drop(upgraded);
    until("closed", || {
        client.stats().open == 0 && client.stats().streams == 0
    })
    .await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer_whose_connection_is_not_kept() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    let mut outgoing = get();
    outgoing.upgrade = true;
    outgoing.fields.insert("upgrade", "websocket".parse().unwrap());
    assert_eq!(text(client.forward(outgoing).await.unwrap()).await, "ok");
    assert_eq!(client.stats().idle, 0);
}
