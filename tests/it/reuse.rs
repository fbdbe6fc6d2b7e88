//! When a stored response answers, and what the answer looks like then (RFC 9111 §4).

use std::time::Duration;

use crate::support::{Answer, TestLarder, TestOrigin};

const HOUR: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test]
async fn without_a_rule_the_origins_words_count() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    for (path, control, second) in [
        ("/fresh", "max-age=60", "hit"),
        ("/shared", "s-maxage=60", "hit"),
        ("/none", "no-store", "uri-miss"),
        ("/mine", "private, max-age=60", "uri-miss"),
    ] {
        origin.on(path, move |_| Answer::ok("x").field("Cache-Control", control));
        larder.get(path).await;
        let again = larder.get(path).await;
        let status = again.cache_status();
        let word = status.fwd.as_deref().unwrap_or("hit");
        assert_eq!(word, second, "{path}: {control}: {status:?}");
        assert!(!status.stored, "{path}: {control}");
    }
}

#[tokio::test]
async fn a_refused_answer_says_why_it_is_not_stored() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    for (path, name, value, reason) in [
        ("/no-store", "Cache-Control", "no-store", "origin-no-store"),
        ("/private", "Cache-Control", "private", "origin-private"),
        ("/star", "Vary", "*", "vary-star"),
        ("/cookie", "Set-Cookie", "sid=1", "set-cookie"),
    ] {
        origin.on(path, move |_| Answer::ok("x").field(name, value));
        for _ in 0..2 {
            let answer = larder.get(path).await;
            assert_eq!(answer.reason(), reason, "{path}");
            assert!(!answer.cache_status().stored, "{path}");
            assert_eq!(answer.field(name), Some(value), "{path}");
        }
        assert_eq!(origin.count(path), 2, "{path}");
    }
}

#[tokio::test]
async fn a_ttl_outweighs_the_origins_lifetimes_and_ends_when_it_says() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(format!("{}", seen.before)).field("Cache-Control", "max-age=5")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/x").await;
    larder.advance(secs(3590));
    let late = larder.get("/x").await;
    let status = late.cache_status();
    assert!(status.hit);
    assert!((5..=10).contains(&status.ttl.expect("ttl")), "{status:?}");
    let age: u64 = late.field("age").expect("Age").parse().unwrap();
    assert!((3590..3600).contains(&age), "{age}");
    larder.advance(secs(20));
    let after = larder.get("/x").await;
    assert_eq!((after.reason().as_str(), after.text()), ("stale", "1"));
}

#[tokio::test]
async fn an_age_that_the_answer_brought_counts() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        Answer::ok("x")
            .field("Cache-Control", "max-age=60")
            .field("Age", "50")
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    assert!(larder.get("/x").await.cache_status().hit);
    larder.advance(secs(11));
    assert_eq!(larder.get("/x").await.reason(), "stale");
}

#[tokio::test]
async fn a_stored_answer_keeps_its_repeated_fields_in_order_and_loses_connection_fields() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        Answer::ok("x")
            .field("Link", "</a>; rel=preload")
            .field("X-One", "1")
            .field("Link", "</b>; rel=preload")
            .field("Connection", "X-Hop")
            .field("X-Hop", "secret")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for expected in ["uri-miss", "hit"] {
        let answer = larder.get("/x").await;
        assert_eq!(answer.reason(), expected);
        let links: Vec<_> = answer
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case("link"))
            .map(|(_, v)| v)
            .collect();
        assert_eq!(links, ["</a>; rel=preload", "</b>; rel=preload"], "{expected}");
        assert_eq!(answer.field("x-hop"), None, "{expected}");
        assert_eq!(answer.field("x-one"), Some("1"), "{expected}");
        assert!(
            answer.field("via").is_some_and(|via| via.starts_with("1.1 ")),
            "{expected}: {:?}",
            answer.fields
        );
    }
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get_and_goes_as_head_on_a_miss() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let cold = larder.request("HEAD", "/x", &[], b"").await;
    assert_eq!((cold.status, cold.content.len()), (200, 0));
    assert_eq!(origin.requests("/x")[0].method, "HEAD");
    let get = larder.get("/x").await;
    assert_eq!(get.cache_status().fwd.as_deref(), Some("uri-miss"));
    let warm = larder.request("HEAD", "/x", &[], b"").await;
    assert_eq!(warm.reason(), "hit");
    assert_eq!(
        warm.field("content-length"),
        Some(get.content.len().to_string().as_str())
    );
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn vary_keeps_one_copy_for_each_value() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(seen.field("accept-language").unwrap_or("none").to_owned())
            .field("Vary", "Accept-Language")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    assert_eq!(
        larder.get_with("/x", &[("Accept-Language", "de")]).await.reason(),
        "uri-miss"
    );
    let english = larder.get_with("/x", &[("Accept-Language", "en")]).await;
    assert_eq!((english.reason().as_str(), english.text()), ("vary-miss", "en"));
    for language in ["de", "en"] {
        let answer = larder.get_with("/x", &[("Accept-Language", language)]).await;
        assert_eq!((answer.reason().as_str(), answer.text()), ("hit", language));
    }
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn statuses_are_stored_as_the_rule_says() {
    let origin = TestOrigin::start().await;
    for status in [200u16, 203, 204, 300, 301, 308, 302, 307, 404, 410, 500] {
        origin.on(&format!("/{status}"), move |_| Answer::status(status).with("x"));
    }
    let yaml = "rules:\n  - { match: 'GET /**', ttl: 1h, ttl_by_status: { 404: 30s } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    for (status, stored) in [
        (200, true),
        (203, true),
        (204, true),
        (300, true),
        (301, true),
        (308, true),
        (404, true),
        (302, false),
        (307, false),
        (410, false),
        (500, false),
    ] {
        let path = format!("/{status}");
        larder.get(&path).await;
        let again = larder.get(&path).await;
        assert_eq!(again.status, status);
        assert_eq!(
            again.cache_status().hit,
            stored,
            "{status}: {:?}",
            again.cache_status()
        );
    }
    larder.advance(secs(31));
    assert_eq!(
        larder.get("/404").await.reason(),
        "stale",
        "the status has its own lifetime"
    );
    assert_eq!(larder.get("/200").await.reason(), "hit");
}

