//! Parts stored as the origin sent them, behind `partial: true` (RFC 9110 §15.3.7.3, RFC 9111 §3.4).

use std::time::Duration;

use crate::support::{Answer, Seen, Step, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /**', ttl: 1h, partial: true }\n";

const TEXT: &str = "0123456789";

/// An origin that knows ranges, with a strong tag.
fn ranged(seen: &Seen) -> Answer {
    let asked = seen.field("range").and_then(|range| range.strip_prefix("bytes="));
    let answer = match asked.and_then(|range| range.split_once('-')) {
        Some((first, last)) => {
            let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) => (first, last.min(9)),
                (Ok(first), Err(_)) => (first, 9),
                (Err(_), Ok(length)) => (10 - length, 9),
                (Err(_), Err(_)) => panic!("{seen:?}"),
            };
            Answer::status(206)
                .with(&TEXT.as_bytes()[first..=last])
                .field("Content-Range", &format!("bytes {first}-{last}/10"))
        }
        None => Answer::ok(TEXT),
    };
    answer
        .field("ETag", "\"one\"")
        .field("Content-Type", "text/plain")
}

async fn part(larder: &TestLarder, range: &str) -> (u16, String, String) {
    let answer = larder.get_with("/x", &[("Range", range)]).await;
    (answer.status, answer.text().to_owned(), answer.reason())
}

fn found(status: u16, text: &str, reason: &str) -> (u16, String, String) {
    (status, text.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_part_answers_what_it_covers() {
    let origin = TestOrigin::start().await;
    origin.on("/x", ranged);
    let larder = TestLarder::start(RULES, &origin).await;
    assert_eq!(part(&larder, "bytes=-6").await, found(206, "456789", "uri-miss"));
    assert_eq!(origin.requests("/x")[0].field("range"), Some("bytes=-6"));
    for (range, text) in [
        ("bytes=-6", "456789"),
        ("bytes=6-8", "678"),
        ("bytes=6-", "6789"),
        ("bytes=-1", "9"),
    ] {
        assert_eq!(part(&larder, range).await, found(206, text, "hit"), "{range}");
    }
    let refused = larder.get_with("/x", &[("Range", "bytes=10-")]).await;
    assert_eq!(
        (refused.status, refused.field("content-range")),
        (416, Some("bytes */10"))
    );
    let head = larder.request("HEAD", "/x", &[], b"").await;
    assert_eq!(
        (head.reason().as_str(), head.field("content-length")),
        ("hit", Some("10"))
    );
    assert_eq!(head.field("content-range"), None);
    let known = larder.get_with("/x", &[("If-None-Match", "\"one\"")]).await;
    assert_eq!((known.status, known.reason().as_str()), (304, "hit"));
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_part_is_completed_by_asking_for_the_rest() {
    for (range, rest) in [("bytes=0-3", "bytes=4-"), ("bytes=-3", "bytes=0-6")] {
        let origin = TestOrigin::start().await;
        origin.on("/x", ranged);
        let larder = TestLarder::start(RULES, &origin).await;
        part(&larder, range).await;
        let whole = larder.get("/x").await;
        assert_eq!((whole.status, whole.text()), (200, TEXT), "{range}");
        assert_eq!(whole.field("content-range"), None);
        let status = whole.cache_status();
        assert_eq!(
            (status.fwd.as_deref(), status.detail.as_deref()),
            (Some("partial"), Some("parts-missing"))
        );
        let asked = &origin.requests("/x")[1];
        assert_eq!(
            (asked.field("range"), asked.field("if-range")),
            (Some(rest), Some("\"one\""))
        );
        assert_eq!(larder.get("/x").await.reason(), "hit");
        assert_eq!(part(&larder, "bytes=2-8").await, found(206, "2345678", "hit"));
        assert_eq!(origin.total(), 2);
    }
}

#[tokio::test]
async fn parts_of_the_same_content_become_one() {
    let origin = TestOrigin::start().await;
    origin.on("/x", ranged);
    let larder = TestLarder::start(RULES, &origin).await;
    part(&larder, "bytes=0-3").await;
    assert_eq!(
        part(&larder, "bytes=3-6").await,
        found(206, "3456", "parts-missing")
    );
    assert_eq!(part(&larder, "bytes=1-6").await, found(206, "123456", "hit"));
    assert_eq!(
        part(&larder, "bytes=7-9").await,
        found(206, "789", "parts-missing")
    );
    assert_eq!(
        larder.get("/x").await.reason(),
        "hit",
        "the whole has come together"
    );
    assert_eq!(origin.total(), 3);
}

#[tokio::test]
async fn parts_of_different_contents_are_never_mixed() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let answer = ranged(seen);
        if seen.before == 0 {
            return answer;
        }
        let tag = format!("\"{}\"", seen.before);
        match seen.field("range") {
            // Changed, and the condition ignored: a part of another content.
            Some(_) => Answer::status(206)
                .with("XXXXXX")
                .field("Content-Range", "bytes 4-9/10")
                .field("ETag", &tag),
            None => Answer::ok("abcdefghij").field("ETag", &tag),
        }
    });
    let larder = TestLarder::start(RULES, &origin).await;
    part(&larder, "bytes=0-3").await;
    assert_eq!(larder.get("/x").await.text(), "abcdefghij");
    let asked: Vec<_> = origin
        .requests("/x")
        .iter()
        .map(|seen| seen.field("range").map(str::to_owned))
        .collect();
    assert_eq!(asked, [Some("bytes=0-3".into()), Some("bytes=4-".into()), None]);
}

