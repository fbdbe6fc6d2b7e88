//! Malformed requests and broken origins: a clean answer with its reason, and nothing stored.

use crate::support::{Answer, Broken, Response, Rng, TestLarder, TestOrigin};

const HOUR: &str = "rules:\n  - { match: 'GET /**', ttl: 1h, timeout: 300ms }\n";

fn problem(name: &str, answer: &Response, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json"),
        "{name}"
    );
    let json: serde_json::Value = serde_json::from_str(answer.text()).expect(name);
    assert_eq!(json["status"], status, "{name}");
    assert!(json["title"].is_string(), "{name}: {json}");
    assert_eq!(json["reason"], reason, "{name}: {json}");
}

#[tokio::test]
async fn a_malformed_request_gets_400_and_a_closed_connection() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for (name, request) in [
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("no version", "GET /\r\nHost: a\r\n\r\n"),
        ("space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("folded", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
        ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
        ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        (
            "signed length",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        ),
        (
            "negative length",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        ),
        (
            "length of a word",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\nabc",
        ),
        (
            "huge length",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        ),
        (
            "unknown coding",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        ),
        (
            "chunked not last",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc",
        ),
        (
            "two codings",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "two lines of codings",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "the same coding twice",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "authority for a target",
            "POST a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 0\r\n\r\n",
        ),
        ("name for a target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("star for a target", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bad target", "GET nonsense HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("TLS", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"),
        ("bad method", "G=T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let mut client = larder.connect().await;
        client.send(request).await;
        let answer = client
            .try_response_to("GET")
            .await
            .unwrap_or_else(|broken| panic!("{name}: {broken:?}"));
        problem(name, &answer, 400, "bad-request");
        client.closed().await;
    }
    assert_eq!(origin.total(), 0);
    assert_eq!(larder.get("/").await.reason(), "uri-miss", "nothing was stored");
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for request in [
        "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
        "TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = larder.connect().await;
        client.send(request).await;
        let answer = client.response().await;
        assert!(matches!(answer.status, 405 | 501), "{request}: {}", answer.status);
        assert!(answer.text().contains("method-refused"), "{}", answer.text());
    }
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn a_broken_origin_is_502_or_504_with_the_reason_and_nothing_is_stored() {
    for (name, answer, status, reason) in [
        (
            "garbage",
            Answer::raw("SMTP ready\r\n\r\n"),
            502,
            "origin-bad-response",
        ),
        (
            "bad status",
            Answer::raw("HTTP/1.1 99999 X\r\n\r\n"),
            502,
            "origin-bad-response",
        ),
        (
            "two lengths",
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
            502,
            "origin-bad-response",
        ),
        (
            "half a head",
            Answer::raw("HTTP/1.1 200 OK\r\nX: "),
            502,
            "origin-reset",
        ),
        ("closed", Answer::raw(""), 502, "origin-reset"),
        ("reset", Answer::ok("").reset_first(), 502, "origin-reset"),
        ("silence", Answer::never(), 504, "origin-timeout"),
    ] {
        let origin = TestOrigin::start().await;
        let script = answer.clone();
        origin.on("/x", move |_| script.clone());
        let larder = TestLarder::start(HOUR, &origin).await;
        let broken = larder.get("/x").await;
        problem(name, &broken, status, reason);
        assert_eq!(broken.reason(), reason, "{name}");
        origin.on("/x", |_| Answer::ok("well"));
        let next = larder.get("/x").await;
        assert_eq!(
            (next.text(), next.reason().as_str()),
            ("well", "uri-miss"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_request_that_has_passed_here_before_gets_508() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/x").await;
    let via = origin.requests("/x")[0].field("via").expect("Via").to_owned();
    let looped = larder
        .get_with("/y", &[("Via", &format!("1.0 other, {via}"))])
        .await;
    problem("loop", &looped, 508, "loop");
    assert_eq!(
        larder
            .get_with("/y", &[("Via", "1.1 larder-elsewhere")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn bad_bytes_never_end_the_process_or_panic() {
    let mut rng = Rng::from_env("bad_bytes");
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let seed = "POST /x?y=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\
                Cookie: a=b; c\r\nCache-Control: max-age=\"x\r\nRange: bytes=\r\nIf-None-Match: \"\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for _ in 0..500 {
        let mut bytes = seed.as_bytes().to_vec();
        for _ in 0..=rng.below(8) {
            let place = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[place] = rng.next() as u8,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, rng.next() as u8),
            }
        }
        let mut client = larder.connect().await;
        client.try_send(&bytes).await;
        client.wire().shutdown().await;
        match client.try_response_to("POST").await {
            Ok(answer) => assert_ne!(answer.status, 500, "{:?}", String::from_utf8_lossy(&bytes)),
            Err(Broken::Closed | Broken::Reset) => {}
            Err(Broken::Malformed(what)) => panic!("{what} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    assert_eq!(larder.metric("larder_panics_total", &[]).await, 0.0);
    assert_eq!(larder.get("/fine").await.status, 200);
}

#[tokio::test]
async fn malformed_fields_bypass_nothing_and_break_nothing() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/x").await;
    for (name, value) in [
        ("Range", "bytes="),
        ("Range", "bytes=9-1"),
        ("Accept-Encoding", ";;,,q=x"),
        ("If-None-Match", "\"unfinished"),
        ("If-Modified-Since", "yesterday"),
        ("Cache-Control", ",,=,\"\\"),
        ("Via", ",,,"),
        ("Connection", ",,"),
    ] {
        let answer = larder.get_with("/x", &[(name, value)]).await;
        assert!(
            matches!(answer.status, 200 | 416),
            "{name}: {value}: {}",
            answer.status
        );
    }
    assert_eq!(larder.get("/x").await.reason(), "hit");
}
