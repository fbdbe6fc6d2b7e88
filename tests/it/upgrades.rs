//! WebSocket passes; nothing else is upgraded, and an upgraded connection is nobody else's.

use tokio::net::TcpListener;

use crate::support::{Client, TestLarder, TestOrigin, Wire, within};

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Larder before a listener that the test plays the origin on.
async fn pair() -> (TestLarder, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let larder = TestLarder::before(&url, "rules:\n  - { match: 'GET /**', ttl: 1h }\n").await;
    (larder, listener)
}

async fn accepted(listener: &TcpListener) -> Wire {
    let (socket, _) = within("a connection to the origin", listener.accept())
        .await
        .unwrap();
    Wire::from(socket)
}

async fn upgraded(client: &mut Client, listener: &TcpListener) -> Wire {
    client.send(ASK).await;
    let mut origin = accepted(listener).await;
    let asked = within("the request", origin.head()).await.unwrap().unwrap();
    assert_eq!(asked.field("upgrade"), Some("websocket"));
    assert_eq!(asked.field("sec-websocket-key"), Some("x"));
    assert!(
        asked
            .field("connection")
            .is_some_and(|c| c.eq_ignore_ascii_case("upgrade")),
        "{asked:?}"
    );
    origin
        .write(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n")
        .await
        .unwrap();
    let (status, head) = client.head().await;
    assert_eq!((status, head.field("sec-websocket-accept")), (101, Some("y")));
    assert_eq!(head.field("upgrade"), Some("websocket"));
    origin
}

async fn read(wire: &mut Wire, number: u64) -> String {
    let mut left = crate::support::Left::Length(number);
    let mut text = Vec::new();
    while let Some(piece) = within("bytes", wire.piece(&mut left)).await.unwrap() {
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_its_end_passes_too() {
    let (larder, listener) = pair().await;
    let mut client = larder.connect().await;
    let mut origin = upgraded(&mut client, &listener).await;
    client.send("ping").await;
    assert_eq!(read(&mut origin, 4).await, "ping");
    origin.write(b"pong").await.unwrap();
    assert_eq!(read(client.wire(), 4).await, "pong");
    client.wire().shutdown().await;
    assert_eq!(within("the end", origin.readable()).await, Ok(false));
    origin.write(b"last words").await.unwrap();
    assert_eq!(
        read(client.wire(), 10).await,
        "last words",
        "each direction ends by itself"
    );
    drop(origin);
    client.closed().await;
}

#[tokio::test]
async fn bytes_that_look_like_a_refusal_pass_a_tunnel_untouched() {
    let (larder, listener) = pair().await;
    let mut client = larder.connect().await;
    let mut origin = upgraded(&mut client, &listener).await;
    let peers = "HTTP/1.1 404 by a peer\r\n\r\n";
    for _ in 0..2 {
        origin.write(peers.as_bytes()).await.unwrap();
        assert_eq!(read(client.wire(), peers.len() as u64).await, peers);
    }
}

#[tokio::test]
async fn an_open_websocket_counts_as_a_connection_until_it_ends() {
    let (larder, listener) = pair().await;
    let mut client = larder.connect().await;
    let origin = upgraded(&mut client, &listener).await;
    let open = async |larder: &TestLarder| larder.metric("larder_connections", &[("side", "client")]).await;
    client.send("ping").await;
    assert_eq!(open(&larder).await, 1.0);
    drop((client, origin));
    larder
        .until("no connection", async |larder| open(larder).await == 0.0)
        .await;
}

#[tokio::test]
async fn an_open_websocket_does_not_hold_up_a_drain() {
    let (larder, listener) = pair().await;
    let mut client = larder.connect().await;
    let mut origin = upgraded(&mut client, &listener).await;
    let drained = tokio::time::timeout(std::time::Duration::from_secs(10), larder.stop()).await;
    assert_eq!(drained, Ok(true), "nothing had to be waited for or cut off");
    client.send("still here").await;
    assert_eq!(read(&mut origin, 10).await, "still here");
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin).await;
    for _ in 0..2 {
        let mut client = larder.connect().await;
        client.send(ASK).await;
        let answer = client.response().await;
        assert_eq!((answer.status, answer.reason().as_str()), (200, "upgrade"));
    }
    assert_eq!(origin.total(), 2, "never from the store");
    assert_eq!(larder.get("/ws").await.reason(), "uri-miss", "and never stored");
}

#[tokio::test]
async fn nothing_but_websocket_is_upgraded() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    for protocol in ["h2c", "TLS/1.0", "frob"] {
        let fields = [
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", protocol),
            ("HTTP2-Settings", "AA"),
        ];
        assert_eq!(larder.get_with("/x", &fields).await.status, 200, "{protocol}");
        let seen = origin.requests("/x").pop().unwrap();
        assert_eq!(seen.field("upgrade"), None, "{protocol}");
        assert_eq!(seen.field("http2-settings"), None, "{protocol}");
    }
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_a_bad_answer() {
    let (larder, listener) = pair().await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    let mut origin = accepted(&listener).await;
    origin.head().await.unwrap();
    origin
        .write(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response().await.status, 502);
}