#[tokio::test]
async fn a_changed_content_answers_the_request_for_the_rest_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.before {
        0 => ranged(seen),
        _ => Answer::ok("abc").field("ETag", "\"two\""),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    part(&larder, "bytes=0-3").await;
    assert_eq!(larder.get("/x").await.text(), "abc");
    assert_eq!(larder.get("/x").await.reason(), "hit");
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn a_part_of_the_wrong_length_is_not_stored() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        let answer = Answer::status(206).field("ETag", "\"one\"");
        match seen.path() {
            "/long" => answer.with("01234").field("Content-Range", "bytes 4-9/10"),
            "/chunked" => answer.chunk("01234").field("Content-Range", "bytes 4-9/10"),
            "/unknown" => answer.with("456789").field("Content-Range", "bytes 4-9/*"),
            _ => answer.with("456789"),
        }
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for path in ["/long", "/chunked", "/unknown", "/none"] {
        for times in 1..=2 {
            let answer = larder.get_with(path, &[("Range", "bytes=4-9")]).await;
            assert_eq!(answer.status, 206, "{path}");
            assert_eq!(origin.count(path), times, "{path}");
        }
    }
}

#[tokio::test]
async fn a_write_drops_a_part_and_time_ends_it() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.method.as_str() {
        "GET" => ranged(seen),
        _ => Answer::status(204),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    part(&larder, "bytes=0-3").await;
    larder.request("PUT", "/x", &[], b"new").await;
    assert_eq!(part(&larder, "bytes=0-3").await.2, "invalidated");
    larder.advance(Duration::from_secs(3601));
    assert_eq!(part(&larder, "bytes=0-3").await.2, "stale");
    assert_eq!(origin.count("GET /x"), 3);
}

#[tokio::test]
async fn a_part_that_breaks_off_is_not_stored() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.before {
        0 => Answer::status(206)
            .field("Content-Range", "bytes 0-3/10")
            .field("ETag", "\"one\"")
            .announcing(4)
            .then(Step::Send("01".into()))
            .reset(),
        _ => ranged(seen),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    client
        .send_request("GET", "/x", &[("Range", "bytes=0-3")], b"")
        .await;
    assert!(
        client
            .try_response_to("GET")
            .await
            .is_ok_and(|answer| answer.end != crate::support::End::Complete)
    );
    assert_eq!(part(&larder, "bytes=0-3").await, found(206, "0123", "uri-miss"));
}

#[tokio::test]
async fn without_the_rules_word_a_part_is_a_part_of_a_stored_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/x", ranged);
    let larder = TestLarder::start("", &origin).await;
    let answer = larder.get_with("/x", &[("Range", "bytes=0-3")]).await;
    assert_eq!((answer.status, answer.text()), (206, "0123"));
    assert_eq!(origin.requests("/x")[0].field("range"), None);
}

/// A part stored, then the whole asked for; the rest comes with these fields.
async fn after_part(yaml: &str, rest: &'static [(&'static str, &'static str)]) -> (TestOrigin, TestLarder) {
    let origin = TestOrigin::start().await;
    origin.on("/x", move |seen| {
        let answer = ranged(seen);
        match (seen.before, seen.field("range")) {
            (0, _) | (_, None) => answer,
            (_, Some(_)) => rest
                .iter()
                .fold(answer, |answer, (name, value)| answer.field(name, value)),
        }
    });
    let larder = TestLarder::start(yaml, &origin).await;
    part(&larder, "bytes=0-3").await;
    (origin, larder)
}

#[tokio::test]
async fn whoever_asks_for_the_whole_never_gets_the_rest() {
    let table: &[(&str, &'static [(&'static str, &'static str)])] = &[
        (RULES, &[("Set-Cookie", "a=b")]),
        (RULES, &[("Cache-Control", "no-store")]),
        (
            "rules:\n  - { match: 'GET /**', ttl: 1h, partial: true, max_object: 8B }\n",
            &[],
        ),
    ];
    for (yaml, rest) in table {
        let yaml = yaml.replace("8B", "8");
        let (_origin, larder) = after_part(&yaml, rest).await;
        for _ in 0..2 {
            let whole = larder.get("/x").await;
            assert_eq!((whole.status, whole.text()), (200, TEXT), "{yaml} {rest:?}");
            assert_eq!(whole.field("content-range"), None);
        }
    }
}

#[tokio::test]
async fn a_rest_of_unknown_length_is_not_trusted() {
    for surplus in ["456789", "456789XX", "45"] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |seen| match (seen.before, seen.field("range")) {
            (0, _) | (_, None) => ranged(seen),
            (_, Some(_)) => Answer::status(206)
                .field("ETag", "\"one\"")
                .field("Content-Range", "bytes 4-9/10")
                .chunk(surplus),
        });
        let larder = TestLarder::start(RULES, &origin).await;
        part(&larder, "bytes=0-3").await;
        let whole = larder.get("/x").await;
        assert_eq!((whole.status, whole.text()), (200, TEXT), "{surplus}");
    }
}

#[tokio::test]
async fn a_digest_of_the_content_stays_with_the_content() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        ranged(seen).field("Content-Digest", "sha-256=:AAAA:")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/whole").await;
    assert!(larder.get("/whole").await.field("content-digest").is_some());
    for (path, range) in [
        ("/whole", "bytes=0-1"),
        ("/part", "bytes=0-3"),
        ("/part", "bytes=1-2"),
    ] {
        let answer = larder.get_with(path, &[("Range", range)]).await;
        let own = answer.reason() != "hit";
        assert_eq!(answer.field("content-digest").is_some(), own, "{path} {range}");
    }
    assert_eq!(
        larder.get("/part").await.field("content-digest"),
        None,
        "put together here"
    );
}
