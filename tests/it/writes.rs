//! After a write was answered nothing older is served, whatever was under way (the log's promise).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Answer, Client, End, Gate, Rng, TestLarder, TestOrigin, request_bytes};

const SHOP: &str = "rules:
  - { name: product, match: 'GET /products/{sku}', ttl: 1h, tags: ['product:{sku}'] }
  - { name: products, match: GET /products, ttl: 1h }
  - { name: stats, match: GET /stats, ttl: 1h }
  - { match: 'PUT|DELETE /products/{sku}', invalidate: ['product:{sku}', products], timeout: 500ms }
";

/// An origin whose reads show the version that its writes raise.
async fn versioned() -> (TestOrigin, Arc<AtomicU64>) {
    let origin = TestOrigin::start().await;
    let version = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&version);
    origin.on("GET /*", move |_| {
        Answer::ok(read.load(Ordering::SeqCst).to_string())
    });
    let write = Arc::clone(&version);
    origin.on("PUT /*", move |_| {
        write.fetch_add(1, Ordering::SeqCst);
        Answer::ok("written")
    });
    (origin, version)
}

#[tokio::test]
async fn nothing_of_a_fill_that_a_write_overtook_is_served_after_the_writes_answer() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    let gate = Gate::shut();
    let script = gate.clone();
    // The slow fill has read version 0 before it waits.
    origin.on("GET /products/1", move |seen| match seen.before {
        0 => Answer::ok("0").wait_first(&script),
        _ => Answer::ok("1"),
    });
    let mut early = larder.connect().await;
    early.send_request("GET", "/products/1", &[], b"").await;
    origin.seen("GET /products/1", 1).await;

    assert_eq!(larder.request("PUT", "/products/1", &[], b"{}").await.status, 200);

    // Asked after the write's answer: it must not follow the fill that is still waiting.
    let after = larder.get("/products/1").await;
    assert_eq!(after.text(), "1");
    gate.open();
    assert_eq!(
        early.response().await.status,
        200,
        "who asked before the write may get either"
    );
    for _ in 0..3 {
        assert_eq!(larder.get("/products/1").await.text(), "1");
    }
    assert_eq!(larder.get("/products/1").await.reason(), "hit");
}

#[tokio::test]
async fn an_overtaken_fill_is_not_stored_and_the_next_read_is() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("GET /products/1", move |seen| match seen.before {
        0 => Answer::status(200).chunk("old").wait(&script).chunk(" end"),
        _ => Answer::ok("new"),
    });
    let mut early = larder.connect().await;
    early.send_request("GET", "/products/1", &[], b"").await;
    early.head().await;
    larder.request("PUT", "/products/1", &[], b"{}").await;
    gate.open();
    assert_eq!(
        early.rest().await,
        ("old end".into(), End::Complete),
        "its client gets what it began"
    );
    let next = larder.get("/products/1").await;
    assert_eq!((next.text(), next.cache_status().stored), ("new", true));
    assert_eq!(larder.get("/products/1").await.reason(), "hit");
    assert_eq!(origin.count("GET /products/1"), 2);
    assert_eq!(overtaken(&larder, "product").await, 1.0, "counted by its rule");
    assert_eq!(overtaken(&larder, "products").await, 0.0);
}

/// Answers of a rule that were not stored because a write had overtaken them.
async fn overtaken(larder: &TestLarder, rule: &str) -> f64 {
    let labels = [("rule", rule), ("reason", "overtaken")];
    larder.metric("larder_not_stored_total", &labels).await
}

