//! Conditionals: those of clients, answered here, and Larder's own to the origin (RFC 9111 §4.3).

use std::time::Duration;

use crate::support::{Answer, Seen, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /**', ttl: 1m }\n";

fn tagged(seen: &Seen) -> Answer {
    if seen.field("if-none-match") == Some("\"one\"") {
        return Answer::status(304)
            .field("ETag", "\"one\"")
            .field("X-Seen", "again");
    }
    Answer::ok("content")
        .field("ETag", "\"one\"")
        .field("X-Seen", "first")
        .field("Content-Type", "text/plain")
}

#[tokio::test]
async fn a_clients_condition_is_answered_from_the_store() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    let cold = larder.get_with("/x", &[("If-None-Match", "\"one\"")]).await;
    assert_eq!(cold.status, 304, "the client has it already");
    assert_eq!(
        origin.requests("/x")[0].field("if-none-match"),
        None,
        "a fill asks for the whole"
    );
    for (value, status) in [
        ("\"one\"", 304),
        ("W/\"one\"", 304),
        ("*", 304),
        ("\"two\", \"one\"", 304),
        ("\"two\"", 200),
    ] {
        let answer = larder.get_with("/x", &[("If-None-Match", value)]).await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (status, "hit"),
            "{value}"
        );
        assert_eq!(answer.field("etag"), Some("\"one\""), "{value}");
        assert_eq!(answer.content.is_empty(), status == 304, "{value}");
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_stale_answer_is_validated_and_freshened() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    let validated = larder.get("/x").await;
    assert_eq!((validated.status, validated.text()), (200, "content"));
    let status = validated.cache_status();
    assert_eq!(
        (status.fwd.as_deref(), status.fwd_status),
        (Some("stale"), Some(304))
    );
    assert_eq!(
        validated.field("x-seen"),
        Some("again"),
        "a 304 freshens the head"
    );
    assert_eq!(
        validated.field("content-type"),
        Some("text/plain"),
        "what a 304 leaves out stays"
    );
    assert_eq!(larder.get("/x").await.reason(), "hit");
    assert_eq!(origin.requests("/x")[1].field("if-none-match"), Some("\"one\""));
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn last_modified_alone_is_enough_to_validate() {
    let origin = TestOrigin::start().await;
    let date = "Wed, 01 Jan 2020 00:00:00 GMT";
    origin.on("/x", move |seen| match seen.field("if-modified-since") {
        Some(_) => Answer::status(304),
        None => Answer::ok("content").field("Last-Modified", date),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    assert_eq!(larder.get("/x").await.text(), "content");
    assert_eq!(origin.requests("/x")[1].field("if-modified-since"), Some(date));
    let same = larder.get_with("/x", &[("If-Modified-Since", date)]).await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn no_cache_is_stored_and_validated_every_time() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| tagged(seen).field("Cache-Control", "no-cache"));
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    for _ in 0..2 {
        let answer = larder.get("/x").await;
        assert_eq!((answer.status, answer.text()), (200, "content"));
        assert_eq!(
            answer.cache_status().fwd_status,
            Some(304),
            "{:?}",
            answer.cache_status()
        );
    }
    assert_eq!(origin.total(), 3);
}

#[tokio::test]
async fn a_forward_that_is_no_fill_keeps_its_conditions() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: GET /x, cache: false }\n", &origin).await;
    let fields = [
        ("If-None-Match", "\"a\""),
        ("Range", "bytes=0-1"),
        ("Accept-Encoding", "gzip"),
    ];
    larder.get_with("/x", &fields).await;
    let seen = &origin.requests("/x")[0];
    for (name, value) in fields {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_304_without_a_date_counts_from_when_it_came() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| tagged(seen).field("Cache-Control", "max-age=60"));
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    assert_eq!(larder.get("/x").await.reason(), "stale");
    assert_eq!(larder.get("/x").await.reason(), "hit");
    assert_eq!(origin.total(), 2);
}
