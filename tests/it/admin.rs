//! The admin port: health, metrics that add up, purges with receipts, and who may ask.

use std::time::Duration;

use crate::support::{Answer, Client, TestLarder, TestOrigin};

const RULES: &str = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}'] }
  - { name: all, match: 'GET /**', ttl: 1h }
";

async fn warm(paths: &[&str]) -> (TestOrigin, TestLarder) {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(RULES, &origin).await;
    for path in paths {
        larder.get(path).await;
    }
    (origin, larder)
}

#[tokio::test]
async fn health_answers_and_metrics_are_exposition_text() {
    let (_origin, larder) = warm(&["/x"]).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(larder.admin_get(path).await.status, 200, "{path}");
    }
    let metrics = larder.admin_get("/metrics").await;
    assert_eq!(metrics.status, 200);
    for name in [
        "larder_requests_total",
        "larder_forwards_total",
        "larder_build_info",
        "larder_memory_budget_bytes",
    ] {
        assert!(metrics.text().contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert_eq!(larder.admin_get("/nothing").await.status, 404);
    let stats = larder.admin_get("/stats").await;
    assert_eq!(stats.status, 200);
    let _: serde_json::Value = serde_json::from_str(stats.text()).expect("JSON");
}

#[tokio::test]
async fn a_purge_drops_what_it_names_and_nothing_else() {
    let paths = ["/items/1", "/items/2", "/a/b", "/a/b/c", "/ab", "/z"];
    for (purge, dropped) in [
        (r#"{"tags":["item:1"]}"#, vec!["/items/1"]),
        (r#"{"tags":["item:1","item:2"]}"#, vec!["/items/1", "/items/2"]),
        (r#"{"paths":["/a/b"]}"#, vec!["/a/b"]),
        (r#"{"patterns":["/a/**"]}"#, vec!["/a/b", "/a/b/c"]),
        (r#"{"patterns":["/items/*"]}"#, vec!["/items/1", "/items/2"]),
        (r#"{"all":true}"#, paths.to_vec()),
        (r#"{"tags":["none"]}"#, vec![]),
    ] {
        let (_origin, larder) = warm(&paths).await;
        let receipt = larder.purge(purge).await;
        assert_eq!(receipt.status, 200, "{purge}: {}", receipt.text());
        let _: serde_json::Value = serde_json::from_str(receipt.text()).expect("a receipt");
        for path in paths {
            let expected = if dropped.contains(&path) {
                "invalidated"
            } else {
                "hit"
            };
            assert_eq!(larder.get(path).await.reason(), expected, "{path} after {purge}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_drops_nothing_and_count_counts() {
    let (_origin, larder) = warm(&["/items/1", "/items/2", "/z"]).await;
    let dry = larder.purge(r#"{"patterns":["/items/*"],"dry_run":true}"#).await;
    assert_eq!(dry.status, 200);
    assert!(dry.text().contains('2'), "{}", dry.text());
    for path in ["/items/1", "/items/2", "/z"] {
        assert_eq!(larder.get(path).await.reason(), "hit", "{path}");
    }
}

#[tokio::test]
async fn a_soft_purge_makes_stale() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some(_) => Answer::status(304),
        None => Answer::ok("x").field("ETag", "\"1\""),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    larder.purge(r#"{"paths":["/x"],"soft":true}"#).await;
    let after = larder.get("/x").await;
    assert_eq!(
        (after.reason().as_str(), after.cache_status().fwd_status),
        ("soft-invalidated", Some(304))
    );
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn a_purge_that_makes_no_sense_is_refused() {
    let (_origin, larder) = warm(&["/x"]).await;
    for json in [
        "",
        "[]",
        "{",
        r#"{"tag":["x"]}"#,
        r#"{"tags":"x"}"#,
        "{}",
        r#"{"all":1}"#,
    ] {
        let refused = larder.purge(json).await;
        assert!((400..500).contains(&refused.status), "{json}: {}", refused.status);
    }
    assert_eq!(larder.admin("/purge", "GET", &[], b"").await.status, 405);
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn without_a_token_only_a_local_host_name_is_answered() {
    let (_origin, larder) = warm(&["/x"]).await;
    let all = br#"{"all":true}"#;
    let json = ("Content-Type", "application/json");
    for (host, allowed) in [
        ("localhost", true),
        ("localhost:9321", true),
        ("127.0.0.1", true),
        ("127.0.0.1:1", true),
        ("[::1]:1", true),
        ("evil.test", false),
        ("localhost.evil.test", false),
        ("127.0.0.1.evil.test", false),
        ("evil.test:80", false),
    ] {
        let status = larder
            .admin("/purge", "POST", &[("Host", host), json], all)
            .await
            .status;
        assert_eq!(status == 200, allowed, "{host}: {status}");
        let status = larder.admin("/stats", "GET", &[("Host", host)], b"").await.status;
        assert_eq!(status == 200, allowed, "{host}: {status}");
        let status = larder.admin("/livez", "GET", &[("Host", host)], b"").await.status;
        assert_eq!(status, 200, "health is open: {host}");
    }
}

#[tokio::test]
async fn with_a_token_nothing_else_opens_the_admin_port() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(
        &format!("admin_token_file: {}\n{RULES}", token.display()),
        &origin,
    )
    .await;
    for (value, allowed) in [
        (Some("Bearer s3cret"), true),
        (Some("Bearer s3cre"), false),
        (Some("Bearer s3cret2"), false),
        (Some("Basic s3cret"), false),
        (Some("s3cret"), false),
        (None, false),
    ] {
        let fields: Vec<_> = value.map(|value| ("Authorization", value)).into_iter().collect();
        let status = larder.admin("/stats", "GET", &fields, b"").await.status;
        assert_eq!(status, if allowed { 200 } else { 401 }, "{value:?}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(larder.admin_get(path).await.status, 200, "{path} is open");
    }
}

#[tokio::test]
async fn the_admin_port_is_not_on_the_applications_port() {
    let (origin, larder) = warm(&[]).await;
    assert_eq!(
        larder.get("/metrics").await.text(),
        "/metrics 0",
        "the application's own path"
    );
    assert_eq!(origin.count("/metrics"), 1);
}

#[tokio::test]
async fn outcomes_sum_to_requests() {
    let origin = TestOrigin::start().await;
    origin.on("/error", |_| Answer::ok("").reset_first());
    origin.on("/tagged", |seen| match seen.field("if-none-match") {
        Some(_) => Answer::status(304),
        None => Answer::ok("x").field("ETag", "\"1\""),
    });
    let yaml = "rules:
  - { name: swr, match: GET /swr, ttl: 1m, stale_while_revalidate: 1h }
  - { name: off, match: GET /off, cache: false }
  - { name: all, match: 'GET /**', ttl: 1m }
";
    let larder = TestLarder::start(yaml, &origin).await;
    let mut sent = 0;
    for (path, fields) in [
        ("/x", &[][..]),
        ("/x", &[]),
        ("/tagged", &[]),
        ("/swr", &[]),
        ("/off", &[]),
        ("/error", &[]),
        ("/x", &[("Cookie", "a=b")]),
        ("/y", &[("Cache-Control", "only-if-cached")]),
        ("/a//b", &[]),
    ] {
        larder.get_with(path, fields).await;
        sent += 1;
    }
    larder.advance(Duration::from_secs(61));
    for path in ["/x", "/tagged", "/swr"] {
        larder.get(path).await;
        sent += 1;
    }
    larder.request("POST", "/x", &[], b"x").await;
    sent += 1;
    let hold = origin.hold("/joined");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = larder.connect().await;
        client.send_request("GET", "/joined", &[], b"").await;
        clients.push(client);
    }
    larder.followers(4).await;
    hold.release();
    for mut client in clients {
        client.response().await;
        sent += 1;
    }
    larder
        .until("all outcomes", async |larder| {
            larder.metric("larder_requests_total", &[]).await == f64::from(sent)
        })
        .await;
    for outcome in [
        "hit",
        "stale",
        "revalidated",
        "miss",
        "collapsed",
        "bypass",
        "refused",
        "error",
    ] {
        let count = larder
            .metric("larder_requests_total", &[("outcome", outcome)])
            .await;
        assert!(count > 0.0, "the mix has one of {outcome}");
    }
    let durations = larder.metric("larder_request_duration_seconds_count", &[]).await;
    assert_eq!(durations, f64::from(sent), "each was timed");
}

#[tokio::test]
async fn a_request_whose_client_left_counts_too() {
    let (origin, larder) = warm(&[]).await;
    let hold = origin.hold("/gone");
    let mut gone = larder.connect().await;
    gone.send_request("GET", "/gone", &[], b"").await;
    origin.seen("/gone", 1).await;
    gone.reset();
    hold.release();
    larder
        .until("its outcome", async |larder| {
            larder.metric("larder_requests_total", &[]).await == 1.0
        })
        .await;
}

#[tokio::test]
async fn no_path_key_or_user_is_ever_a_label() {
    let (_origin, larder) = warm(&["/items/secret-path"]).await;
    larder
        .get_with("/x?token=secret-query", &[("X-Forwarded-User", "secret-user")])
        .await;
    larder.request("SECRET-METHOD", "/x", &[], b"").await;
    let metrics = larder.admin_get("/metrics").await;
    assert!(!metrics.text().to_lowercase().contains("secret"));
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_keep_the_probes_out() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(Client::connect(larder.admin_address()).await);
    }
    assert_eq!(larder.admin_get("/livez").await.status, 200);
    silent[0].closed().await;
}

#[tokio::test]
async fn a_purge_has_a_bounded_number_of_items() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let items = |number: usize| {
        let tags: Vec<String> = (0..number).map(|n| format!("\"{n}\"")).collect();
        format!(r#"{{"dry_run": true, "tags": [{}]}}"#, tags.join(","))
    };
    assert_eq!(larder.purge(&items(1_000)).await.status, 200);
    let refused = larder.purge(&items(1_001)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("1000"), "{}", refused.text());
}
