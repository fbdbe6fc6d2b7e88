//! Bounds on what one client may take, each seen to hold.

use std::time::Duration;

use crate::support::{Broken, TestLarder, TestOrigin, Wire, within};

fn limits(text: &str) -> String {
    format!("limits: {{ {text} }}\nrules:\n  - {{ match: 'GET /**', ttl: 1h }}\n")
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_its_own_status_and_reason() {
    let origin = TestOrigin::start().await;
    let yaml = limits("header_bytes: 4KiB, header_count: 20, uri_bytes: 1KiB, request_body: 1KiB");
    let larder = TestLarder::start(&yaml, &origin).await;
    let long = "x".repeat(2_000);
    let wide = "x".repeat(8_000);
    let many: String = (0..40).map(|n| format!("X-{n}: 1\r\n")).collect();
    let body = "x".repeat(2_000);
    for (name, request, status, reason) in [
        (
            "uri",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            414,
            "uri-too-long",
        ),
        (
            "bytes",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {wide}\r\n\r\n"),
            431,
            "fields-too-large",
        ),
        (
            "count",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            431,
            "fields-too-large",
        ),
        (
            "body",
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n{body}"),
            413,
            "request-too-large",
        ),
        (
            "chunked body",
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{body}\r\n0\r\n\r\n"
            ),
            413,
            "request-too-large",
        ),
    ] {
        let mut client = larder.connect().await;
        client.try_send(&request).await;
        let answer = client.response().await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(
            answer.field("content-type"),
            Some("application/problem+json"),
            "{name}"
        );
        assert!(answer.text().contains(reason), "{name}: {}", answer.text());
    }
    assert_eq!(larder.get("/fine").await.status, 200);
    assert_eq!(origin.count("GET /*"), 1, "nothing refused was forwarded whole");
    assert_eq!(origin.count("POST /*"), 0, "nothing refused was forwarded whole");
}

#[tokio::test]
async fn content_too_large_for_a_key_passes_by() {
    let origin = TestOrigin::start().await;
    let yaml = "limits: { key_body: 1KiB }\nrules:\n  - { match: POST /ask, ttl: 1h, key: { body: true } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let content = vec![b'x'; 100_000];
    for _ in 0..2 {
        let answer = larder.request("POST", "/ask", &[], &content).await;
        assert_eq!((answer.status, answer.reason().as_str()), (200, "body-too-large"));
    }
    assert_eq!(origin.requests("/ask")[1].content, content);
}

#[tokio::test]
async fn a_slow_head_an_idle_connection_and_a_stalled_body_end() {
    let origin = TestOrigin::start().await;
    let yaml = limits("header_timeout: 300ms, idle_timeout: 300ms, body_timeout: 300ms");
    let larder = TestLarder::build(&yaml, &origin).start().await;

    let mut silent = larder.connect().await;
    silent.closed().await;

    let mut slow = larder.connect().await;
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    match slow.try_response_to("GET").await {
        Ok(answer) => assert_eq!(answer.status, 408),
        Err(broken) => assert!(matches!(broken, Broken::Closed | Broken::Reset)),
    }

    let mut idle = larder.connect().await;
    idle.get("/x").await;
    idle.closed().await;

    let mut stalled = larder.connect().await;
    stalled
        .send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let answer = stalled.response_to("POST").await;
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(answer.text().contains("request-timeout"), "{}", answer.text());
    assert_eq!(origin.count("POST /x"), 0);
}

#[tokio::test]
async fn a_client_that_never_reads_is_ended_and_others_get_on() {
    let origin = TestOrigin::start().await;
    origin.on("/big", |_| crate::support::Answer::ok(vec![b'x'; 64 << 20]));
    let larder = TestLarder::build(&limits("write_timeout: 500ms"), &origin)
        .start()
        .await;
    let mut stuck = larder.connect().await;
    stuck.send_request("GET", "/big", &[], b"").await;
    stuck.head().await;
    larder
        .until("the end of the stuck connection", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 0.0
        })
        .await;
    assert_eq!(larder.get("/x").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(&limits("connections: 2"), &origin).await;
    let mut first = larder.connect().await;
    first.get("/x").await;
    let mut second = larder.connect().await;
    second.get("/x").await;
    let mut third = larder.connect().await;
    third.send_request("GET", "/third", &[], b"").await;
    assert_eq!(first.get("/x").await.status, 200);
    assert_eq!(origin.count("/third"), 0, "not accepted while two are open");
    drop(first);
    assert_eq!(third.response().await.status, 200);
}