#[tokio::test]
async fn who_followed_a_fill_before_a_write_gets_nothing_older_than_it_once_it_is_answered() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("GET /products/1", move |seen| match seen.before {
        0 => Answer::ok("old").wait_first(&script),
        _ => Answer::ok("new"),
    });
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/products/1", &[], b"").await;
    origin.seen("GET /products/1", 1).await;
    let mut followers = Vec::new();
    for _ in 0..5 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/products/1", &[], b"").await;
        followers.push(client);
    }
    larder.followers(5).await;

    assert_eq!(larder.request("PUT", "/products/1", &[], b"{}").await.status, 200);
    gate.open();
    for client in &mut followers {
        assert_eq!(client.response().await.text(), "new");
    }
    let led = leader.response().await;
    assert_eq!(
        (led.text(), led.cache_status().stored, led.reason().as_str()),
        ("old", false, "overtaken"),
        "it asked before the write"
    );
    assert_eq!(overtaken(&larder, "product").await, 1.0);
    assert_eq!(origin.count("GET /products/1"), 2, "the followers share one more");
}

#[tokio::test]
async fn followers_of_an_overtaken_fill_that_came_after_the_write_get_the_new_answer() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("GET /products/1", move |seen| match seen.before {
        0 => Answer::status(200).chunk("old").wait(&script).chunk(""),
        _ => Answer::ok("new"),
    });
    let mut before = Vec::new();
    for _ in 0..5 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/products/1", &[], b"").await;
        client.head().await;
        before.push(client);
    }
    larder.request("PUT", "/products/1", &[], b"{}").await;
    let mut after: Vec<Client> = Vec::new();
    for _ in 0..5 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/products/1", &[], b"").await;
        after.push(client);
    }
    for client in &mut after {
        assert_eq!(client.response().await.text(), "new");
    }
    gate.open();
    for client in &mut before {
        assert_eq!(client.rest().await.0, "old");
    }
    assert!(origin.count("GET /products/1") <= 3);
}

#[tokio::test]
async fn tags_known_only_from_the_answer_are_checked_when_its_head_arrives() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { name: page, match: 'GET /pages/{id}', ttl: 1h, tags: ['author:{response.x-author}'] }
  - { match: 'PUT /authors/{a}', invalidate: ['author:{a}'] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("GET /pages/1", move |seen| match seen.before {
        0 => Answer::ok("old").field("X-Author", "ann").wait_first(&script),
        _ => Answer::ok("new").field("X-Author", "ann"),
    });
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/pages/1", &[], b"").await;
    origin.seen("GET /pages/1", 1).await;
    larder.request("PUT", "/authors/ann", &[], b"{}").await;
    // Nothing known of the fill matches the write yet: this one may join it, and must be let go.
    let mut follower = larder.connect().await;
    follower.send_request("GET", "/pages/1", &[], b"").await;
    larder.followers(1).await;
    gate.open();
    assert_eq!(follower.response().await.text(), "new");
    leader.response().await;
    assert_eq!(larder.get("/pages/1").await.text(), "new");
}

#[tokio::test]
async fn a_write_drops_its_tag_its_lists_and_nothing_else() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    for path in ["/products/1", "/products/2", "/products", "/stats"] {
        larder.get(path).await;
    }
    larder.request("PUT", "/products/1", &[], b"{}").await;
    for (path, reason) in [
        ("/products/1", "invalidated"),
        ("/products", "invalidated"),
        ("/products/2", "hit"),
        ("/stats", "hit"),
    ] {
        assert_eq!(larder.get(path).await.reason(), reason, "{path}");
    }
}

#[tokio::test]
async fn every_unsafe_method_drops_its_own_target_without_a_rule() {
    let origin = TestOrigin::start().await;
    origin.on("POST /named", |_| {
        Answer::status(201)
            .field("Location", "/made")
            .field("Content-Location", "http://shop.test/also")
    });
    origin.on("POST /foreign", |_| {
        Answer::status(201).field("Location", "http://other.test/x")
    });
    let larder = TestLarder::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "FROB"] {
        larder.get("/x").await;
        larder.get("/x?page=2").await;
        larder.request(method, "/x", &[], b"").await;
        assert_eq!(larder.get("/x").await.reason(), "invalidated", "{method}");
    }
    for path in ["/made", "/also", "/x"] {
        larder.get(path).await;
    }
    larder.request("POST", "/named", &[], b"").await;
    assert_eq!(larder.get("/made").await.reason(), "invalidated", "Location");
    assert_eq!(
        larder.get("/also").await.reason(),
        "invalidated",
        "Content-Location"
    );
    larder.request("POST", "/foreign", &[], b"").await;
    assert_eq!(
        larder.get("/x").await.reason(),
        "hit",
        "another origin's names are not ours"
    );
    for method in ["GET", "HEAD", "OPTIONS"] {
        larder.request(method, "/x", &[], b"").await;
        assert_eq!(larder.get("/x").await.reason(), "hit", "{method} is safe");
    }
}

