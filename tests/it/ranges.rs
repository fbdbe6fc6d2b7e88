//! Parts of content (RFC 9110 §14): from the store, from a fill under way, and past the store.

use crate::support::{Answer, Client, End, Seen, Step, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /**', ttl: 1h }\n";

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

fn tagged(_: &Seen) -> Answer {
    Answer::ok(TEXT)
        .field("ETag", "\"one\"")
        .field("Content-Type", "text/plain")
        .field("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT")
        .field("Date", "Tue, 15 Nov 1994 12:46:26 GMT")
}

#[tokio::test]
async fn parts_come_from_the_store() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    let old = "Tue, 15 Nov 1994 12:45:26 GMT";
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, Option<&'a str>, &'a str);
    let table: &[Row<'_>] = &[
        ("bytes=0-3", &[], 206, Some("bytes 0-3/36"), "0123"),
        ("bytes=33-", &[], 206, Some("bytes 33-35/36"), "xyz"),
        ("bytes=-2", &[], 206, Some("bytes 34-35/36"), "yz"),
        ("bytes=30-99", &[], 206, Some("bytes 30-35/36"), "uvwxyz"),
        ("bytes=0-0,1-1", &[], 206, Some("bytes 0-1/36"), "01"),
        ("bytes=5-4", &[], 200, None, TEXT),
        ("lines=0-3", &[], 200, None, TEXT),
        (
            "bytes=0-3",
            &[("If-Range", "\"one\"")],
            206,
            Some("bytes 0-3/36"),
            "0123",
        ),
        (
            "bytes=0-3",
            &[("If-Range", old)],
            206,
            Some("bytes 0-3/36"),
            "0123",
        ),
        ("bytes=0-3", &[("If-Range", "\"two\"")], 200, None, TEXT),
        ("bytes=0-3", &[("If-Range", "W/\"one\"")], 200, None, TEXT),
        ("bytes=0-3", &[("If-None-Match", "\"one\"")], 304, None, ""),
        (
            "bytes=0-3",
            &[("If-None-Match", "\"two\"")],
            206,
            Some("bytes 0-3/36"),
            "0123",
        ),
    ];
    for (range, more, status, content_range, content) in table {
        let mut fields = vec![("Range", *range)];
        fields.extend_from_slice(more);
        let answer = larder.get_with("/x", &fields).await;
        assert_eq!(answer.status, *status, "{fields:?}");
        assert_eq!(answer.field("content-range"), *content_range, "{fields:?}");
        assert_eq!(answer.text(), *content, "{fields:?}");
        assert_eq!(answer.field("etag"), Some("\"one\""), "{fields:?}");
        assert_eq!(answer.reason(), "hit", "{fields:?}");
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn what_lies_beyond_the_end_is_refused_with_the_length() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    for _cold_and_stored in 0..2 {
        let answer = larder.get_with("/x", &[("Range", "bytes=36-")]).await;
        assert_eq!(answer.status, 416);
        assert_eq!(answer.field("content-range"), Some("bytes */36"));
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert_eq!(larder.get("/x").await.text(), TEXT);
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn several_parts_are_told_apart_by_a_delimiter() {
    let long = format!("{TEXT}{}{TEXT}", "-".repeat(1000));
    let content = long.clone();
    let origin = TestOrigin::start().await;
    origin.on("/x", move |_| {
        Answer::ok(content.clone()).field("Content-Type", "text/plain")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    let answer = larder.get_with("/x", &[("Range", "bytes=-3,0-2,500-501")]).await;
    assert_eq!((answer.status, answer.field("content-range")), (206, None));
    let kind = answer.field("content-type").expect("a type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a boundary");
    let part = |range: &str, bytes: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes {range}/1072\r\n\r\n{bytes}\r\n"
        )
    };
    let expected = format!(
        "{}{}{}--{boundary}--\r\n",
        part("1069-1071", "xyz"),
        part("0-2", "012"),
        part("500-501", "--"),
    );
    assert_eq!(answer.text(), expected);
    assert_eq!(
        answer.field("content-length"),
        Some(expected.len().to_string().as_str())
    );
    let all = larder
        .get_with("/x", &[("Range", "bytes=0-1000,1100-,500-600")])
        .await;
    assert_eq!(all.status, 206, "those that touch are one: {all:?}");
    let many: Vec<String> = (0..40).map(|n| format!("{0}-{0}", n * 20)).collect();
    let many = larder
        .get_with("/x", &[("Range", &format!("bytes={}", many.join(",")))])
        .await;
    assert_eq!(
        (many.status, many.text()),
        (200, long.as_str()),
        "more than are worth it"
    );
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn only_get_has_ranges() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    let head = larder.request("HEAD", "/x", &[("Range", "bytes=0-1")], b"").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("36")));
    assert_eq!(head.reason(), "hit");
}

