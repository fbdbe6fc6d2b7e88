//! Answers on an HTTP/2 connection that their client does not take.

use std::sync::Arc;

use super::raw::{DATA, GOAWAY, HEADERS, RESET, RawClient};
use crate::support::{Answer, Gate, TestLarder, TestOrigin};

const LIMITS: &str = "limits: { write_timeout: 300ms, header_timeout: 60s, idle_timeout: 60s }
rules:
  - { match: GET /small, ttl: 1h }
";

/// An origin with answers that do not end, of a stored size, and slow ones.
async fn origin(gate: &Gate) -> TestOrigin {
    let origin = TestOrigin::start().await;
    let (never, held, second) = (Gate::shut(), gate.clone(), gate.clone());
    origin.on("/endless", move |_| {
        Answer::status(200).chunk(vec![b'x'; 2_000]).wait(&never)
    });
    origin.on("/large", |_| {
        (0..20).fold(Answer::status(200), |answer, _| answer.chunk(vec![b'x'; 10_000]))
    });
    origin.on("/small", |_| Answer::ok(vec![b'x'; 2_000]));
    origin.on("/slow", move |_| Answer::ok("slow").wait_first(&held));
    origin.on("/halting", move |_| {
        Answer::status(200).chunk("one").wait(&second).chunk("two")
    });
    origin
}

async fn start(origin: &TestOrigin) -> TestLarder {
    TestLarder::build(LIMITS, origin).start().await
}

/// Waits until no request to the origin is under way.
async fn let_go(larder: &TestLarder) {
    larder
        .until("the origin to be let go", async |larder| {
            let busy = [("state", "busy")];
            larder.metric("larder_origin_connections", &busy).await == 0.0
        })
        .await;
}

#[tokio::test]
async fn an_answer_that_gets_no_window_is_reset_though_pings_go_to_and_fro() {
    let origin = origin(&Gate::shut()).await;
    let larder = start(&origin).await;
    // None from the beginning, and no more in the middle.
    for window in [0, 1_000] {
        for path in ["/endless", "/large"] {
            let mut client = RawClient::connect(&larder, window).await;
            client.get(1, path).await;
            let reset = client.pinging_until(|frame| frame.kind == RESET).await.unwrap();
            assert_eq!(reset.stream, 1, "{path} with {window}");
            let_go(&larder).await;
            client.set_window(65_535).await;
            client.get(3, "/small").await;
            assert_eq!(client.read(3).await.len(), 2_000, "{path} with {window}");
        }
    }
    assert!(
        larder
            .metric("larder_client_connection_errors_total", &[("reason", "stalled")])
            .await
            >= 4.0
    );
}

#[tokio::test]
async fn an_answer_that_gets_none_of_the_connection_s_window_is_reset() {
    let origin = origin(&Gate::shut()).await;
    let larder = start(&origin).await;
    let mut client = RawClient::connect(&larder, 1 << 20).await;
    client.get(1, "/large").await;
    let reset = client.pinging_until(|frame| frame.kind == RESET).await.unwrap();
    assert_eq!(reset.stream, 1);
    let_go(&larder).await;
}

#[tokio::test]
async fn a_stream_that_is_silent_both_ways_ends_whatever_else_the_connection_says() {
    let origin = origin(&Gate::shut()).await;
    let yaml = LIMITS.replace("limits: {", "limits: { stream_idle_timeout: 300ms,");
    let larder = TestLarder::build(&yaml, &origin).start().await;
    let mut client = RawClient::connect(&larder, 65_535).await;
    client.get(1, "/endless").await;
    assert_eq!(client.until(DATA, 1).await.stream, 1);
    let reset = client.pinging_until(|frame| frame.kind == RESET).await.unwrap();
    assert_eq!(reset.stream, 1);
    let_go(&larder).await;
}

