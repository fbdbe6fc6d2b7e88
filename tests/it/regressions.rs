//! One test a defect that was found by reading or in use: each was red before its mend.

use std::sync::Arc;
use std::time::Duration;

use larder::origin::{Connect, Connected, Connecting, Wanted};

use crate::support::{Answer, Client, End, Gate, LarderBuilder, Step, TestLarder, TestOrigin};

const HOUR: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

#[tokio::test]
async fn an_origins_empty_refusal_passes_unchanged() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for status in [400, 401, 403, 404, 405, 408, 413, 414, 431] {
        origin.on("/x", move |_| {
            Answer::status(status)
                .field("WWW-Authenticate", "Basic realm=\"shop\"")
                .field("X-Why", "because")
        });
        let mut client = larder.connect().await;
        for method in ["GET", "HEAD", "DELETE", "GET"] {
            let answer = client.request(method, "/x", &[], b"").await.complete();
            let what = format!("{method} {status}: {:?}", answer.fields);
            assert_eq!((answer.status, answer.text()), (status, ""), "{what}");
            assert_eq!(answer.field("x-why"), Some("because"), "{what}");
            assert_eq!(
                answer.field("www-authenticate"),
                Some("Basic realm=\"shop\""),
                "{what}"
            );
            assert_eq!(answer.field("content-type"), None, "{what}");
        }
    }
    origin.on("/gone", |_| Answer::ok("no content here").field("X-Why", "head"));
    origin.on("HEAD /gone", |_| {
        Answer::status(404).announcing(15).field("X-Why", "head")
    });
    let mut client = larder.connect().await;
    let head = client.request("HEAD", "/gone", &[], b"").await;
    assert_eq!(
        (head.status, head.field("x-why")),
        (404, Some("head")),
        "{head:?}"
    );
    assert_eq!(head.field("content-length"), Some("15"));
    assert_eq!(client.get("/gone").await.text(), "no content here");
}

/// Serves connections to the origin in memory, so that a paused clock sees every wait.
struct InMemory(Arc<dyn Fn(tokio::io::DuplexStream) + Send + Sync>);

impl Connect for InMemory {
    fn connect(&self, _: Wanted) -> Connecting {
        let (near, far) = tokio::io::duplex(1 << 20);
        (self.0)(far);
        Box::pin(async move { Ok(Connected::http1(near)) })
    }
}

async fn in_memory(yaml: &str, origin: &TestOrigin) -> TestLarder {
    let connect = InMemory(Arc::new(origin.server()));
    LarderBuilder::over(yaml, Arc::new(connect))
        .manual_clock()
        .start()
        .await
}

/// A client over an in-memory pipe that holds at most so many bytes of what it has not read.
fn client(larder: &TestLarder, holds: usize) -> Client {
    let (near, far) = tokio::io::duplex(holds);
    larder.serve(far);
    Client::over(near)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_falls_silent_holds_up_neither_later_requests_nor_memory() {
    let origin = TestOrigin::unbound();
    let (stalls, gate) = (4 << 20, Gate::shut());
    let opens = gate.clone();
    origin.on("/x", move |seen| match seen.before {
        0 => Answer::ok("one")
            .announcing(stalls)
            .wait(&opens)
            .chunk(vec![b'x'; stalls as usize - 3]),
        _ => Answer::ok("whole"),
    });
    let larder = in_memory(HOUR, &origin).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut one = client(&larder, 64 << 10);
        one.send_request("GET", "/x", &[], b"").await;
        assert_eq!(one.head().await.0, 200);
        assert_eq!(one.piece().await.unwrap().unwrap(), "one");
        waiting.push(one);
    }
    assert_eq!(origin.count("/x"), 1);
    tokio::time::sleep(Duration::from_secs(11)).await;

    for _ in 0..2 {
        let mut late = client(&larder, 64 << 10);
        let answer = late.get("/x").await.complete();
        assert_eq!(answer.text(), "whole");
    }
    let held = larder.in_flight();
    assert!(
        held < 100_000,
        "{held} bytes are kept for an answer that is silent"
    );
    gate.open();
    // All at once: the slowest holds the others back now.
    let mut reading = tokio::task::JoinSet::new();
    for mut one in waiting {
        reading.spawn(async move { one.rest().await });
    }
    while let Some(read) = reading.join_next().await {
        let (rest, end) = read.unwrap();
        assert_eq!((rest.len() as u64, end), (stalls - 3, End::Complete));
    }
    assert_eq!(client(&larder, 1024).get("/x").await.text(), "whole");
}