#[tokio::test]
async fn outcomes_decide_what_a_write_drops() {
    for (name, answer, by_rule, by_method) in [
        ("200", Answer::ok("x"), true, true),
        (
            "303",
            Answer::status(303).field("Location", "/elsewhere"),
            true,
            true,
        ),
        ("400", Answer::status(400), false, false),
        ("404", Answer::status(404), false, false),
        ("409", Answer::status(409), false, false),
        ("500", Answer::status(500), true, false),
        ("501", Answer::status(501), false, false),
        ("502", Answer::status(502), true, false),
        ("503", Answer::status(503), true, false),
        ("504", Answer::status(504), true, false),
        ("reset", Answer::ok("").reset_first(), true, true),
        ("timeout", Answer::never(), true, true),
        ("garbage", Answer::raw("SMTP ready\r\n\r\n"), true, true),
        (
            "half a head",
            Answer::raw("HTTP/1.1 200 OK\r\nContent-"),
            true,
            true,
        ),
    ] {
        let origin = TestOrigin::start().await;
        origin.on("PUT /*", move |_| answer.clone());
        let larder = TestLarder::start(SHOP, &origin).await;
        larder.get("/products").await;
        larder.get("/products/1").await;
        let written = larder.request("PUT", "/products/1", &[], b"{}").await;
        if matches!(name, "reset" | "garbage" | "half a head") {
            assert_eq!(written.status, 502, "{name}");
        }
        let list = larder.get("/products").await.reason();
        assert_eq!(list == "invalidated", by_rule, "{name}: the rule's items: {list}");
        let own = larder.get("/products/1").await.reason();
        assert_eq!(
            own == "invalidated",
            by_rule || by_method,
            "{name}: its own target: {own}"
        );
        let sent = origin.count("PUT /products/1");
        let most = if name == "reset" { 2 } else { 1 };
        assert!(
            (1..=most).contains(&sent),
            "{name}: only what a kept connection lost is tried again: {sent}"
        );
    }
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_write_still_invalidates() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    larder.get("/products/1").await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("PUT /products/1", move |_| {
        Answer::ok("written").wait_first(&script)
    });
    let mut client = larder.connect().await;
    client.send_request("PUT", "/products/1", &[], b"{}").await;
    origin.seen("PUT /products/1", 1).await;
    client.reset();
    gate.open();
    larder
        .until("the write's invalidation", async |larder| {
            larder.get("/products/1").await.reason() == "invalidated"
        })
        .await;
}

#[tokio::test]
async fn a_client_that_goes_away_within_its_content_still_invalidates() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    larder.get("/products/1").await;
    let mut client = larder.connect().await;
    client
        .send("PUT /products/1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    // What was written to the origin can be told only by its connection.
    larder
        .until("a request under way", async |larder| {
            larder
                .metric("larder_origin_connections", &[("state", "busy")])
                .await
                == 1.0
        })
        .await;
    client.reset();
    larder
        .until("the write's invalidation", async |larder| {
            larder.get("/products/1").await.reason() == "invalidated"
        })
        .await;
}

