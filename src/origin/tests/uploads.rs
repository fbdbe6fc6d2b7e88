//! The client's content on its way to the origin.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::support::*;
use crate::origin::{ErrorKind, RequestBody, Sent};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn framing_is_written_in_one_form_whatever_the_client_wrote() {
    let bytes = || RequestBody::Bytes(Bytes::from_static(b"four"));
    let streamed = |length| {
        let (sender, body) = stream(length, None, LONG);
        sender.send(Bytes::from_static(b"four")).unwrap();
        body
    };
    let table = [
        (Method::GET, RequestBody::Empty, "", ""),
        (Method::DELETE, RequestBody::Empty, "", ""),
        (Method::POST, RequestBody::Empty, "content-length: 0\r\n", ""),
        (Method::PUT, RequestBody::Empty, "content-length: 0\r\n", ""),
        (
            Method::PATCH,
            RequestBody::Bytes(Bytes::new()),
            "content-length: 0\r\n",
            "",
        ),
        (Method::POST, bytes(), "content-length: 4\r\n", "four"),
        (Method::GET, bytes(), "content-length: 4\r\n", "four"),
        (Method::POST, streamed(Some(4)), "content-length: 4\r\n", "four"),
        (
            Method::POST,
            streamed(None),
            "transfer-encoding: chunked\r\n",
            "four",
        ),
        (
            Method::GET,
            streamed(None),
            "transfer-encoding: chunked\r\n",
            "four",
        ),
    ];
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    for (method, body, framing, content) in table {
        let mut outgoing = request(method.clone(), body);
        outgoing.fields.insert("content-length", "99".parse().unwrap());
        outgoing
            .fields
            .insert("transfer-encoding", "gzip, chunked".parse().unwrap());
        outgoing.fields.insert("connection", "close".parse().unwrap());
        outgoing.fields.insert("upgrade", "h2c".parse().unwrap());
        assert_eq!(text(client.forward(outgoing).await.unwrap()).await, "ok");
        let seen = origin.seen.lock();
        let line = method.as_str().to_lowercase();
        let expected = [format!(
            "{line} /a?b=c http/1.1\r\nhost: shop.test\r\n{framing}\r\n"
        )];
        assert_eq!(seen.heads.last(), expected.last());
        assert_eq!(seen.bodies.last().unwrap(), content.as_bytes());
    }
}

#[tokio::test]
async fn content_over_the_limit_ends_the_request() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
    })
    .await;
    let client = origin.client();
    let (_sender, announced) = stream(Some(11), Some(10), LONG);
    let error = client
        .forward(request(Method::POST, announced))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.sent),
        (ErrorKind::RequestTooLarge, Sent::Nothing)
    );

    let (sender, unannounced) = stream(None, Some(10), LONG);
    sender.send(Bytes::from_static(b"eleven byte")).unwrap();
    let error = client
        .forward(request(Method::POST, unannounced))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.tries), (ErrorKind::RequestTooLarge, 1));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn content_that_stalls_or_breaks_off_ends_the_request() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
    })
    .await;
    let client = origin.client();
    let (sender, stalling) = stream(Some(10), None, Duration::from_millis(20));
    sender.send(Bytes::from_static(b"half")).unwrap();
    let error = client.forward(request(Method::PUT, stalling)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent),
        (ErrorKind::RequestTimeout, Sent::Something)
    );

    let (sender, short) = stream(Some(10), None, LONG);
    sender.send(Bytes::from_static(b"half")).unwrap();
    drop(sender);
    let error = client.forward(request(Method::PUT, short)).await.unwrap_err();
    assert_eq!((error.kind, error.tries), (ErrorKind::RequestBroken, 1));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn small_content_of_an_idempotent_request_is_sent_again_and_large_content_is_not() {
    for (size, times) in [(1000, 2), (100_000, 1)] {
        let origin = TestOrigin::start(|_, mut peer| async move {
            peer.request().await;
        })
        .await;
        let (sender, body) = stream(None, None, LONG);
        for _ in 0..10 {
            sender.send(Bytes::from(vec![b'x'; size / 10])).unwrap();
        }
        drop(sender);
        let error = origin
            .client()
            .forward(request(Method::PUT, body))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, origin.requests()),
            (ErrorKind::Reset, times),
            "{size}"
        );
        assert!(origin.seen.lock().bodies.iter().all(|body| body.len() == size));
    }
}

#[tokio::test]
async fn an_answer_before_the_content_is_whole_arrives_and_the_connection_is_closed() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await;
        peer.rest().await;
    })
    .await;
    let client = origin.client();
    let (sender, body) = stream(None, None, LONG);
    sender.send(Bytes::from_static(b"begin")).unwrap();
    let response = client.forward(request(Method::POST, body)).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, "no");
    assert_eq!(client.stats().idle, 0, "at once, not when its rest is over");
    until("closed", || origin.seen.lock().ended == 1).await;
}

#[tokio::test]
async fn the_response_timeout_begins_anew_while_content_arrives() {
    let origin = TestOrigin::start(|_, peer| peer.serve(OK)).await;
    let client = origin.client();
    let (sender, body) = stream(None, None, LONG);
    let mut outgoing = request(Method::POST, body);
    outgoing.response_timeout = Some(Duration::from_millis(150));
    let slow = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            sender.send(Bytes::from_static(b"x")).unwrap();
        }
        drop(sender);
    };
    let (response, ()) = tokio::join!(client.forward(outgoing), slow);
    assert_eq!(text(response.unwrap()).await, "ok");
}