#[tokio::test]
async fn a_cold_key_answers_a_part_while_the_whole_is_stored() {
    let origin = TestOrigin::start().await;
    let more = crate::support::Gate::shut();
    let gate = more.clone();
    origin.on("/x", move |_| {
        Answer::status(200)
            .announcing(36)
            .then(Step::Send(TEXT.as_bytes()[..20].into()))
            .wait(&gate)
            .then(Step::Send(TEXT.as_bytes()[20..].into()))
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let early = larder.get_with("/x", &[("Range", "bytes=5-14")]).await;
    assert_eq!((early.status, early.text()), (206, "56789abcde"));
    assert_eq!(early.field("content-range"), Some("bytes 5-14/36"));
    assert_eq!(early.reason(), "uri-miss");
    assert_eq!(
        origin.requests("/x")[0].field("range"),
        None,
        "a fill asks for the whole"
    );
    let mut late = larder.connect().await;
    late.send_request("GET", "/x", &[("Range", "bytes=18-21")], b"")
        .await;
    let (status, _) = late.head().await;
    assert_eq!(status, 206, "the head does not wait for the content");
    more.open();
    assert_eq!(late.rest().await, ("ijkl".into(), End::Complete));
    let hit = larder.get_with("/x", &[("Range", "bytes=-1")]).await;
    assert_eq!((hit.reason().as_str(), hit.text()), ("hit", "z"));
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_part_of_what_is_not_stored_costs_one_fill_and_then_passes_as_it_came() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        let answer = match seen.field("range") {
            Some(_) => Answer::status(206)
                .with("01")
                .field("Content-Range", "bytes 0-1/36"),
            None => Answer::ok(TEXT),
        };
        match seen.path() {
            "/huge" if seen.field("range").is_none() => answer.announcing(5 << 30),
            "/no-store" => answer.field("Cache-Control", "no-store"),
            _ => answer,
        }
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for path in ["/huge", "/no-store"] {
        for _ in 0..4 {
            let part = larder.get_with(path, &[("Range", "bytes=0-1")]).await;
            assert_eq!((part.status, part.text()), (206, "01"), "{path}");
            assert_eq!(part.field("content-range"), Some("bytes 0-1/36"), "{path}");
        }
        let seen = origin.requests(path);
        let fills = seen.iter().filter(|seen| seen.field("range").is_none()).count();
        assert_eq!((fills, seen.len()), (1, 5), "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_not_asked_for_twice() {
    let origin = TestOrigin::start().await;
    origin.on("/gone", |_| Answer::status(404).with("no such thing"));
    origin.on("/broken", |_| Answer::status(500).with("oops"));
    let larder = TestLarder::start(RULES, &origin).await;
    for (path, status) in [("/gone", 404), ("/broken", 500)] {
        let answer = larder.get_with(path, &[("Range", "bytes=0-1")]).await;
        assert_eq!(answer.status, status);
        assert_eq!(origin.count(path), 1, "{path}");
    }
}

#[tokio::test]
async fn several_parts_of_a_cold_key_are_answered_with_the_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("x".repeat(1000)));
    let larder = TestLarder::start(RULES, &origin).await;
    let answer = larder.get_with("/x", &[("Range", "bytes=0-1,900-901")]).await;
    assert_eq!((answer.status, answer.content.len()), (200, 1000));
}

#[tokio::test]
async fn a_connection_goes_on_after_parts() {
    let origin = TestOrigin::start().await;
    origin.on("/x", tagged);
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client: Client = larder.connect().await;
    for range in ["bytes=0-3", "bytes=36-", "bytes=0-1,30-31", "bytes=-1"] {
        let answer = client.request("GET", "/x", &[("Range", range)], b"").await;
        assert_eq!(answer.end, End::Complete, "{range}");
    }
    assert_eq!(client.get("/x").await.text(), TEXT);
}