#[tokio::test]
async fn a_read_pipelined_behind_a_write_sees_it() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    larder.get("/products/1").await;
    let mut client = larder.connect().await;
    client
        .send(
            "PUT /products/1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\n{}\
             GET /products/1 HTTP/1.1\r\nHost: shop.test\r\n\r\n",
        )
        .await;
    assert_eq!(client.response_to("PUT").await.text(), "written");
    assert_eq!(client.response().await.text(), "1");
    assert_eq!(origin.count("GET /products/1"), 2);
}

#[tokio::test]
async fn a_soft_write_makes_stale_instead() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, stale_while_revalidate: 1m }
  - { match: 'PUT /notes/{id}', invalidate: [item], soft: true }
";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/items/1").await;
    larder.request("PUT", "/notes/1", &[], b"{}").await;
    let served = larder.get("/items/1").await;
    assert_eq!(
        served.text(),
        "/items/1 0",
        "stale, served while a fresh one is fetched"
    );
    larder
        .until("the fresh one", async |larder| {
            larder.get("/items/1").await.text() == "/items/1 1"
        })
        .await;
}

#[tokio::test]
async fn a_written_answer_is_never_served_stale_on_errors() {
    let (origin, _) = versioned().await;
    let yaml = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, stale_if_error: 1d, stale_while_revalidate: 1d }
  - { match: 'PUT /items/{id}', invalidate: [item] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/items/1").await;
    larder.request("PUT", "/items/1", &[], b"{}").await;
    origin.on("GET /items/1", |_| Answer::status(503));
    assert_eq!(
        larder.get("/items/1").await.status,
        503,
        "older than an acknowledged write"
    );
}

#[tokio::test]
async fn a_path_and_everything_below_it_is_dropped_by_its_pattern() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:
  - { match: 'GET /**', ttl: 1h }
  - { match: POST /rebuild, invalidate: ['/reports/**', /single] }
";
    let larder = TestLarder::start(yaml, &origin).await;
    let paths = [
        "/reports",
        "/reports/",
        "/reports/a/b",
        "/reportsx",
        "/single",
        "/single/x",
    ];
    for path in paths {
        larder.get(path).await;
    }
    larder.request("POST", "/rebuild", &[], b"").await;
    let reasons = [
        "invalidated",
        "invalidated",
        "invalidated",
        "hit",
        "invalidated",
        "hit",
    ];
    for (path, reason) in paths.into_iter().zip(reasons) {
        assert_eq!(larder.get(path).await.reason(), reason, "{path}");
    }
}

