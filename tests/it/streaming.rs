//! Content moves as it comes, both ways, and never piles up between two slow sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::support::{Answer, Broken, End, Gate, Step, TestLarder, TestOrigin, Wire, within};

#[tokio::test]
async fn answers_of_one_connection_keep_their_order_and_the_connection() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: GET /stored, ttl: 1h }\n", &origin).await;
    larder.get("/stored").await;
    let hold = origin.hold("/slow");
    let mut client = larder.connect().await;
    client
        .send(
            "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /stored HTTP/1.1\r\nHost: shop.test\r\n\r\n\
             POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             HEAD /slow HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /last HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    origin.seen("/slow", 1).await;
    hold.release();
    assert_eq!(client.response().await.text(), "/slow 0");
    assert_eq!(client.response().await.reason(), "hit");
    assert_eq!(client.response().await.text(), "/post 0");
    assert_eq!(client.response_to("HEAD").await.text(), "");
    assert_eq!(client.response().await.text(), "/last 0");
    assert_eq!(client.get("/more").await.complete().text(), "/more 0");
}

#[tokio::test]
async fn an_uncached_answer_streams_as_it_comes() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |_| {
        Answer::status(200).chunk("one").wait(&script).chunk("two")
    });
    let larder = TestLarder::start("rules:\n  - { match: GET /x, cache: false }\n", &origin).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    client.head().await;
    assert_eq!(client.piece().await.unwrap().unwrap(), "one");
    gate.open();
    assert_eq!(client.rest().await, ("two".into(), End::Complete));
}

