//! What holds a drain, and what does not: handshakes, and clients that say nothing more.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::raw::{DATA, GOAWAY, HEADERS, PREFACE, RawClient};
use super::{Authority, RULES, provider};
use crate::support::{Answer, Client, Gate, TestLarder, TestOrigin, within};

fn secured(authority: &Authority, more: &str) -> String {
    let pair = authority.pair("shop.test");
    format!("listen:\n  - address: 127.0.0.1:0\n    tls: {{ {pair} }}\n{more}{RULES}")
}

/// A TLS client that is moved by hand.
fn by_hand(roots: RootCertStore, protocols: &[&str]) -> ClientConnection {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    ClientConnection::new(Arc::new(config), ServerName::try_from("shop.test").unwrap()).unwrap()
}

/// What the client has to send.
fn outgoing(tls: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Moves bytes to and fro until the handshake is over.
async fn shake(tls: &mut ClientConnection, io: &mut TcpStream) {
    while tls.is_handshaking() {
        io.write_all(&outgoing(tls)).await.unwrap();
        assert!(read_some(tls, io).await, "a handshake cut off");
    }
    io.write_all(&outgoing(tls)).await.unwrap();
}

/// Reads once; `false`: the connection has ended.
async fn read_some(tls: &mut ClientConnection, io: &mut TcpStream) -> bool {
    let mut chunk = [0; 4096];
    let length = within("bytes", io.read(&mut chunk)).await.unwrap_or_default();
    let mut rest = &chunk[..length];
    while !rest.is_empty() {
        tls.read_tls(&mut rest).unwrap();
        tls.process_new_packets().unwrap();
    }
    length > 0
}

#[tokio::test]
async fn a_handshake_that_has_begun_when_a_drain_begins_is_let_end() {
    let authority = Authority::new();
    authority.sign("shop.test");
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let larder = TestLarder::build(&secured(&authority, ""), &origin).start().await;
    let mut tls = by_hand(authority.roots(), &[]);
    let hello = outgoing(&mut tls);
    let (first, rest) = hello.split_at(100);
    let mut io = TcpStream::connect(larder.address()).await.unwrap();
    io.write_all(first).await.unwrap();
    let mut mute = Client::connect(larder.address()).await;
    larder
        .until("both connections", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 2.0
        })
        .await;
    let draining = larder.begin_drain();
    // The other one is given up: so long the drain waits for a first byte.
    mute.closed().await;
    io.write_all(rest).await.unwrap();
    shake(&mut tls, &mut io).await;
    std::io::Write::write_all(&mut tls.writer(), b"GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n").unwrap();
    io.write_all(&outgoing(&mut tls)).await.unwrap();
    let mut answer = Vec::new();
    while read_some(&mut tls, &mut io).await {
        drop(std::io::Read::read_to_end(&mut tls.reader(), &mut answer));
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"),
        "{answer}"
    );
    assert!(draining.await.unwrap(), "nothing was cut off");
}

#[tokio::test]
async fn a_client_that_is_mute_after_its_handshake_does_not_hold_a_drain() {
    let authority = Authority::new();
    authority.sign("shop.test");
    let origin = TestOrigin::start().await;
    let yaml = secured(&authority, "drain_timeout: 9s\nlimits: { header_timeout: 60s }\n");
    let larder = TestLarder::build(&yaml, &origin).start().await;
    let mut tls = by_hand(authority.roots(), &[]);
    let mut io = TcpStream::connect(larder.address()).await.unwrap();
    shake(&mut tls, &mut io).await;
    let draining = larder.begin_drain();
    assert!(draining.await.unwrap(), "it held the drain");
}

#[tokio::test]
async fn a_client_that_does_not_answer_its_farewell_does_not_hold_a_drain() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let larder = TestLarder::build("drain_timeout: 9s\n", &origin).start().await;
    let mut client = RawClient::connect(&larder, 65_535).await;
    client.get(1, "/x").await;
    assert_eq!(client.read(1).await, b"here");
    let draining = larder.begin_drain();
    client.until(GOAWAY, 0).await;
    client.closed().await;
    assert!(draining.await.unwrap(), "it held the drain");
}

