//! Connections that fail before they come to a request, or break HTTP/2's rules: they are counted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{GOAWAY, HEADERS, RESET, RawClient};
use super::{Authority, RULES, handshake};
use crate::support::{Answer, Gate, TestLarder, TestOrigin, within};

const FAILED: &str = "larder_client_connection_errors_total";

async fn failed(larder: &TestLarder, reason: &str) -> f64 {
    larder.metric(FAILED, &[("reason", reason)]).await
}

#[tokio::test]
async fn handshakes_that_fail_are_counted() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.sign("shop.test");
    let origin = TestOrigin::start().await;
    let pair = authority.pair("shop.test");
    let yaml = format!("listen:\n  - address: 127.0.0.1:0\n    tls: {{ {pair} }}\n{RULES}");
    let larder = TestLarder::start(&yaml, &origin).await;
    // A probe that only connects is no failure.
    drop(TcpStream::connect(larder.address()).await.unwrap());
    let trusting = authority.client(&[], None);
    assert!(handshake(&trusting, larder.address(), "shop.test").await.is_ok());
    let mut clear = TcpStream::connect(larder.address()).await.unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    drop(within("its end", clear.read_to_end(&mut rest)).await);
    larder
        .until("the count", async |larder| failed(larder, "tls").await == 1.0)
        .await;
    let doubting = other.client(&[], None);
    assert!(handshake(&doubting, larder.address(), "shop.test").await.is_err());
    larder
        .until("the count", async |larder| failed(larder, "tls").await == 2.0)
        .await;
    assert_eq!(larder.metric(FAILED, &[]).await, 2.0);
}

#[tokio::test]
async fn connections_that_break_the_protocol_are_counted() {
    let origin = TestOrigin::start().await;
    let never = Gate::shut();
    origin.on("/never", move |_| Answer::ok("").wait_first(&never));
    let larder = TestLarder::build("", &origin).start().await;
    // Fields on the connection itself (RFC 9113 §6.2).
    let mut client = RawClient::connect(&larder, 65_535).await;
    client.frame(HEADERS, 4, 0, &[0x82]).await;
    client.until(GOAWAY, 0).await;
    client.closed().await;
    larder
        .until("the count", async |larder| failed(larder, "http2").await == 1.0)
        .await;
    // Requests taken back at once.
    let mut client = RawClient::connect(&larder, 65_535).await;
    for stream in (1..1_000).step_by(2) {
        client.get(stream, "/never").await;
        client.frame(RESET, 0, stream, &[0, 0, 0, 8]).await;
    }
    client.closed().await;
    larder
        .until("the count", async |larder| failed(larder, "http2").await == 2.0)
        .await;
    // One that ends as it should, and one that is gone without a word.
    let mut client = RawClient::connect(&larder, 65_535).await;
    client.get(1, "/x").await;
    client.read(1).await;
    client.frame(GOAWAY, 0, 0, &[0; 8]).await;
    client.closed().await;
    drop(RawClient::connect(&larder, 65_535).await);
    larder
        .until("all to be gone", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 0.0
        })
        .await;
    assert_eq!(larder.metric(FAILED, &[]).await, 2.0);
}