#[tokio::test]
async fn disabled_passes_everything_through() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(&format!("enabled: false\n{HOUR}"), &origin).await;
    for _ in 0..2 {
        assert_eq!(larder.get("/x").await.reason(), "disabled");
    }
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn what_clients_are_told_follows_client_ttl() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| Answer::ok("x").field("Cache-Control", "max-age=7"));
    let rules = "rules:
  - { match: GET /origin, ttl: 1h }
  - { match: GET /none, ttl: 1h, client_ttl: none }
  - { match: GET /remaining, ttl: 1h, client_ttl: remaining }
  - { match: GET /fixed, ttl: 1h, client_ttl: 30s }
";
    let larder = TestLarder::start(rules, &origin).await;
    for (path, control) in [
        ("/origin", "max-age=7"),
        ("/none", "no-cache"),
        ("/remaining", "max-age=3500"),
        ("/fixed", "max-age=30"),
    ] {
        larder.get(path).await;
        if path == "/remaining" {
            larder.advance(secs(100));
        }
        let hit = larder.get(path).await;
        assert_eq!(hit.reason(), "hit", "{path}");
        let told = hit.field("cache-control").unwrap_or_default();
        assert!(
            told == control || (path == "/remaining" && told == "max-age=3499"),
            "{path}: {told}"
        );
    }
}

#[tokio::test]
async fn only_if_cached_is_answered_without_the_origin() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let cold = larder
        .get_with("/x", &[("Cache-Control", "only-if-cached")])
        .await;
    assert_eq!((cold.status, cold.reason().as_str()), (504, "only-if-cached"));
    assert_eq!(origin.total(), 0);
    larder.get("/x").await;
    let warm = larder
        .get_with("/x", &[("Cache-Control", "only-if-cached")])
        .await;
    assert_eq!((warm.status, warm.reason().as_str()), (200, "hit"));
}

#[tokio::test]
async fn a_stranger_cannot_empty_the_cache_with_cache_control() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/x").await;
    for control in ["no-cache", "max-age=0"] {
        assert_eq!(
            larder
                .get_with("/x", &[("Cache-Control", control)])
                .await
                .reason(),
            "hit",
            "{control}"
        );
    }
    larder.get_with("/y", &[("Cache-Control", "no-store")]).await;
    assert!(
        !larder.get("/y").await.cache_status().hit,
        "no-store always prevents storing"
    );
}

#[tokio::test]
async fn a_stale_answer_is_served_while_a_fresh_one_is_fetched() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:\n  - { match: GET /x, ttl: 1m, stale_while_revalidate: 5m }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/x").await;
    larder.advance(secs(90));
    let stale = larder.get("/x").await;
    assert_eq!(stale.text(), "/x 0");
    assert!(
        stale.cache_status().hit && stale.cache_status().ttl.is_some_and(|ttl| ttl < 0),
        "{:?}",
        stale.fields
    );
    origin.seen("/x", 2).await;
    larder
        .until("the fresh answer", async |larder| {
            larder.get("/x").await.text() == "/x 1"
        })
        .await;
    assert_eq!(origin.count("/x"), 2);
    larder.advance(secs(3600));
    let too_old = larder.get("/x").await;
    assert_eq!((too_old.reason().as_str(), too_old.text()), ("stale", "/x 2"));
}

#[tokio::test]
async fn a_key_is_the_path_as_sent_and_ambiguous_paths_pass_by() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    larder.get("/a").await;
    assert_eq!(
        larder.get("/a/").await.reason(),
        "uri-miss",
        "a slash makes another resource"
    );
    for path in ["/a/../a", "/a//b", "/a%2Fb", "/a%5Cb", "/./a"] {
        for _ in 0..2 {
            assert_eq!(larder.get(path).await.reason(), "ambiguous-path", "{path}");
        }
        assert_eq!(
            origin.requests("/*").last().unwrap().target,
            path,
            "forwarded as it came"
        );
    }
    for field in ["X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"] {
        assert_eq!(
            larder.get_with("/a", &[(field, "/admin")]).await.reason(),
            "override-field",
            "{field}"
        );
    }
}
