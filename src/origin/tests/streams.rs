//! Answers without end, and the places of the requests that have one.

use std::time::Duration;

use http::{Method, Response};
use http_body_util::BodyExt;
use tokio::sync::watch;

use super::support::*;
use crate::config;
use crate::origin::{ErrorKind, Origin, OriginBody, Outgoing};

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                      transfer-encoding: chunked\r\n\r\n3\r\nhi\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";

/// Two places, and little patience with those who wait for one.
fn narrow(origin: &TestOrigin) -> Origin {
    client(&config::Origin {
        max_connections: 2,
        max_in_flight: Some(2),
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(2),
        ..origin.settings()
    })
}

/// Answers as `answer` says and then with nothing until `end` tells it to finish; after that, and
/// to other methods at once, with `ok`.
async fn endless(mut peer: Peer, answer: &'static str, mut end: watch::Receiver<bool>) {
    while let Some(head) = peer.request_head().await {
        if head.starts_with("get") {
            peer.send(answer).await;
            tokio::select! {
                ended = end.wait_for(|end| *end) => { ended.unwrap(); }
                () = peer.gone() => return,
            }
            peer.send("0\r\n\r\n").await;
        } else {
            peer.send(OK).await;
        }
    }
}

fn plain() -> Outgoing {
    request(Method::OPTIONS, crate::origin::RequestBody::Empty)
}

fn upgrade() -> Outgoing {
    let mut outgoing = get();
    outgoing.upgrade = true;
    outgoing.fields.insert("upgrade", "x".parse().unwrap());
    outgoing
}

async fn open(client: &Origin, outgoing: impl Fn() -> Outgoing) -> Vec<Response<OriginBody>> {
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(client.forward(outgoing()).await.unwrap());
    }
    streams
}

fn counts(client: &Origin) -> (usize, usize) {
    (client.stats().streams, client.stats().in_flight)
}

#[tokio::test]
async fn event_streams_leave_their_places_to_requests_that_end() {
    let (_end, ending) = watch::channel(false);
    let origin = TestOrigin::start(move |_, peer| endless(peer, EVENTS, ending.clone())).await;
    let client = narrow(&origin);
    let mut streams = open(&client, get).await;
    assert_eq!(counts(&client), (5, 0));
    assert_eq!(text(client.forward(plain()).await.unwrap()).await, "ok");
    let first = streams[0].body_mut().frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "hi\n", "a stream still streams");
    drop(streams);
    assert_eq!(counts(&client), (0, 0));
    until("their connections closed", || {
        client.stats().open == client.stats().idle
    })
    .await;
}

#[tokio::test]
async fn upgraded_connections_leave_their_places_to_requests_that_end() {
    let (_end, ending) = watch::channel(false);
    let origin = TestOrigin::start(move |_, peer| endless(peer, SWITCHED, ending.clone())).await;
    let client = narrow(&origin);
    let mut upgraded = Vec::new();
    for mut response in open(&client, upgrade).await {
        upgraded.push(hyper::upgrade::on(&mut response).await.unwrap());
    }
    assert_eq!(counts(&client), (5, 0));
    assert_eq!(text(client.forward(plain()).await.unwrap()).await, "ok");
    drop(upgraded);
    until("none is left", || counts(&client) == (0, 0)).await;
}

#[tokio::test]
async fn streams_that_end_leave_no_more_connections_than_there_are_places() {
    let (end, ending) = watch::channel(false);
    let origin = TestOrigin::start(move |_, peer| endless(peer, EVENTS, ending.clone())).await;
    let client = narrow(&origin);
    let streams = open(&client, get).await;
    end.send(true).unwrap();
    for stream in streams {
        assert_eq!(text(stream).await, "hi\n");
    }
    assert_eq!(counts(&client), (0, 0));
    assert_eq!(
        client.stats().idle,
        2,
        "kept like others, as far as there is room"
    );
}

#[tokio::test]
async fn an_answer_with_an_end_keeps_its_place_until_then() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\nbegin")
            .await;
        peer.rest().await;
    })
    .await;
    let client = client(&config::Origin {
        max_connections: 1,
        response_timeout: Duration::from_millis(50),
        ..origin.settings()
    });
    let begun = client.forward(get()).await.unwrap();
    assert_eq!(counts(&client), (0, 1));
    let refused = client.forward(get()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Busy);
    drop(begun);
}