#[tokio::test]
async fn requests_beyond_max_in_flight_queue_then_get_503() {
    let origin = TestOrigin::start().await;
    let yaml = "origin: { url: '${ORIGIN}', max_in_flight: 1 }\n\
                rules:\n  - { match: GET /other, timeout: 300ms }\n";
    let larder = TestLarder::build(yaml, &origin).start().await;
    let hold = origin.hold("/slow");
    let mut slow = larder.connect().await;
    slow.send_request("GET", "/slow", &[], b"").await;
    origin.seen("/slow", 1).await;
    let busy = larder.get("/other").await;
    assert_eq!(busy.status, 503, "{}", busy.text());
    assert!(busy.text().contains("origin-busy"), "{}", busy.text());
    let mut queued = larder.connect().await;
    queued.send_request("GET", "/queued", &[], b"").await;
    hold.release();
    assert_eq!(slow.response().await.status, 200);
    assert_eq!(queued.response().await.status, 200);
    assert_eq!(origin.count("/other"), 0);
}

#[tokio::test]
async fn the_memory_tier_keeps_within_its_budget() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| crate::support::Answer::ok(vec![b'x'; 100_000]));
    let yaml = "store: { memory: 8MiB, max_object: 1MiB }\nrules:\n  - { match: 'GET /**', ttl: 1h }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let mut client = larder.connect().await;
    for n in 0..300 {
        assert_eq!(
            client.get(&format!("/{n}")).await.complete().content.len(),
            100_000
        );
    }
    let bytes = larder.metric("larder_memory_bytes", &[]).await;
    assert!((1e6..=8_388_608.0).contains(&bytes), "{bytes}");
    assert!(larder.metric("larder_memory_evictions_total", &[]).await > 200.0);
    assert_eq!(larder.metric("larder_memory_in_flight_bytes", &[]).await, 0.0);
    larder.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn fields_are_bounded_by_themselves_however_long_a_target_may_be() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(&limits("header_bytes: 1KiB, uri_bytes: 60KiB"), &origin).await;
    for (length, status) in [(500, 200), (2_000, 431)] {
        let wide = "x".repeat(length);
        let answer = larder.get_with("/x", &[("X", &wide)]).await;
        assert_eq!(answer.status, status, "{length}: {}", answer.text());
    }
    let long = format!("/{}", "x".repeat(2_000));
    assert_eq!(larder.get(&long).await.status, 200);
}

#[tokio::test]
async fn a_partial_head_behind_a_whole_request_has_no_longer_than_one_alone() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::build(&limits("header_timeout: 500ms, idle_timeout: 1h"), &origin)
        .start()
        .await;
    for (first, second) in [
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTT", ""),
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /y HTT"),
    ] {
        let hold = origin.hold("/x");
        let mut client = larder.connect().await;
        client.send(first).await;
        origin.seen("/x", 1).await;
        client.send(second).await;
        hold.release();
        assert_eq!(client.response().await.status, 200);
        client.closed().await;
        larder.purge(r#"{"all": true}"#).await;
    }
    let mut resting = larder.connect().await;
    for _ in 0..2 {
        assert_eq!(resting.get("/x").await.status, 200);
        let ended = tokio::time::timeout(Duration::from_millis(1_200), resting.wire().readable()).await;
        assert!(ended.is_err(), "a connection at rest keeps its own limit");
    }
}

#[tokio::test]
async fn an_answer_is_whole_although_the_request_was_not_read() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let larder = TestLarder::before(&url, "").await;
    let mut client = larder.connect().await;
    client
        .send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    let mut origin = Wire::from(listener.accept().await.unwrap().0);
    within("the request", origin.head()).await.unwrap();
    let length = 1_000_000;
    let answer = format!(
        "HTTP/1.1 401 No\r\nContent-Length: {length}\r\n\r\n{}",
        "e".repeat(length)
    );
    origin.write(answer.as_bytes()).await.unwrap();
    // Larder has passed on all of the answer that it will, and takes no more of the request.
    while within("Larder's end", origin.readable()).await == Ok(true) {
        origin.discard().await;
    }
    client.try_send(vec![b'x'; 300_000]).await;
    let answer = client.response_to("POST").await.complete();
    assert_eq!((answer.status, answer.content.len()), (401, length));
}

#[tokio::test]
async fn a_client_that_sends_on_after_its_answer_is_ended() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(&limits("request_body: 1KiB"), &origin).await;
    let mut client = larder.connect().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n")
        .await;
    assert_eq!(client.response_to("POST").await.status, 413);
    within("the connection's end", async {
        while client.try_send(vec![b'x'; 10_000]).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    larder
        .until("no connection", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 0.0
        })
        .await;
}