#[tokio::test]
async fn what_slow_readers_hold_counts_and_stays_within_the_memory() {
    const SIZE: usize = 1 << 20;
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| Answer::ok(vec![b'x'; SIZE]));
    let yaml = format!("store: {{ memory: 32MiB }}\n{HOUR}");
    let larder = TestLarder::start(&yaml, &origin).await;
    let mut clients = Vec::new();
    for n in 0..40 {
        let mut one = client(&larder, 4 << 10);
        one.send_request("GET", &format!("/{n}"), &[], b"").await;
        assert_eq!(one.head().await.0, 200);
        clients.push(one);
    }
    larder
        .until("every answer to be read, or to wait for room", async |larder| {
            let before = larder.in_flight();
            tokio::time::sleep(Duration::from_millis(50)).await;
            before >= 8 * SIZE as u64 && before == larder.in_flight()
        })
        .await;
    let held = larder.in_flight();
    let entries = larder.metric("larder_memory_bytes", &[]).await;
    assert!(held as f64 + entries <= 32.0 * SIZE as f64, "{held} + {entries}");
    for mut one in clients {
        let (rest, end) = one.rest().await;
        assert_eq!((rest.len(), end), (SIZE, End::Complete));
    }
    larder
        .until("all memory to be given back", async |larder| {
            larder.in_flight() == 0
        })
        .await;
}

#[tokio::test]
async fn want_of_memory_does_not_turn_collapsing_off() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let opens = gate.clone();
    const SIZE: u64 = 1_500_000;
    origin.on("/full/*", move |_| {
        Answer::ok("x")
            .announcing(SIZE)
            .wait(&opens)
            .chunk(vec![b'x'; SIZE as usize - 1])
    });
    origin.on("/x", |_| Answer::ok(vec![b'y'; SIZE as usize]));
    let yaml = format!("store: {{ memory: 8MiB, max_object: 2MiB }}\n{HOUR}");
    let larder = TestLarder::start(&yaml, &origin).await;
    let mut full = Vec::new();
    for n in 0..2 {
        let mut one = larder.connect().await;
        one.send_request("GET", &format!("/full/{n}"), &[], b"").await;
        one.head().await;
        full.push(one);
    }
    let unstored = larder.get("/x").await;
    assert_eq!(unstored.reason(), "no-room");

    let hold = origin.hold("/x");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut one = larder.connect().await;
        one.send_request("GET", "/x", &[], b"").await;
        clients.push(one);
    }
    larder.followers(4).await;
    assert_eq!(origin.count("/x"), 2);
    gate.open();
    for mut one in full {
        assert_eq!(one.rest().await.1, End::Complete);
    }
    hold.release();
    for mut one in clients {
        assert_eq!(one.response().await.complete().content.len() as u64, SIZE);
    }
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_not_stored() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| Answer::ok(format!("{}", seen.before)).until_close());
    let larder = TestLarder::start(HOUR, &origin).await;
    for n in 0..2 {
        let answer = larder.get("/x").await;
        assert_eq!(
            (answer.text(), answer.reason().as_str()),
            (n.to_string().as_str(), "close-delimited")
        );
    }
}