#[tokio::test]
async fn a_client_that_does_not_answer_its_farewell_still_gets_what_it_asked_for() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on("/slow", move |_| Answer::ok("slow").wait_first(&held));
    origin.on("/large", |_| Answer::ok(vec![b'x'; 3_000]));
    let larder = TestLarder::build("", &origin).start().await;
    let mut client = RawClient::connect(&larder, 1_000).await;
    client.get(1, "/slow").await;
    // Its last bytes wait for window when nobody answers it any more.
    client.get(3, "/large").await;
    client.until(DATA, 3).await;
    origin.seen("/slow", 1).await;
    let mut mute = RawClient::connect(&larder, 0).await;
    mute.get(1, "/nothing").await;
    mute.until(HEADERS, 1).await;
    mute.grant(1, 1_000).await;
    mute.until(DATA, 1).await;
    let draining = larder.begin_drain();
    mute.closed().await;
    client.grant(3, 1_000).await;
    client.until(DATA, 3).await;
    client.grant(3, 1_000).await;
    assert!(client.until(DATA, 3).await.is_last());
    gate.open();
    assert_eq!(client.until(DATA, 1).await.content, b"slow");
    client.closed().await;
    assert!(draining.await.unwrap(), "nothing was cut off");
}

#[tokio::test]
async fn a_preface_that_does_not_come_to_its_end_is_a_slow_head() {
    let authority = Authority::new();
    authority.sign("shop.test");
    let origin = TestOrigin::start().await;
    let limits = "limits: { header_timeout: 300ms, idle_timeout: 60s }\n";
    let larder = TestLarder::build(limits, &origin).start().await;
    let mut clear = Client::connect(larder.address()).await;
    clear.send(&PREFACE[..10]).await;
    clear.closed().await;
    // Whoever has said all of it may rest.
    let mut whole = RawClient::connect(&larder, 65_535).await;
    whole.until(super::raw::SETTINGS, 0).await;
    let mut witness = Client::connect(larder.address()).await;
    witness.send(&PREFACE[..10]).await;
    witness.closed().await;
    whole.get(1, "/x").await;
    whole.until(HEADERS, 1).await;

    let larder = TestLarder::build(&secured(&authority, limits), &origin)
        .start()
        .await;
    let mut tls = by_hand(authority.roots(), &["h2"]);
    let mut io = TcpStream::connect(larder.address()).await.unwrap();
    shake(&mut tls, &mut io).await;
    std::io::Write::write_all(&mut tls.writer(), &PREFACE[..10]).unwrap();
    io.write_all(&outgoing(&mut tls)).await.unwrap();
    while read_some(&mut tls, &mut io).await {}
}

/// A client that has much to read yet when the drain begins, and reads on slowly.
#[tokio::test]
async fn an_answer_that_the_system_has_already_reaches_a_slow_reader_whole() {
    const SIZE: usize = 1 << 20;
    let origin = TestOrigin::start().await;
    origin.on("/big", |_| Answer::ok(vec![b'x'; SIZE]));
    let larder = TestLarder::build(RULES, &origin).start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    let io = socket.connect(larder.address()).await.unwrap();
    let mut client = RawClient::over(io, 16 << 20).await;
    client.grant(0, 16 << 20).await;
    client.get(1, "/big").await;
    client.until(HEADERS, 1).await;
    let drained = larder.begin_drain();
    let mut taken = 0;
    loop {
        let frame = client.next().await.expect("the whole answer");
        if frame.kind == DATA {
            taken += frame.content.len();
            if frame.is_last() {
                break;
            }
            let length = u32::try_from(frame.content.len()).unwrap();
            client.grant(0, length).await;
            client.grant(1, length).await;
            // Some three seconds in all: longer than anybody might think it takes.
            tokio::time::sleep(std::time::Duration::from_secs(3) * length / SIZE as u32).await;
        }
    }
    assert_eq!(taken, SIZE);
    drop(client);
    assert!(drained.await.unwrap());
}

#[tokio::test]
async fn a_first_letter_holds_a_drain_no_longer_than_a_head() {
    let origin = TestOrigin::start().await;
    let yaml = format!("limits: {{ header_timeout: 60s }}\n{RULES}");
    for letter in ["P", "G"] {
        let larder = TestLarder::build(&yaml, &origin).start().await;
        let mut client = Client::connect(larder.address()).await;
        client.send(letter).await;
        // `true`: nothing had to be cut off at the end of the drain's time.
        assert!(within("the drain's end", larder.stop()).await, "{letter}");
    }
}
