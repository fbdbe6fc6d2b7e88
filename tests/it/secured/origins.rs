//! Origins that speak HTTP/2.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Authority, RULES};
use crate::support::{Http2Client, TestLarder, within};

/// An origin in clear, each of whose requests `script` answers; how many came.
async fn origin<S, F>(script: S) -> (String, Arc<AtomicUsize>)
where
    S: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(serve(io, script.clone(), counted.clone()));
        }
    });
    (url, count)
}

async fn serve<S, F>(io: impl AsyncRead + AsyncWrite + Unpin, script: S, count: Arc<AtomicUsize>)
where
    S: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut io = h2::server::handshake(io).await.unwrap();
    while let Some(Ok((request, answer))) = io.accept().await {
        count.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(script(request, answer));
    }
}

fn begin(answer: &mut SendResponse<Bytes>, fields: &[(&str, &str)]) -> SendStream<Bytes> {
    let mut head = Response::builder();
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    answer.send_response(head.body(()).unwrap(), false).unwrap()
}

/// Says what was asked for.
async fn echo(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
    let text = format!("{} {}", request.method(), request.uri());
    begin(&mut answer, &[]).send_data(text.into(), true).unwrap();
}

async fn over_h2(larder: &TestLarder) -> Http2Client {
    Http2Client::over(TcpStream::connect(larder.address()).await.unwrap(), "http").await
}

#[tokio::test]
async fn what_comes_over_http_2_is_stored_for_clients_of_either_version() {
    let (url, count) = origin(echo).await;
    let larder = TestLarder::before(&url, RULES).await;
    let first = larder.get_with("/x?y", &[("Host", "shop.test")]).await;
    assert_eq!(first.text(), "GET http://shop.test/x?y");
    assert!(first.field("via").unwrap().starts_with("2 larder"), "{first:?}");
    let again = over_h2(&larder).await.get("/x?y", &[]).await.unwrap();
    assert!(again.is_hit(), "{again:?}");
    let length = again.content.len().to_string();
    assert_eq!(again.field("content-length"), Some(length.as_str()));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let mut writer = larder.connect().await;
    writer.send_request("PUT", "/x?y", &[], b"new").await;
    assert!(writer.response().await.complete().text().starts_with("PUT "));
    assert!(
        !larder
            .get_with("/x?y", &[("Host", "shop.test")])
            .await
            .cache_status()
            .hit
    );
}

/// Sends back what comes, as it comes, and ends as gRPC does.
async fn converse(mut request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
    assert_eq!(request.headers()["te"], "trailers");
    let mut to = begin(&mut answer, &[("content-type", "application/grpc")]);
    let from = request.body_mut();
    while let Some(Ok(message)) = from.data().await {
        from.flow_control().release_capacity(message.len()).unwrap();
        to.send_data(message, false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("x-mine", "kept".parse().unwrap());
    to.send_trailers(trailers).unwrap();
}

#[tokio::test]
async fn a_conversation_passes_both_ways_at_once_and_its_trailers_with_it() {
    let (url, _) = origin(converse).await;
    let larder = TestLarder::before(&url, RULES).await;
    let io = TcpStream::connect(larder.address()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://shop.test/chat.Chat/Talk")
        .header("te", "trailers")
        .header("content-type", "application/grpc");
    let (answer, mut to) = client.send_request(request.body(()).unwrap(), false).unwrap();
    to.send_data("first".into(), false).unwrap();
    let answer = within("the head", answer).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let mut from = answer.into_body();
    for next in ["second", "third"] {
        let message = within("a message", from.data()).await.unwrap().unwrap();
        from.flow_control().release_capacity(message.len()).unwrap();
        assert_eq!(message, if next == "second" { "first" } else { "second" });
        to.send_data(next.into(), false).unwrap();
    }
    to.send_data(Bytes::new(), true).unwrap();
    assert_eq!(within("a message", from.data()).await.unwrap().unwrap(), "third");
    assert!(within("the end", from.data()).await.is_none());
    let trailers = within("trailers", from.trailers()).await.unwrap().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-mine"]),
        (&"0".parse().unwrap(), &"kept".parse().unwrap())
    );
}

/// An error of gRPC, which has no content, and trailers for a head (its `Trailers-Only`).
#[tokio::test]
async fn an_error_before_any_content_passes_as_it_is() {
    let (url, _) = origin(|_, mut answer: SendResponse<Bytes>| async move {
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "5")
            .body(())
            .unwrap();
        answer.send_response(head, true).unwrap();
    })
    .await;
    let larder = TestLarder::before(&url, RULES).await;
    let fields = [("te", "trailers"), ("content-type", "application/grpc")];
    let answer = over_h2(&larder)
        .await
        .ask("POST", "/a.B/C", &fields, b"x")
        .await
        .unwrap();
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("5")));
    assert!(answer.content.is_empty() && answer.trailers.is_none());
}