#[tokio::test]
async fn an_answer_that_varies_by_a_field_which_larder_rewrites_is_not_stored() {
    let origin = TestOrigin::start().await;
    for field in [
        "X-Forwarded-For",
        "Via",
        "X-Request-Id",
        "accept, x-forwarded-for",
    ] {
        origin.on("/x", move |_| Answer::ok("x").field("Vary", field));
        let larder = TestLarder::start(HOUR, &origin).await;
        for _ in 0..2 {
            assert_eq!(larder.get("/x").await.reason(), "vary-rewritten", "{field}");
        }
        let larder = TestLarder::start(&format!("forwarded: pass\n{HOUR}"), &origin).await;
        let reason = larder.get("/x").await.reason();
        let passed = field.to_ascii_lowercase().contains("forwarded");
        assert_eq!(reason == "uri-miss", passed, "{field}: {reason}");
    }
}

#[tokio::test]
async fn a_post_declared_a_read_gets_its_content_whatever_the_client_has() {
    let origin = TestOrigin::start().await;
    origin.on("/ask", |_| Answer::ok("answer").field("ETag", "\"one\""));
    let yaml = "rules:\n  - { match: POST /ask, ttl: 1h, key: { body: true } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    for reason in ["uri-miss", "hit"] {
        for value in ["\"one\"", "*"] {
            let fields = [("If-None-Match", value)];
            let answer = larder.request("POST", "/ask", &fields, b"question").await;
            assert_eq!(
                (answer.status, answer.text()),
                (200, "answer"),
                "{reason} {value}"
            );
        }
        let answer = larder.request("POST", "/ask", &[], b"question").await;
        assert_eq!(answer.reason(), "hit");
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn an_http_1_0_request_without_host_reaches_the_origin_with_one() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for (method, path) in [("GET", "/read"), ("DELETE", "/write")] {
        let mut client = larder.connect().await;
        client.send(format!("{method} {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(client.response().await.status, 200, "{path}");
        let seen = &origin.requests(path)[0];
        let host = seen.field("host").unwrap_or_default();
        assert_eq!(host, origin.address().to_string(), "{path}");
    }
}

#[tokio::test]
async fn only_if_cached_holds_for_a_part_too() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for range in [&[("Range", "bytes=0-1")][..], &[]] {
        let mut fields = vec![("Cache-Control", "only-if-cached")];
        fields.extend_from_slice(range);
        let answer = larder.get_with("/x", &fields).await;
        assert_eq!((answer.status, answer.reason().as_str()), (504, "only-if-cached"));
    }
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn a_change_of_rules_between_leader_and_follower_keeps_them_apart() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/x");
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    larder.replace_config(&HOUR.replace("1h", "2h"), &origin);
    let mut next = larder.connect().await;
    next.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 2).await;
    hold.release();
    let contents = [leader.response().await, next.response().await].map(|a| a.complete().content);
    assert_ne!(contents[0], contents[1], "each has its own");
}

#[tokio::test]
async fn clients_that_ask_and_leave_pile_up_no_requests_for_the_origin() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    for n in 0..20 {
        let opens = gate.clone();
        origin.on(&format!("/{n}"), move |_| Answer::ok("late").wait_first(&opens));
    }
    let few = format!("origin: {{ url: '${{ORIGIN}}', max_connections: 4 }}\n{HOUR}");
    let larder = TestLarder::start(&few, &origin).await;
    for method in ["GET", "PUT"] {
        for n in 0..20 {
            let mut client = larder.connect().await;
            client.send_request(method, &format!("/{n}"), &[], b"").await;
            client.reset();
        }
    }
    let left = [("rule", "all"), ("outcome", "refused")];
    larder
        .until("all reads to have lost their clients", async |larder| {
            larder.metric("larder_requests_total", &left).await >= 20.0
        })
        .await;
    gate.open();
    assert_eq!(larder.get("/who-waits").await.status, 200);
    let reached = larder.settled(|| origin.total()).await;
    assert!(
        reached < 30,
        "{reached} of 40 abandoned requests reached the origin"
    );
}