#[tokio::test]
async fn a_write_to_an_ambiguous_path_invalidates_by_its_decoded_form() {
    let (origin, _) = versioned().await;
    let larder = TestLarder::start(SHOP, &origin).await;
    larder.get("/products/1").await;
    larder.request("PUT", "/stuff/../products/1", &[], b"{}").await;
    assert_eq!(larder.get("/products/1").await.reason(), "invalidated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_posts_to_an_origin_that_closes_idle_connections_neither_fail_nor_double() {
    post_to_an_origin_that_closes_idle_connections(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a minute"]
async fn soak_a_hundred_thousand_posts_neither_fail_nor_double() {
    post_to_an_origin_that_closes_idle_connections(2_000).await;
}

/// Fifty clients post so many orders each.
async fn post_to_an_origin_that_closes_idle_connections(each: u64) {
    let mut rng = Rng::from_env("posts");
    let origin = TestOrigin::start().await;
    origin.on("POST /orders", |_| Answer::status(201));
    let rests = parking_lot::Mutex::new(Rng::seeded(rng.next()));
    origin.close_idle_after(move || Duration::from_millis(1) + rests.lock().rest(Duration::from_millis(300)));
    let larder = Arc::new(TestLarder::start("", &origin).await);
    let clients = 50_u64;
    let posted = usize::try_from(clients * each).unwrap();
    let mut running = Vec::new();
    for client in 0..clients {
        let larder = Arc::clone(&larder);
        let mut rng = Rng::seeded(rng.next());
        running.push(tokio::spawn(async move {
            let mut connection = larder.connect().await;
            let mut failed = Vec::new();
            for order in 0..each {
                tokio::time::sleep(rng.rest(Duration::from_millis(40))).await;
                if order % 2 == 0 {
                    // A read leaves a connection behind that the write might be tempted to use.
                    assert_eq!(connection.get("/stock").await.status, 200);
                }
                let number = format!("{client}-{order}");
                let answer = connection
                    .request("POST", "/orders", &[], number.as_bytes())
                    .await;
                if answer.status != 201 {
                    failed.push((number, answer.status, answer.reason()));
                }
            }
            failed
        }));
    }
    let mut failed = Vec::new();
    for client in running {
        failed.extend(client.await.unwrap());
    }
    let mut orders: Vec<_> = origin
        .requests("POST /orders")
        .into_iter()
        .map(|seen| seen.content)
        .collect();
    orders.sort();
    let arrived = orders.len();
    orders.dedup();
    println!("{posted} POSTs over {} origin connections", origin.connections());
    assert!(
        origin.connections() > 100,
        "connections were closed and made anew"
    );
    assert_eq!(failed, Vec::new(), "failed");
    assert_eq!(
        (arrived, orders.len()),
        (posted, posted),
        "arrived, and distinct: none doubled"
    );
}

/// A POST answered with what a GET would get, and with these fields beside.
async fn after_located_post(
    yaml: &str,
    fields: &'static [(&'static str, &'static str)],
) -> (TestOrigin, TestLarder) {
    let origin = TestOrigin::start().await;
    origin.on("/x", move |seen| {
        let answer = Answer::ok(format!("{} {}", seen.method, seen.before));
        fields
            .iter()
            .fold(answer, |answer, (name, value)| answer.field(name, value))
    });
    let larder = TestLarder::start(yaml, &origin).await;
    let post = larder.request("POST", "/x?q=1", &[], b"new").await;
    assert_eq!((post.status, post.text()), (200, "POST 0"));
    (origin, larder)
}

#[tokio::test]
async fn the_answer_to_a_post_that_is_its_targets_own_answers_later_gets() {
    let fields = &[("Content-Location", "/x?q=1"), ("Cache-Control", "max-age=60")];
    let (origin, larder) = after_located_post("", fields).await;
    let hit = larder.get("/x?q=1").await;
    assert_eq!((hit.reason().as_str(), hit.text()), ("hit", "POST 0"));
    assert_eq!(larder.get("/x").await.text(), "GET 1", "another target");
    larder.request("PUT", "/x?q=1", &[], b"newer").await;
    let after = larder.get("/x?q=1").await;
    assert_eq!(after.reason(), "invalidated");
    assert_eq!(origin.total(), 4);
}

#[tokio::test]
async fn the_answer_to_a_post_is_not_stored_unless_it_says_where_it_is_and_how_long() {
    let table: &[&'static [(&'static str, &'static str)]] = &[
        &[("Cache-Control", "max-age=60")],
        &[("Content-Location", "/y"), ("Cache-Control", "max-age=60")],
        &[("Content-Location", "/x?q=1")],
        &[("Content-Location", "/x?q=1"), ("Cache-Control", "no-store")],
        &[
            ("Content-Location", "/x?q=1"),
            ("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
        ],
    ];
    for fields in table {
        let (_origin, larder) = after_located_post("", fields).await;
        assert_eq!(larder.get("/x?q=1").await.text(), "GET 1", "{fields:?}");
    }
    // A rule's `ttl` is for what a GET brings.
    let rule = "rules:\n  - { match: 'GET /x', ttl: 1h }\n";
    let fields = &[("Content-Location", "/x?q=1"), ("Cache-Control", "max-age=60")];
    let (_origin, larder) = after_located_post(rule, fields).await;
    assert_eq!(larder.get("/x?q=1").await.text(), "GET 1");
}

#[tokio::test]
async fn the_answer_to_a_post_is_not_stored_when_another_write_came_meanwhile() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(format!("{} {}", seen.method, seen.before))
            .field("Content-Location", "/x")
            .field("Cache-Control", "max-age=60")
    });
    let larder = TestLarder::start("", &origin).await;
    let hold = origin.hold("/x");
    let mut post = larder.connect().await;
    post.send_request("POST", "/x", &[], b"new").await;
    origin.seen("/x", 1).await;
    larder.purge(r#"{"paths": ["/x"]}"#).await;
    hold.release();
    assert_eq!(post.response_to("POST").await.text(), "POST 0");
    assert_eq!(larder.get("/x").await.text(), "GET 1");
    // One that touches something else changes nothing.
    let hold = origin.hold("/x");
    post.send_request("POST", "/x", &[], b"newer").await;
    origin.seen("/x", 3).await;
    larder.request("DELETE", "/other", &[], b"").await;
    hold.release();
    assert_eq!(post.response_to("POST").await.text(), "POST 2");
    assert_eq!(larder.get("/x").await.text(), "POST 2");
}

/// Rules of several depths and tags, and writes that name three things each.
const MANY: &str = "store: { memory: 64MiB }
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}', 'kept'] }
  - { name: part, match: 'GET /shops/{shop}/items/{id}/parts', ttl: 1h, tags: ['part:{id}', 'shop:{shop}'] }
  - { name: deep, match: 'GET /deep/**', ttl: 1h }
  - { name: plain, match: 'GET /plain/{id}', ttl: 1h }
  - { match: 'PUT|DELETE /items/{id}', invalidate: ['item:{id}', 'part:item-{id}'] }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_to_distinct_items_leave_every_other_entry_as_it_is() {
    write_beside_a_thousand_entries(25_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a minute"]
async fn soak_a_hundred_thousand_writes_leave_every_other_entry_as_it_is() {
    write_beside_a_thousand_entries(100_000).await;
}

async fn write_beside_a_thousand_entries(writes: usize) {
    let origin = TestOrigin::start().await;
    let larder = Arc::new(TestLarder::start(MANY, &origin).await);
    let kept: Vec<String> = (0..250)
        .flat_map(|n| {
            [
                format!("/items/kept-{n}"),
                format!("/shops/{}/items/{n}/parts", n % 10),
                format!("/deep/{}/{}/{}/{n}", n % 2, n % 3, n % 5),
                format!("/plain/{n}?page={n}"),
            ]
        })
        .collect();
    let mut client = larder.connect().await;
    for path in &kept {
        assert!(client.get(path).await.cache_status().stored, "{path}");
    }
    let read = origin.count("GET /*");

    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let larder = Arc::clone(&larder);
        writers.spawn(async move { write_items(&larder, (writer..writes).step_by(8)).await });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("every write is answered");
    }
    assert_eq!(origin.total() - read, writes);

    // Nobody asked for them in the meantime, so that nothing has checked them since; on another
    // connection, as the first may have rested too long.
    let mut client = larder.connect().await;
    for path in &kept {
        assert_eq!(client.get(path).await.reason(), "hit", "{path}");
    }
    assert_eq!(origin.count("GET /*"), read);
    assert_eq!(larder.get("/items/1").await.reason(), "uri-miss");
}

/// Writes to each of these items once, down one kept connection, some at a time.
async fn write_items(larder: &TestLarder, mut items: impl Iterator<Item = usize>) {
    let mut client = larder.connect().await;
    loop {
        let batch: Vec<usize> = items.by_ref().take(32).collect();
        if batch.is_empty() {
            return;
        }
        let requests: Vec<u8> = batch
            .iter()
            .flat_map(|item| request_bytes(method(*item), &format!("/items/{item}"), &[], b""))
            .collect();
        client.send(requests).await;
        for item in batch {
            assert_eq!(client.response_to(method(item)).await.status, 200, "{item}");
        }
    }
}

fn method(item: usize) -> &'static str {
    if item.is_multiple_of(2) { "PUT" } else { "DELETE" }
}