#[tokio::test]
async fn a_connection_whose_client_does_not_take_an_answer_s_last_bytes_ends() {
    let origin = origin(&Gate::shut()).await;
    let larder = start(&origin).await;
    larder.get_with("/small", &[("Host", "shop.test")]).await;
    let mut client = RawClient::connect(&larder, 1_000).await;
    client.get(1, "/small").await;
    let goaway = client.pinging_until(|frame| frame.kind == GOAWAY).await;
    assert!(goaway.is_some(), "the client is told first");
    assert!(client.pinging_until(|_| false).await.is_none());
    let mut other = RawClient::connect(&larder, 65_535).await;
    other.get(1, "/small").await;
    assert_eq!(other.read(1).await.len(), 2_000);
}

#[tokio::test]
async fn an_answer_that_waits_for_its_origin_outlives_one_that_is_not_taken() {
    let gate = Gate::shut();
    let origin = origin(&gate).await;
    let larder = start(&origin).await;
    larder.get_with("/small", &[("Host", "shop.test")]).await;
    let mut client = RawClient::connect(&larder, 1_000).await;
    client.get(1, "/slow").await;
    client.get(3, "/small").await;
    assert!(client.pinging_until(|frame| frame.kind == GOAWAY).await.is_some());
    // Longer than it took until then.
    let frames = std::cell::Cell::new(0);
    let waited = client.pinging_until(|frame| {
        frames.set(frames.get() + 1);
        frame.stream == 1 || frames.get() == 100
    });
    assert!(
        waited.await.is_some_and(|frame| frame.stream != 1),
        "the connection stands"
    );
    gate.open();
    assert_eq!(client.read(1).await, b"slow");
}

#[tokio::test]
async fn a_client_that_takes_an_answer_slowly_gets_it_whole_beside_one_that_is_reset() {
    let origin = origin(&Gate::shut()).await;
    // Long enough that a test which the machine holds up is not taken for a client that stops.
    let yaml = LIMITS.replace("300ms", "1s");
    let larder = TestLarder::build(&yaml, &origin).start().await;
    let mut client = RawClient::connect(&larder, 0).await;
    client.get(1, "/small").await;
    client.until(HEADERS, 1).await;
    let mut taken = 0;
    // As long as it takes until others are reset, one after the other.
    for stream in [3, 5] {
        client.get(stream, "/endless").await;
        loop {
            client.grant(1, 1).await;
            let frame = client.next().await.unwrap();
            if (frame.kind, frame.stream) == (RESET, stream) {
                break;
            }
            assert_ne!(frame.kind, RESET, "{frame:?}");
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.kind == DATA {
                taken += frame.content.len();
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
    assert!(taken < 2_000, "{taken}: the answer ended before the others");
    client.grant(1, 2_000).await;
    assert_eq!(taken + client.read(1).await.len(), 2_000);
}

#[tokio::test]
async fn an_answer_that_waits_for_its_origin_is_not_the_client_s_fault() {
    let gate = Gate::shut();
    let origin = origin(&gate).await;
    let larder = start(&origin).await;
    let mut client = RawClient::connect(&larder, 1_000).await;
    client.get(1, "/slow").await;
    client.get(3, "/halting").await;
    assert_eq!(client.until(DATA, 3).await.content, b"one");
    for stream in [5, 7, 9] {
        client.get(stream, "/endless").await;
        let reset = client.pinging_until(|frame| frame.kind == RESET).await.unwrap();
        assert_eq!(reset.stream, stream);
    }
    gate.open();
    let (mut slow, mut halting) = (false, false);
    while !(slow && halting) {
        let frame = client.next().await.unwrap();
        assert_ne!(frame.kind, RESET, "{frame:?}");
        slow |= frame.stream == 1 && frame.content == b"slow";
        halting |= frame.stream == 3 && frame.content == b"two";
    }
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_reset_though_others_on_the_connection_are() {
    let origin = origin(&Gate::shut()).await;
    let larder = Arc::new(start(&origin).await);
    let mut client = RawClient::connect(&larder, 0).await;
    client.get(1, "/endless").await;
    client.get(3, "/small").await;
    client.get(5, "/small").await;
    loop {
        client.grant(3, 1).await;
        let frame = client.next().await.unwrap();
        if frame.kind == DATA {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        if (frame.kind, frame.stream) == (RESET, 1) {
            break;
        }
    }
}