#[tokio::test]
async fn a_field_spelled_with_underscores_is_the_same_to_many_origins_and_passes_by() {
    let origin = TestOrigin::start().await;
    // As WSGI and CGI do: `_` and `-` become one.
    origin.on("/x", |seen| {
        let who = seen
            .field("x_api_key")
            .or(seen.field("x-api-key"))
            .unwrap_or("nobody");
        Answer::ok(who.to_owned())
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for name in [
        "X_Api_Key",
        "X_Forwarded_Host",
        "X_Http_Method-Override",
        "Accept_Language",
    ] {
        let answer = larder.get_with("/x", &[(name, "alice")]).await;
        assert!(!answer.cache_status().stored, "{name}: {answer:?}");
    }
    assert_eq!(
        larder.get_with("/x", &[("X_Api_Key", "alice")]).await.reason(),
        "underscore-field"
    );
    assert_eq!(larder.get("/x").await.text(), "nobody");
}

#[tokio::test]
async fn a_write_that_names_more_than_can_be_listed_drops_everything() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { name: product, match: 'GET /products/{id}', ttl: 1h, tags: ['product:{id}'] }
  - { match: DELETE /products, invalidate: ['product:{query.id}'] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    for id in 0..300 {
        larder.get(&format!("/products/{id}")).await;
    }
    let ids: Vec<String> = (0..300).map(|id| format!("id={id}")).collect();
    larder
        .request("DELETE", &format!("/products?{}", ids.join("&")), &[], b"")
        .await;
    for id in 0..300 {
        let next = larder.get(&format!("/products/{id}")).await;
        assert_eq!(next.reason(), "invalidated", "{id}");
    }
}

#[tokio::test]
async fn a_get_that_a_field_turns_into_a_post_reaches_the_origin_once() {
    let origin = TestOrigin::start().await;
    origin.on("/buy", |_| Answer::raw(""));
    let larder = TestLarder::start(HOUR, &origin).await;
    let overriding: &[(&str, &str)] = &[("X-HTTP-Method-Override", "POST")];
    for (fields, tries) in [(&[][..], 2), (overriding, 1)] {
        larder.get("/warm").await;
        let before = origin.count("/buy");
        assert_eq!(larder.get_with("/buy", fields).await.status, 502);
        assert_eq!(origin.count("/buy") - before, tries, "{fields:?}");
    }
}

#[tokio::test]
async fn an_answer_with_more_tags_than_can_be_listed_is_not_stored() {
    let origin = TestOrigin::start().await;
    let yaml = "limits: { tags: 1000 }
rules:
  - { match: 'GET /x', ttl: 1h, tags: ['t:{query.id}'] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    let ids: Vec<String> = (0..300).map(|id| format!("id={id}")).collect();
    let answer = larder.get(&format!("/x?{}", ids.join("&"))).await;
    assert_eq!(answer.reason(), "too-many-tags");
}

#[tokio::test]
async fn a_strangers_get_drops_nothing_that_rules_name() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { name: list, match: 'GET /products', ttl: 1h }
  - { name: product, match: 'GET /products/{id}', ttl: 1h }
  - { match: 'PUT|DELETE /products/{id}', invalidate: [list, product] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/products").await;
    larder.get("/products/1").await;
    larder
        .get_with("/products/2", &[("X-HTTP-Method-Override", "DELETE")])
        .await;
    for path in ["/products", "/products/1"] {
        assert_eq!(larder.get(path).await.reason(), "hit", "{path}");
    }
    larder
        .request(
            "POST",
            "/products/2",
            &[("X-HTTP-Method-Override", "DELETE")],
            b"",
        )
        .await;
    assert_eq!(larder.get("/products").await.reason(), "invalidated");
}

#[tokio::test]
async fn one_clients_credentials_do_not_end_collapsing_for_the_others() {
    let origin = TestOrigin::start().await;
    let larder = std::sync::Arc::new(TestLarder::start(HOUR, &origin).await);
    larder.get_with("/x", &[("Cookie", "a=b")]).await;
    let hold = origin.hold("/x");
    let mut asked = Vec::new();
    for _ in 0..20 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/x", &[], b"").await;
        asked.push(client);
    }
    larder.followers(19).await;
    hold.release();
    for mut client in asked {
        assert_eq!(client.response().await.status, 200);
    }
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn a_validation_chosen_before_a_write_asks_by_a_strong_tag_alone() {
    let origin = TestOrigin::start().await;
    let modified = "Tue, 15 Nov 1994 12:45:26 GMT";
    origin.on("GET /x", move |seen| {
        if seen.field("if-modified-since").is_some() {
            // The write and the old content share the second.
            return Answer::status(304);
        }
        Answer::ok(format!("{}", seen.before)).field("Last-Modified", modified)
    });
    let larder = TestLarder::start(&HOUR.replace("1h", "1m"), &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    origin.on("GET /x", |_| Answer::status(200).reset_first());
    let hold = origin.hold("/x");
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/x", &[], b"").await;
    origin.seen("GET /x", 2).await;
    let mut follower = larder.connect().await;
    follower.send_request("GET", "/x", &[], b"").await;
    larder.followers(1).await;
    larder.request("PUT", "/other", &[], b"").await;
    larder.purge(r#"{"paths": ["/x"]}"#).await;
    origin.on("GET /x", move |seen| match seen.field("if-modified-since") {
        Some(_) => Answer::status(304),
        None => Answer::ok("new").field("Last-Modified", modified),
    });
    hold.release();
    let followed = follower.response().await;
    assert_eq!((followed.status, followed.text()), (200, "new"));
    assert_eq!(larder.get("/x").await.text(), "new");
}

#[tokio::test]
async fn nothing_stands_in_for_a_failure_past_its_own_window() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { match: 'GET /swr', ttl: 10s, stale_while_revalidate: 10s }
  - { match: 'GET /sie', ttl: 10s, stale_if_error: 10s }
";
    let larder = TestLarder::start(yaml, &origin).await;
    for path in ["/swr", "/sie"] {
        larder.get(path).await;
        larder.advance(Duration::from_secs(15));
        let hold = origin.hold(path);
        origin.on(path, |_| Answer::status(503));
        let mut first = larder.connect().await;
        first.send_request("GET", path, &[], b"").await;
        origin.seen(path, 2).await;
        larder.advance(Duration::from_secs(10));
        let mut late = larder.connect().await;
        late.send_request("GET", path, &[], b"").await;
        larder.followers(1).await;
        hold.release();
        assert_eq!(late.response().await.status, 503, "{path}");
    }
}

#[tokio::test]
async fn path_parameters_hide_nothing_from_a_write() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/products/42").await;
    let with = larder.get("/products/42;jsessionid=A").await;
    assert_eq!(with.reason(), "ambiguous-path");
    larder.request("PUT", "/products/42;jsessionid=A", &[], b"").await;
    assert_eq!(larder.get("/products/42").await.reason(), "invalidated");
}

#[tokio::test]
async fn a_head_with_credentials_changes_nothing_for_the_others() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match (seen.method.as_str(), seen.field("cookie")) {
        ("HEAD", Some(_)) => Answer::status(200).announcing(99).field("ETag", "\"mine\""),
        _ => Answer::ok("all").field("ETag", "\"all\""),
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/x").await;
    larder.request("HEAD", "/x", &[("Cookie", "a=b")], b"").await;
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn requests_overtaken_by_write_after_write_do_not_wait_for_each_other() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let mut waiting = Vec::new();
    let hold = origin.hold("/x");
    for _ in 0..12 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/x", &[], b"").await;
        waiting.push(client);
    }
    larder.followers(11).await;
    larder.purge(r#"{"paths": ["/x"]}"#).await;
    hold.release();
    let again = origin.hold("/x");
    // The first has its answer; of the rest one leads.
    origin.seen("GET /x", 2).await;
    larder.purge(r#"{"paths": ["/x"]}"#).await;
    again.release();
    for mut client in waiting {
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn what_was_read_of_a_content_too_large_for_a_key_counts() {
    let origin = TestOrigin::start().await;
    let yaml = "limits: { key_body: 32KiB }
rules:
  - { match: POST /x, ttl: 1h, key: { body: true } }
";
    let larder = TestLarder::start(yaml, &origin).await;
    let hold = origin.hold("/x");
    let mut client = larder.connect().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    client
        .send(format!("{:x}\r\n{}\r\n", 40_000, "x".repeat(40_000)))
        .await;
    larder
        .until("the content counts", async |larder| {
            larder.in_flight() >= 32 * 1024
        })
        .await;
    client.send("0\r\n\r\n").await;
    hold.release();
    assert_eq!(client.response_to("POST").await.reason(), "body-too-large");
}

#[tokio::test]
async fn clients_that_leave_within_the_content_do_not_fill_the_origins_places() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let waits = gate.clone();
    origin.on("/drip/*", move |_| {
        Answer::status(200).chunk("begun").wait(&waits).chunk("done")
    });
    let few = format!("origin: {{ url: '${{ORIGIN}}', max_connections: 4 }}\n{HOUR}");
    let larder = TestLarder::start(&few, &origin).await;
    for n in 0..4 {
        let mut client = larder.connect().await;
        client.send_request("GET", &format!("/drip/{n}"), &[], b"").await;
        assert_eq!(client.head().await.0, 200);
        client.reset();
    }
    // Sooner than an answer counts as silent.
    let waits = tokio::time::timeout(Duration::from_secs(5), larder.get("/who-waits"));
    assert_eq!(waits.await.expect("a place").status, 200);
    gate.open();
    larder
        .until("two of the answers to be stored", async |larder| {
            larder.metric("larder_stored_total", &[]).await >= 3.0
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_uncached_answer_that_falls_silent_ends_and_frees_its_place() {
    let origin = TestOrigin::unbound();
    let silent = |kind| Answer::ok("half").announcing(100).field("Content-Type", kind);
    origin.on("/page", move |_| silent("text/html").then(Step::Never));
    origin.on("/events", move |_| silent("text/event-stream").then(Step::Never));
    let one = "origin: { url: 'http://127.0.0.1:9', max_connections: 1, response_timeout: 60s }\n";
    let larder = in_memory(one, &origin).await;
    let mut events = client(&larder, 1024);
    events.send_request("GET", "/events", &[], b"").await;
    assert_eq!(events.head().await.0, 200);

    let mut page = client(&larder, 1024);
    page.send_request("GET", "/page", &[], b"").await;
    assert_eq!(page.head().await.0, 200);
    assert_eq!(page.piece().await.unwrap().unwrap(), "half");
    tokio::time::sleep(Duration::from_secs(59)).await;
    let begun = tokio::time::Instant::now();
    assert!(matches!(page.rest().await.1, End::Broken(_)));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(client(&larder, 1024).get("/next").await.status, 200);

    assert_eq!(events.piece().await.unwrap().unwrap(), "half");
    let more = tokio::time::timeout(Duration::from_secs(20), events.piece()).await;
    assert!(more.is_err(), "events may be silent for longer");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_trickles_ends_and_a_slow_honest_one_arrives() {
    let origin = TestOrigin::unbound();
    let larder = in_memory(HOUR, &origin).await;
    let upload = async |length: usize, piece: usize| {
        let mut client = client(&larder, 64 << 10);
        let head = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.send(head).await;
        for _ in 0..length / piece {
            if !client.try_send(vec![b'x'; piece]).await {
                break;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        client.response_to("POST").await
    };
    let trickled = upload(10, 1).await;
    assert_eq!(trickled.status, 408, "{}", trickled.text());
    assert_eq!(upload(150_000, 5_000).await.status, 200);
    assert_eq!(origin.requests("/up").last().unwrap().content.len(), 150_000);
}
