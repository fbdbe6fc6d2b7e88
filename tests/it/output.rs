//! What the binary prints: its first log line, access-log lines, and the demonstration's table.

use serde_json::Value;

use crate::support::process::run;
use crate::support::{LarderProcess, TestOrigin};

const RULES: &str = "store: { memory: 64MiB }
workers: 2
rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h }
";

fn with_log(format: &str) -> String {
    format!("log: {{ format: {format}, access: all }}\n{RULES}")
}

#[tokio::test]
async fn the_first_log_line_says_what_runs_and_how() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(&with_log("json"), &origin.url()).await;
    let said: Value = serde_json::from_str(&larder.first).unwrap();
    let expected: Vec<(&str, Value)> = vec![
        ("level", "INFO".into()),
        ("message", "larder is up".into()),
        ("listen", larder.listen.to_string().into()),
        ("admin", larder.admin.to_string().into()),
        ("origin", origin.address().to_string().into()),
        ("workers", 2.into()),
        ("memory_bytes", (64 << 20).into()),
        ("redis", "none".into()),
        ("rules", 1.into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ];
    for (name, value) in expected {
        assert_eq!(said[name], value, "{name} in {said}");
    }
    let hash = |said: &Value| said["config"].as_str().unwrap().to_owned();
    assert!(
        hash(&said).len() >= 16 && hash(&said).bytes().all(|b| b.is_ascii_hexdigit()),
        "{said}"
    );

    let other = with_log("json").replace("1h", "2h");
    let other = LarderProcess::start(&other, &origin.url()).await;
    let other: Value = serde_json::from_str(&other.first).unwrap();
    assert_ne!(hash(&other), hash(&said), "another configuration");

    let text = LarderProcess::start(&with_log("text"), &origin.url()).await;
    for word in [
        "INFO",
        "larder is up",
        "workers=2",
        "memory_bytes=67108864",
        "redis=\"none\"",
        "config=",
    ] {
        assert!(text.first.contains(word), "{word} in {}", text.first);
    }
    assert!(
        text.first
            .contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")),
        "{}",
        text.first
    );
}

#[tokio::test]
async fn an_access_log_line_in_json_says_how_a_request_was_answered() {
    let origin = TestOrigin::start().await;
    let mut larder = LarderProcess::start(&with_log("json"), &origin.url()).await;
    larder.get("/items/7?token=secret").await;
    larder.get("/items/7?token=secret").await;
    let miss: Value = serde_json::from_str(&larder.printed().await).unwrap();
    let hit: Value = serde_json::from_str(&larder.printed().await).unwrap();
    for (line, outcome, reason) in [(&miss, "miss", "uri-miss"), (&hit, "hit", "")] {
        let expected: Vec<(&str, Value)> = vec![
            ("method", "GET".into()),
            ("path", "/items/7".into()),
            ("host", "shop.test".into()),
            ("status", 200.into()),
            ("outcome", outcome.into()),
            ("rule", "item".into()),
            ("bytes", "/items/7 0".len().into()),
            ("peer", "127.0.0.1".into()),
        ];
        for (name, value) in expected {
            assert_eq!(line[name], value, "{name} in {line}");
        }
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{line}");
        assert!(
            line["duration_ms"].is_number() && line["time"].is_string(),
            "{line}"
        );
        assert!(!line.to_string().contains("secret"), "{line}");
    }
    assert_eq!((&miss["stored"], &hit["stored"]), (&true.into(), &Value::Null));
    assert!(
        miss["origin_ms"].is_number() && hit["origin_ms"].is_null(),
        "{miss} {hit}"
    );
}

#[tokio::test]
async fn an_access_log_line_in_text_says_the_same_in_words() {
    let origin = TestOrigin::start().await;
    let mut larder = LarderProcess::start(&with_log("text"), &origin.url()).await;
    larder.get("/items/7").await;
    let line = larder.printed().await;
    for word in [
        "method=GET",
        "path=/items/7",
        "host=shop.test",
        "status=200",
        "outcome=miss",
        "reason=uri-miss",
        "rule=item",
        "bytes=10",
        "peer=127.0.0.1",
    ] {
        assert!(line.split(' ').any(|part| part == word), "{word} in {line}");
    }
}

#[tokio::test]
async fn a_driven_demonstration_shows_what_each_route_saved() {
    let ended = run(&[
        "demo",
        "--drive",
        "3",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ])
    .await;
    let shown = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{shown}");
    assert!(
        shown.contains(" 0 failed, 0 older than an answered write."),
        "{shown}"
    );
    let table = shown
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("requests"));
    let rows: Vec<(&str, Vec<f64>)> = table
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(row)
        .collect();
    let read = |route| rows.iter().find(|(name, _)| *name == route).map(|(_, row)| row);
    for route in [
        "GET /products",
        "GET /products/{sku}",
        "POST /predict",
        "POST /chat",
    ] {
        assert!(read(route).is_some_and(|row| row[0] > 0.0), "{route} in {shown}");
    }
    let [requests, hits, .., calls, saved] = read("GET /products/{sku}").unwrap()[..] else {
        panic!("{shown}");
    };
    assert!(hits > 0.0 && hits < 100.0, "{shown}");
    assert!(
        calls > 0.0 && saved > 0.0 && (calls + saved - requests).abs() < 0.5,
        "{shown}"
    );
    assert!(
        rows.iter().map(|(_, row)| row[row.len() - 1]).sum::<f64>() > 0.0,
        "{shown}"
    );
}

/// A row of the demonstration's table: its route, and its numbers without their units.
fn row(line: &str) -> (&str, Vec<f64>) {
    let (_rule, rest) = line.split_once("  ").expect("columns");
    let (route, rest) = rest.trim_start().split_once("   ").expect("columns");
    let numbers = rest.split("   ").map(str::trim).filter(|cell| !cell.is_empty());
    let numbers = numbers.map(|cell| {
        cell.split(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap_or(f64::NAN)
    });
    (route, numbers.collect())
}
