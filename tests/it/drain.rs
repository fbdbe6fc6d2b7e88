//! Shutting down under load, and living with an origin that comes and goes.

mod delay;
mod load;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::{Answer, Client, End, Gate, TestLarder, TestOrigin, within};

const PIECE: usize = 256 << 10;

/// Begins a drain, and waits until it shows.
async fn drain_begun(larder: &TestLarder) -> JoinHandle<bool> {
    let draining = larder.begin_drain();
    larder
        .until("the drain to begin", async |larder| {
            larder.admin_get("/readyz").await.status == 503
        })
        .await;
    draining
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_finishes_every_answer_whole() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/long/*", move |_| {
        (0..7).fold(Answer::status(200).chunk("start").wait(&script), |a, _| {
            a.chunk(vec![b'x'; PIECE])
        })
    });
    let upload = Gate::shut();
    let waiting = upload.clone();
    origin.on("POST /slow", move |_| Answer::ok("done").wait_first(&waiting));
    let yaml = "rules:\n  - { match: 'GET /long/{n}', ttl: 1h }\n";
    let larder = Arc::new(TestLarder::build(yaml, &origin).start().await);

    let mut idle = larder.connect().await;
    idle.get("/idle").await;
    let mut clients: Vec<Client> = Vec::new();
    for n in 0..40 {
        let mut client = larder.connect().await;
        client
            .send_request("GET", &format!("/long/{}", n % 20), &[], b"")
            .await;
        client.head().await;
        assert_eq!(client.piece().await.unwrap().unwrap(), "start");
        clients.push(client);
    }
    let mut writer = larder.connect().await;
    writer.send_request("POST", "/slow", &[], b"x").await;
    origin.seen("POST /slow", 1).await;

    let draining = larder.begin_drain();
    idle.closed().await;
    gate.open();
    upload.open();
    let mut readers = Vec::new();
    for mut client in clients {
        readers.push(tokio::spawn(async move { client.rest().await }));
    }
    for reader in readers {
        let (content, end) = reader.await.unwrap();
        assert_eq!((content.len(), end), (7 * PIECE, End::Complete));
    }
    let written = writer.response_to("POST").await;
    assert_eq!((written.status, written.text()), (200, "done"));
    assert!(
        within("the drain", draining).await.unwrap(),
        "nothing had to be cut off"
    );
    assert!(
        tokio::net::TcpStream::connect(larder.address()).await.is_err(),
        "nothing listens any more"
    );
}

#[tokio::test]
async fn who_is_connected_when_a_drain_begins_is_answered_though_nobody_accepted_him_yet() {
    let origin = TestOrigin::start().await;
    let larder = Arc::new(TestLarder::start("limits: { connections: 2 }\n", &origin).await);
    let hold = origin.hold("/first");
    let mut first = larder.connect().await;
    first.send_request("GET", "/first", &[], b"").await;
    origin.seen("/first", 1).await;
    // Taken in, and silent so far: its request comes only after the drain has begun.
    let mut late = larder.connect().await;
    larder
        .until("two connections", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 2.0
        })
        .await;
    let mut queued = Vec::new();
    for n in 0..20 {
        let mut client = larder.connect().await;
        client
            .send_request("GET", &format!("/queued/{n}"), &[], b"")
            .await;
        queued.push(client);
    }

    let draining = drain_begun(&larder).await;
    late.send_request("GET", "/late", &[], b"").await;
    assert_eq!(late.response().await.complete().text(), "/late 0");
    late.closed().await;
    hold.release();
    assert_eq!(first.response().await.complete().text(), "/first 0");
    for (n, mut client) in queued.into_iter().enumerate() {
        let answer = client.response().await.complete();
        assert_eq!(answer.text(), format!("/queued/{n} 0"));
        assert_eq!(answer.field("connection"), Some("close"), "{n}");
        client.closed().await;
    }
    assert!(within("the drain", draining).await.unwrap());
    let refused = tokio::net::TcpStream::connect(larder.address()).await;
    assert!(refused.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_request_that_has_begun_to_come_when_a_drain_begins_is_answered() {
    let origin = TestOrigin::start().await;
    let larder = Arc::new(TestLarder::start("", &origin).await);
    let mut client = larder.connect().await;
    client.get("/first").await;
    client.send("GET /half HTTP/1.1\r\nHo").await;
    let draining = drain_begun(&larder).await;
    client.send("st: a\r\n\r\n").await;
    let answer = client.response().await.complete();
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("/half 0", Some("close"))
    );
    client.closed().await;
    assert!(within("the drain", draining).await.unwrap());
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_client_that_says_nothing() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::build("drain_timeout: 5s\n", &origin).start().await;
    let mut silent = larder.connect().await;
    larder.get("/x").await;
    assert!(within("the drain", larder.stop()).await, "nothing was cut off");
    silent.closed().await;
}

#[tokio::test]
async fn a_drain_ends_in_time_even_if_an_answer_does_not() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::never());
    let larder = TestLarder::build("drain_timeout: 300ms\n", &origin).start().await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    assert!(
        !within("the drain", larder.stop()).await,
        "the answer was cut off"
    );
    assert!(client.try_response_to("GET").await.is_err());
}

#[tokio::test]
async fn a_dead_origin_is_a_clean_error_and_larder_recovers_by_itself() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { match: 'GET /kept/{n}', ttl: 1m, stale_if_error: 1d }
  - { match: 'GET /**', ttl: 1m }
";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/kept/1").await;
    larder.get("/gone").await;
    larder.advance(Duration::from_secs(61));
    origin.down().await;

    let kept = larder.get("/kept/1").await;
    assert_eq!((kept.status, kept.text()), (200, "/kept/1 0"), "stale_if_error");
    assert!(
        kept.cache_status().ttl.is_none_or(|ttl| ttl < 0),
        "{:?}",
        kept.cache_status()
    );
    for path in ["/gone", "/kept/2", "/never/seen"] {
        let failed = larder.get(path).await;
        assert_eq!(failed.status, 502, "{path}");
        assert_eq!(
            failed.field("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        assert_eq!(failed.reason(), "origin-unreachable", "{path}");
    }
    origin.up().await;
    for path in ["/kept/1", "/gone", "/never/seen"] {
        assert_eq!(larder.get(path).await.status, 200, "{path}");
        assert_eq!(larder.get(path).await.reason(), "hit", "{path}");
    }
}

#[tokio::test]
async fn an_origin_killed_within_answers_breaks_only_those() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |_| Answer::ok("half").announcing(100).wait(&script));
    origin.on("/y", move |_| Answer::never());
    let larder = TestLarder::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin).await;
    larder.get("/stored").await;
    let mut begun = larder.connect().await;
    begun.send_request("GET", "/x", &[], b"").await;
    begun.head().await;
    let mut waiting = larder.connect().await;
    waiting.send_request("GET", "/y", &[], b"").await;
    origin.seen("/y", 1).await;
    origin.down().await;
    assert_ne!(begun.rest().await.1, End::Complete);
    assert_eq!(waiting.response().await.status, 502);
    assert_eq!(
        larder.get("/stored").await.reason(),
        "hit",
        "what is stored needs no origin"
    );
}

#[tokio::test]
async fn stale_if_error_covers_server_errors_and_timeouts() {
    let yaml = "rules:\n  - { match: 'GET /**', ttl: 1m, stale_if_error: 1h, timeout: 300ms }\n";
    for (name, answer) in [
        ("500", Answer::status(500)),
        ("502", Answer::status(502)),
        ("503", Answer::status(503)),
        ("504", Answer::status(504)),
        ("timeout", Answer::never()),
        ("reset", Answer::ok("").reset_first()),
    ] {
        let origin = TestOrigin::start().await;
        let larder = TestLarder::start(yaml, &origin).await;
        larder.get("/x").await;
        larder.advance(Duration::from_secs(61));
        let script = answer.clone();
        origin.on("/x", move |_| script.clone());
        assert_eq!(larder.get("/x").await.text(), "/x 0", "{name}");
        larder.advance(Duration::from_secs(3_600));
        assert!(
            larder.get("/x").await.status >= 500,
            "{name}: no longer than it says"
        );
    }
}