#[tokio::test]
async fn events_are_passed_on_one_by_one_and_never_stored() {
    let origin = TestOrigin::start().await;
    let gates: Vec<Gate> = (0..3).map(|_| Gate::shut()).collect();
    let script = gates.clone();
    origin.on("/events", move |_| {
        let start = Answer::status(200)
            .field("Content-Type", "text/event-stream")
            .chunk("data: 0\n\n");
        script.iter().enumerate().fold(start, |answer, (n, gate)| {
            answer.wait(gate).chunk(format!("data: {}\n\n", n + 1))
        })
    });
    let larder = TestLarder::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/events", &[], b"").await;
    let (_, head) = client.head().await;
    assert!(
        head.field("cache-status")
            .is_some_and(|s| s.contains("detail=stream")),
        "{head:?}"
    );
    for (n, gate) in gates.iter().enumerate() {
        assert_eq!(client.piece().await.unwrap().unwrap(), format!("data: {n}\n\n"));
        gate.open();
    }
    assert_eq!(client.rest().await.1, End::Complete);
    assert_eq!(larder.get("/events").await.reason(), "stream");
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_origin() {
    let origin = TestOrigin::start().await;
    let pieces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pieces);
    const PIECE: usize = 1 << 20;
    origin.on("/big", move |_| {
        (0..64).fold(Answer::status(200), |answer, _| {
            let counted = Arc::clone(&counted);
            let count = Step::run(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            answer.chunk(vec![b'x'; PIECE]).then(count)
        })
    });
    let larder = TestLarder::start("", &origin).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/big", &[], b"").await;
    client.head().await;
    let settled = larder.settled(|| pieces.load(Ordering::SeqCst)).await;
    assert!(settled < 32, "{settled} MiB went out although nobody reads");
    let (content, end) = client.rest().await;
    assert_eq!((content.len(), end), (64 * PIECE, End::Complete));
}

#[tokio::test]
async fn a_request_reaches_the_origin_before_its_content_ends() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let larder = TestLarder::before(&url, "").await;
    let mut client = larder.connect().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    let (socket, _) = within("a connection to the origin", listener.accept())
        .await
        .unwrap();
    let mut wire = Wire::from(socket);
    let head = within("the head", wire.head()).await.unwrap().unwrap();
    let mut left = head.framing(crate::support::Left::Done).unwrap();
    assert_eq!(
        within("a piece", wire.piece(&mut left)).await.unwrap().unwrap(),
        "one"
    );
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(
        within("a piece", wire.piece(&mut left)).await.unwrap().unwrap(),
        "two"
    );
    assert_eq!(within("the end", wire.piece(&mut left)).await.unwrap(), None);
    wire.write(b"HTTP/1.1 204 Fine\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.status, 204);
}

#[tokio::test]
async fn framing_is_made_anew_and_connection_fields_stay_behind() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let mut client = larder.connect().await;
    client
        .send(
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop, keep-alive\r\n\
             X-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nUpgrade: h2c\r\nX-End: 1\r\n\r\n\
             3;ext=1\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
        )
        .await;
    assert_eq!(client.response_to("POST").await.status, 200);
    let seen = &origin.requests("/x")[0];
    assert_eq!(seen.text(), "abc");
    for gone in ["x-hop", "keep-alive", "upgrade", "x-trailer"] {
        assert_eq!(seen.field(gone), None, "{gone}");
    }
    assert_eq!(seen.field("x-end"), Some("1"));
    let framing = ["content-length", "transfer-encoding"]
        .iter()
        .filter(|n| seen.field(n).is_some())
        .count();
    assert_eq!(framing, 1, "{:?}", seen.fields);
    assert_eq!(seen.field("host"), Some("a"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(
        seen.field("via").is_some_and(|via| via.starts_with("1.1 ")),
        "{:?}",
        seen.fields
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_an_answer_it_understands() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::status(200).chunk("one").chunk("two"));
    let larder = TestLarder::start("rules:\n  - { match: GET /x, ttl: 1h }\n", &origin).await;
    for _ in 0..2 {
        let mut client = larder.connect().await;
        client.send("GET /x HTTP/1.0\r\nHost: shop.test\r\n\r\n").await;
        let answer = client.response().await.complete();
        assert_eq!(answer.text(), "onetwo");
        assert_eq!(answer.field("transfer-encoding"), None);
        client.closed().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_to_close_closes_after_its_answer() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: GET /x, ttl: 1h }\n", &origin).await;
    for _ in 0..2 {
        let mut client = larder.connect().await;
        let answer = client.request("GET", "/x", &[("Connection", "close")], b"").await;
        assert_eq!(answer.field("connection"), Some("close"));
        client.closed().await;
    }
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_before_it_sends() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let mut client = larder.connect().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let head = within("100", client.wire().head()).await.unwrap().unwrap();
    assert!(head.start.starts_with("HTTP/1.1 100"), "{}", head.start);
    client.send("abc").await;
    assert_eq!(client.response_to("POST").await.text(), "/x 0");
    assert_eq!(origin.requests("/x")[0].text(), "abc");
}

#[tokio::test]
async fn an_answer_cut_short_is_passed_on_as_cut_short_and_not_stored() {
    for (name, cut) in [
        ("length", Answer::ok("half").announcing(100).close()),
        ("chunk", Answer::status(200).chunk("half").close()),
        (
            "garbage",
            Answer::status(200)
                .chunk("half")
                .then(Step::Raw("zz\r\n".into()))
                .close(),
        ),
        ("reset", Answer::ok("half").announcing(100).reset()),
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |seen| {
            if seen.before == 0 {
                cut.clone()
            } else {
                Answer::ok("whole")
            }
        });
        let larder = TestLarder::start("rules:\n  - { match: GET /x, ttl: 1h }\n", &origin).await;
        let mut client = larder.connect().await;
        client.send_request("GET", "/x", &[], b"").await;
        match client.try_response_to("GET").await {
            Ok(answer) if answer.status == 502 => {}
            Ok(answer) => assert_ne!(answer.end, End::Complete, "{name}: {:?}", answer.content),
            Err(_) => {}
        }
        let next = larder.get("/x").await;
        assert_eq!(
            (next.text(), next.reason().as_str()),
            ("whole", "uri-miss"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn content_that_ends_with_the_connection_is_whole_for_the_client() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("until the end").until_close());
    let larder = TestLarder::start("rules:\n  - { match: GET /x, ttl: 1h }\n", &origin).await;
    let mut client = larder.connect().await;
    for _ in 0..2 {
        assert_eq!(client.get("/x").await.complete().text(), "until the end");
    }
}

#[tokio::test]
async fn a_connection_with_surplus_bytes_is_not_used_again() {
    let origin = TestOrigin::start().await;
    origin.on("/evil", |_| {
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            .then(Step::Pause(Duration::from_millis(200)))
    });
    let larder = TestLarder::start("", &origin).await;
    for n in 0..20 {
        assert_eq!(larder.get("/evil").await.text(), "ok");
        assert_eq!(larder.get("/good").await.text(), format!("/good {n}"));
    }
}

/// An origin that shows its first connection as it is, and Larder in front of it.
async fn before_a_listener() -> (TcpListener, TestLarder) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let larder = TestLarder::before(&url, "").await;
    (listener, larder)
}

async fn accepted(listener: &TcpListener) -> Wire {
    let accepted = within("a connection to the origin", listener.accept()).await;
    Wire::from(accepted.unwrap().0)
}

#[tokio::test]
async fn an_origin_that_does_not_read_slows_the_client() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 1_024;
    let (listener, larder) = before_a_listener().await;
    let mut client = larder.connect().await;
    let length = PIECE * PIECES;
    client
        .send(format!(
            "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let sending = tokio::spawn(async move {
        for _ in 0..PIECES {
            client.send(vec![b'x'; PIECE]).await;
            counted.fetch_add(PIECE, Ordering::SeqCst);
        }
        client
    });
    let mut origin = accepted(&listener).await;
    let head = within("the head", origin.head()).await.unwrap().unwrap();
    let settled = larder.settled(|| taken.load(Ordering::SeqCst)).await;
    assert!(
        settled < length / 2,
        "{settled} bytes were taken although nobody reads"
    );

    let left = head.framing(crate::support::Left::Done).unwrap();
    let (content, end) = within("the content", origin.content(left)).await;
    assert_eq!((content.len(), end), (length, Ok(())));
    origin.write(b"HTTP/1.1 204 Fine\r\n\r\n").await.unwrap();
    let mut client = within("all of it sent", sending).await.unwrap();
    assert_eq!(client.response_to("POST").await.status, 204);
}

#[tokio::test]
async fn what_follows_an_early_answer_is_never_taken_for_a_request() {
    let (listener, larder) = before_a_listener().await;
    let mut client = larder.connect().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        .await;
    let mut origin = accepted(&listener).await;
    within("the head", origin.head()).await.unwrap().unwrap();
    origin
        .write(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        .await
        .unwrap();
    let answer = client.response_to("POST").await.complete();
    assert_eq!((answer.status, answer.text()), (403, "no"));
    // The rest of the content looks like a request, and is none.
    client.try_send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.closed().await;
    let again = tokio::spawn(async move { larder.get("/next").await });
    let mut next = accepted(&listener).await;
    let head = within("the head", next.head()).await.unwrap().unwrap();
    assert_eq!(head.start, "GET /next HTTP/1.1", "on a connection of its own");
    next.write(b"HTTP/1.1 204 Fine\r\n\r\n").await.unwrap();
    assert_eq!(again.await.unwrap().status, 204);
}

#[tokio::test]
async fn a_client_of_http_1_0_never_takes_a_part_for_the_whole() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    for (path, stored) in [("/kept", "max-age=60"), ("/passed", "no-store")] {
        let gate = Gate::shut();
        let waits = gate.clone();
        origin.on(path, move |_| {
            let begun = Answer::status(200).field("Cache-Control", stored).chunk("half");
            begun.wait(&waits).close()
        });
        let mut client = larder.connect().await;
        client
            .send(format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(client.head().await.0, 200);
        assert_eq!(client.piece().await.unwrap().unwrap(), "half");
        gate.open();
        assert_eq!(client.rest().await.1, End::Broken(Broken::Reset), "{path}");
    }
}