#[tokio::test]
async fn early_hints_reach_clients_that_take_them() {
    let (url, _) = origin(|_, mut answer: SendResponse<Bytes>| async move {
        let hint = Response::builder()
            .status(103)
            .header("link", "</a.css>; rel=preload");
        answer.send_informational(hint.body(()).unwrap()).unwrap();
        begin(&mut answer, &[]).send_data("ok".into(), true).unwrap();
    })
    .await;
    let larder = TestLarder::before(&url, RULES).await;
    let answer = larder.get("/x").await;
    let hints: Vec<u16> = answer.interim.iter().map(|(status, _)| *status).collect();
    assert_eq!((hints, answer.text()), (vec![103], "ok"));
}

/// Larder before an origin over TLS that offers `protocols`, and says by which it was asked.
async fn before_tls(authority: &Authority, protocols: &[&str], more: &str) -> TestLarder {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = authority.server("app.test", protocols);
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let Ok(io) = acceptor.accept(io).await else {
                continue;
            };
            match io.get_ref().1.alpn_protocol() {
                Some(b"h2") => drop(tokio::spawn(serve(io, echo, Arc::default()))),
                _ => drop(tokio::spawn(answer_as_ever(io))),
            }
        }
    });
    let ca = authority.path("ca.crt");
    let tls = format!("{{ ca: {}, server_name: app.test }}", ca.display());
    let yaml = format!("origin: {{ url: \"https://{address}\", tls: {tls}{more} }}\n{RULES}");
    TestLarder::before("", &yaml).await
}

/// Answers one request by HTTP/1.1, with its target, and changes the protocol if that asks for it.
async fn answer_as_ever(io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut io = BufReader::new(io);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        io.read_line(&mut head).await.unwrap();
    }
    let answer = if head.contains("websocket") {
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned()
    } else {
        let line = head.lines().next().unwrap();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len())
    };
    io.write_all(answer.as_bytes()).await.unwrap();
    // Until the other side ends it.
    let _ = io.read_line(&mut head).await;
}

#[tokio::test]
async fn the_version_is_agreed_on_with_the_origin() {
    let authority = Authority::new();
    authority.sign("app.test");
    for (protocols, more, expected) in [
        (&["h2", "http/1.1"][..], "", "GET https://shop.test/x"),
        (&["h2", "http/1.1"], ", http2: false", "GET /x HTTP/1.1"),
        (&["http/1.1"], "", "GET /x HTTP/1.1"),
        (&[], "", "GET /x HTTP/1.1"),
    ] {
        let larder = before_tls(&authority, protocols, more).await;
        let answer = larder.get_with("/x", &[("Host", "shop.test")]).await;
        assert_eq!(answer.text(), expected, "{protocols:?}{more}");
    }
}

#[tokio::test]
async fn a_websocket_is_asked_for_by_http_1_1() {
    let authority = Authority::new();
    authority.sign("app.test");
    let larder = before_tls(&authority, &["h2", "http/1.1"], "").await;
    assert!(larder.get("/x").await.text().starts_with("GET https://"));
    let mut client = larder.connect().await;
    client
        .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert_eq!(client.head().await.0, 101);
    assert!(larder.get("/y").await.text().starts_with("GET https://"));
}
