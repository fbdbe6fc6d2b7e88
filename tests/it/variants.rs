//! Several answers under one key, and what a HEAD says of them (RFC 9111 §4.1, §4.3).

use std::time::Duration;

use crate::support::{Answer, Seen, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /**', ttl: 1m, stale_if_error: 1h }\n";

/// One answer a language, each with a tag of its own; the default is English.
fn spoken(seen: &Seen) -> Answer {
    let (tag, text) = match seen.field("x-tongue") {
        Some("de" | "at") => ("\"de\"", "Tag"),
        _ => ("\"en\"", "day"),
    };
    let asked = seen.field("if-none-match").unwrap_or_default();
    let answer = if asked.split(", ").any(|one| one == tag) {
        Answer::status(304)
    } else {
        Answer::ok(text)
    };
    answer.field("Vary", "X-Tongue").field("ETag", tag)
}

#[tokio::test]
async fn a_304_that_names_another_stored_answer_selects_it() {
    let origin = TestOrigin::start().await;
    origin.on("/x", spoken);
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get_with("/x", &[("X-Tongue", "en")]).await;
    larder.get_with("/x", &[("X-Tongue", "de")]).await;
    let third = larder.get_with("/x", &[("X-Tongue", "at")]).await;
    assert_eq!((third.status, third.text()), (200, "Tag"));
    let status = third.cache_status();
    assert_eq!(
        (status.fwd.as_deref(), status.fwd_status),
        (Some("vary-miss"), Some(304))
    );
    assert!(status.stored);
    let seen = origin.requests("/x");
    assert_eq!(seen[1].field("if-none-match"), Some("\"en\""));
    assert_eq!(seen[2].field("if-none-match"), Some("\"de\", \"en\""));
    for (tongue, text) in [("en", "day"), ("de", "Tag"), ("at", "Tag")] {
        let hit = larder.get_with("/x", &[("X-Tongue", tongue)]).await;
        assert_eq!((hit.reason().as_str(), hit.text()), ("hit", text), "{tongue}");
    }
    assert_eq!(origin.total(), 3);
}

#[tokio::test]
async fn a_304_without_a_tag_selects_nothing_among_several() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        if seen.field("if-none-match").is_some() {
            return Answer::status(304);
        }
        let text = seen.field("x-tongue").unwrap_or_default().to_owned();
        Answer::ok(text.clone())
            .field("Vary", "X-Tongue")
            .field("ETag", &format!("\"{text}\""))
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for tongue in ["en", "de"] {
        let answer = larder.get_with("/x", &[("X-Tongue", tongue)]).await;
        assert_eq!(answer.text(), tongue);
    }
}

#[tokio::test]
async fn weak_tags_name_no_content_of_another_request() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let text = seen.field("x-tongue").unwrap_or_default().to_owned();
        Answer::ok(text)
            .field("Vary", "X-Tongue")
            .field("ETag", "W/\"all\"")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get_with("/x", &[("X-Tongue", "en")]).await;
    larder.get_with("/x", &[("X-Tongue", "de")]).await;
    assert_eq!(origin.requests("/x")[1].field("if-none-match"), None);
}

#[tokio::test]
async fn a_private_copy_is_no_alternative_for_a_stranger() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let who = seen.field("x-user").unwrap_or("nobody").to_owned();
        Answer::ok(who.clone())
            .field("Vary", "X-Tongue")
            .field("ETag", &format!("\"{who}\""))
    });
    let yaml = "rules:\n  - { match: 'GET /**', ttl: 1m, share: { per: header X-User } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    larder
        .get_with("/x", &[("X-Tongue", "en"), ("X-User", "ann")])
        .await;
    let other = larder
        .get_with("/x", &[("X-Tongue", "de"), ("X-User", "bob")])
        .await;
    assert_eq!(other.text(), "bob");
    assert_eq!(origin.requests("/x")[1].field("if-none-match"), None);
}

/// A GET that stores, time that makes it stale, and a HEAD answered with these fields.
async fn after_head(fields: &'static [(&'static str, &'static str)]) -> (TestOrigin, TestLarder) {
    let origin = TestOrigin::start().await;
    origin.on("/x", move |seen| {
        let answer = if seen.method == "HEAD" {
            fields
                .iter()
                .fold(Answer::status(200).announcing(5), |a, (n, v)| a.field(n, v))
        } else {
            Answer::ok("12345")
                .field("ETag", "\"one\"")
                .field("X-Seen", "get")
        };
        answer.field("Cache-Control", "max-age=60")
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    let head = larder.request("HEAD", "/x", &[], b"").await;
    assert_eq!((head.status, head.reason().as_str()), (200, "stale"));
    (origin, larder)
}

#[tokio::test]
async fn a_head_that_matches_freshens_what_is_stored() {
    let (origin, larder) = after_head(&[("ETag", "\"one\""), ("X-Seen", "head")]).await;
    let hit = larder.get("/x").await;
    assert_eq!((hit.reason().as_str(), hit.text()), ("hit", "12345"));
    assert_eq!(hit.field("x-seen"), Some("head"));
    assert_eq!(hit.field("content-length"), Some("5"));
    assert_eq!(origin.total(), 2);
}

#[tokio::test]
async fn a_head_that_differs_makes_what_is_stored_stale() {
    for fields in [
        &[("ETag", "\"two\"")][..],
        &[("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT")],
    ] {
        let (origin, larder) = after_head(fields).await;
        let next = larder.get("/x").await;
        assert_eq!(next.reason(), "stale", "{fields:?}");
        assert_eq!(origin.requests("/x")[2].field("if-none-match"), Some("\"one\""));
    }
}

#[tokio::test]
async fn a_head_brings_nothing_back_that_a_write_has_dropped() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let answer = if seen.method == "HEAD" {
            Answer::status(200).announcing(3)
        } else {
            Answer::ok(format!("{:03}", seen.before))
        };
        answer
            .field("ETag", "\"one\"")
            .field("Cache-Control", "max-age=60")
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    larder.request("DELETE", "/x", &[], b"").await;
    larder.request("HEAD", "/x", &[], b"").await;
    let next = larder.get("/x").await;
    assert_eq!((next.reason().as_str(), next.text()), ("invalidated", "003"));
}

#[tokio::test]
async fn a_head_is_answered_from_what_is_stale_when_the_origin_fails() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.before {
        0 => Answer::ok("12345"),
        1 => Answer::status(503),
        _ => Answer::status(200).reset_first(),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    for reason in ["origin-error", "origin-reset"] {
        let head = larder.request("HEAD", "/x", &[], b"").await;
        assert_eq!((head.status, head.field("content-length")), (200, Some("5")));
        let status = head.cache_status();
        assert!(
            status.hit && status.detail.as_deref() == Some(reason),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn what_clients_prefer_is_compared_by_what_it_means() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(format!("{}", seen.before))
            .field("Vary", "Accept-Language")
            .field("Vary", "Accept-Encoding")
            .field("Content-Language", "de")
            .field("Cache-Control", "max-age=60")
    });
    let larder = TestLarder::start("rules: [{ match: 'GET /**', accept_encoding: pass }]", &origin).await;
    let ask = |language: &'static str, coding: &'static str| {
        let fields = [("Accept-Language", language), ("Accept-Encoding", coding)];
        let larder = &larder;
        async move { larder.get_with("/x", &fields).await.text().to_owned() }
    };
    assert_eq!(ask("en, de;q=0.5", "gzip, br").await, "0");
    assert_eq!(ask(" DE ; q=0.500,EN", "br,x-gzip,zstd;q=0").await, "0");
    assert_eq!(
        ask("fr;q=0.5, de;q=1.0", "gzip, br").await,
        "0",
        "its first choice"
    );
    assert_eq!(ask("de", "gzip").await, "1", "not without the codings");
    assert_eq!(ask("fr, de;q=0.5", "gzip, br").await, "2", "its second choice");
}

#[tokio::test]
async fn one_clients_page_is_no_answer_for_another_whatever_its_tag() {
    let origin = TestOrigin::start().await;
    // A tag that names the template, not the page.
    origin.on("/x", |seen| {
        if seen.field("if-none-match").is_some() {
            return Answer::status(304).field("ETag", "\"v1\"");
        }
        let who = seen.field("cookie").unwrap_or("nobody").to_owned();
        Answer::ok(who)
            .field("ETag", "\"v1\"")
            .field("Vary", "Cookie")
            .field("Cache-Control", "max-age=100")
    });
    let larder = TestLarder::start("", &origin).await;
    for who in ["u=alice", "u=bob"] {
        assert_eq!(larder.get_with("/x", &[("Cookie", who)]).await.text(), who);
    }
    assert_eq!(larder.get("/x").await.text(), "nobody");
}

#[tokio::test]
async fn a_head_under_way_says_nothing_of_what_was_stored_since() {
    let origin = TestOrigin::start().await;
    let gate = crate::support::Gate::shut();
    let waits = gate.clone();
    let modified = "Tue, 15 Nov 1994 12:45:26 GMT";
    origin.on("/x", move |seen| {
        let answer = match (seen.method.as_str(), seen.before) {
            ("HEAD", _) => Answer::status(200)
                .announcing(3)
                .field("Cache-Control", "max-age=3600")
                .field("X-State", "old")
                .wait_first(&waits),
            ("GET", 0) => Answer::ok("old").field("Cache-Control", "max-age=1"),
            ("GET", _) => Answer::ok("new")
                .field("Cache-Control", "max-age=60")
                .field("X-State", "new"),
            _ => Answer::status(204),
        };
        answer.field("Last-Modified", modified)
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(2));
    let mut head = larder.connect().await;
    head.send_request("HEAD", "/x", &[], b"").await;
    origin.seen("HEAD /x", 1).await;
    larder.request("PUT", "/x", &[], b"new").await;
    assert_eq!(larder.get("/x").await.text(), "new");
    gate.open();
    head.response_to("HEAD").await;
    let hit = larder.get("/x").await;
    assert_eq!(
        (hit.field("x-state"), hit.field("cache-control")),
        (Some("new"), Some("max-age=60"))
    );
}

#[tokio::test]
async fn a_head_is_answered_from_what_is_stale_while_a_get_renews_it() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:\n  - { match: 'GET /**', ttl: 1m, stale_while_revalidate: 1h }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(61));
    let head = larder
        .request("HEAD", "/x", &[("Cache-Control", "only-if-cached")], b"")
        .await;
    assert_eq!((head.status, head.cache_status().hit), (200, true));
    origin.seen("GET /x", 2).await;
    assert_eq!(origin.count("HEAD /x"), 0);
}

#[tokio::test]
async fn personal_parts_cost_one_fill() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let answer = match seen.field("range") {
            Some(_) => Answer::status(206)
                .with("0")
                .field("Content-Range", "bytes 0-0/10"),
            None => Answer::ok("0123456789"),
        };
        answer.field("Cache-Control", "max-age=100")
    });
    let larder = TestLarder::start("", &origin).await;
    let fields = [("Authorization", "Bearer x"), ("Range", "bytes=0-0")];
    for _ in 0..4 {
        assert_eq!(larder.get_with("/x", &fields).await.status, 206);
    }
    assert_eq!(origin.total(), 5);
}
