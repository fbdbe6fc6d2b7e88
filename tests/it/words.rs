//! Whose words count: the origin's, in which field, and the client's where a rule honors them.

use std::time::Duration;

use crate::support::{Answer, TestLarder, TestOrigin};

const HONOR: &str = "rules:\n  - { match: 'GET /**', client_cache_control: honor }\n";

type Lines = &'static [(&'static str, &'static str)];

/// An origin whose every answer to `/x` has these fields, and content that counts.
async fn origin(lines: Lines) -> TestOrigin {
    let origin = TestOrigin::start().await;
    answer_with(&origin, lines);
    origin
}

fn answer_with(origin: &TestOrigin, lines: Lines) {
    origin.on("/x", move |_| {
        let fields = lines.iter();
        fields.fold(Answer::ok("content"), |answer, (name, value)| {
            answer.field(name, value)
        })
    });
}

/// Asks for `/x` twice; the reason of the second answer.
async fn second(yaml: &str, lines: Lines) -> String {
    let origin = origin(lines).await;
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get("/x").await;
    let answer = larder.get("/x").await;
    for (name, value) in lines {
        assert_eq!(answer.field(name), Some(*value), "forwarded and stored unchanged");
    }
    answer.reason()
}

#[tokio::test]
async fn a_targeted_field_counts_in_place_of_cache_control_and_expires() {
    let cdn = "rules:\n  - { match: 'GET /**', targeted: [Larder-Cache-Control, CDN-Cache-Control] }\n";
    let by_default = "defaults: { targeted: [CDN-Cache-Control] }\nrules:\n  - match: GET /**\n";
    const LARDER: &str = "larder-cache-control";
    const CDN: &str = "cdn-cache-control";
    let table: &[(&str, Lines, &str)] = &[
        (
            "",
            &[(LARDER, "max-age=60"), ("cache-control", "no-store")],
            "hit",
        ),
        ("", &[(LARDER, "max-age=60"), ("expires", "0")], "hit"),
        (
            "",
            &[(LARDER, "no-store"), ("cache-control", "max-age=60")],
            "origin-no-store",
        ),
        (
            "",
            &[(LARDER, "max-age=\"60\""), ("cache-control", "no-store")],
            "origin-no-store",
        ),
        (
            "",
            &[(CDN, "max-age=60"), ("cache-control", "no-store")],
            "origin-no-store",
        ),
        (cdn, &[(CDN, "max-age=60"), ("cache-control", "no-store")], "hit"),
        (
            cdn,
            &[(CDN, "private"), ("cache-control", "max-age=60")],
            "origin-private",
        ),
        (cdn, &[(CDN, "no-store"), (LARDER, "max-age=60")], "hit"),
        (cdn, &[(CDN, "max-age=60"), (LARDER, "max-age=60,")], "hit"),
        (
            by_default,
            &[(CDN, "max-age=60"), ("cache-control", "no-store")],
            "hit",
        ),
    ];
    for (yaml, lines, reason) in table {
        assert_eq!(second(yaml, lines).await, *reason, "{yaml} {lines:?}");
    }
}

#[tokio::test]
async fn an_age_counts_against_a_targeted_lifetime() {
    let lines: Lines = &[("larder-cache-control", "max-age=3600")];
    let origin = origin(lines).await;
    origin.on("/old", |_| {
        Answer::ok("old")
            .field("Larder-Cache-Control", "max-age=3600")
            .field("Age", "7200, 0")
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/old").await;
    assert_eq!(larder.get("/old").await.reason(), "no-freshness");
    larder.get("/x").await;
    larder.advance(Duration::from_secs(3599));
    assert_eq!(larder.get("/x").await.reason(), "hit");
    larder.advance(Duration::from_secs(1));
    assert_ne!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn named_fields_are_for_the_client_that_caused_the_fetch_alone() {
    for words in [
        "private=\"X-Mine, Set-Cookie\"",
        "no-cache=\"x-mine\", private=set-cookie",
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |_| {
            Answer::ok("content")
                .field("Cache-Control", words)
                .field("Cache-Control", "max-age=60")
                .field("X-Mine", "1")
                .field("X-Mine", "2")
                .field("Set-Cookie", "sid=1")
                .field("X-Ours", "3")
        });
        let larder = TestLarder::start("", &origin).await;
        let hold = origin.hold("/x");
        let leader = larder.get("/x");
        let follower = async {
            origin.seen("/x", 1).await;
            larder.get("/x").await
        };
        let release = async {
            larder.followers(1).await;
            hold.release();
        };
        let (leader, follower, ()) = tokio::join!(leader, follower, release);
        assert_eq!(leader.field("x-mine"), Some("1"), "{words}");
        assert_eq!(leader.field("set-cookie"), Some("sid=1"), "{words}");
        for answer in [follower, larder.get("/x").await] {
            assert_eq!(answer.field("x-mine"), None, "{words}");
            assert_eq!(answer.field("set-cookie"), None, "{words}");
            assert_eq!((answer.field("x-ours"), answer.text()), (Some("3"), "content"));
        }
        assert_eq!(origin.total(), 1, "{words}");
    }
}

#[tokio::test]
async fn a_304_brings_no_field_that_is_withheld() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.field("if-none-match") {
        Some(_) => Answer::status(304)
            .field("ETag", "\"a\"")
            .field("Cache-Control", "max-age=600, private=\"x-mine\"")
            .field("X-Mine", "2")
            .field("X-Ours", "2"),
        None => Answer::ok("content")
            .field("ETag", "\"a\"")
            .field("Cache-Control", "max-age=60")
            .field("X-Mine", "1")
            .field("X-Ours", "1"),
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    assert_eq!(larder.get("/x").await.field("x-mine"), Some("1"));
    larder.advance(Duration::from_secs(61));
    larder.get("/x").await;
    let freshened = larder.get("/x").await;
    assert_eq!(freshened.reason(), "hit");
    assert_eq!(
        (freshened.field("x-ours"), freshened.field("x-mine")),
        (Some("2"), None)
    );
}

#[tokio::test]
async fn clients_are_honored_where_the_rule_says_so() {
    let lines: Lines = &[("Cache-Control", "max-age=100"), ("ETag", "\"a\"")];
    // What a client says to a response of fifty seconds, and what it hears.
    let table: &[(Lines, &str)] = &[
        (&[("Cache-Control", "max-age=60")], "hit"),
        (&[("Cache-Control", "max-age=40")], "request-freshness"),
        (&[("Cache-Control", "min-fresh=40")], "hit"),
        (&[("Cache-Control", "min-fresh=60")], "request-freshness"),
        (&[("Cache-Control", "no-cache")], "request-freshness"),
        (&[("Pragma", "no-cache")], "request-freshness"),
        (&[("Pragma", "no-cache"), ("Cache-Control", "max-age=60")], "hit"),
        (&[("Cache-Control", "no-store")], "request-no-store"),
        (&[("Cache-Control", "no-cache, only-if-cached")], "only-if-cached"),
        (&[("Cache-Control", "max-age=60, only-if-cached")], "hit"),
    ];
    for (fields, reason) in table {
        for (yaml, expected) in [(HONOR, *reason), ("", "hit")] {
            let origin = origin(lines).await;
            let larder = TestLarder::start(yaml, &origin).await;
            larder.get("/x").await;
            larder.advance(Duration::from_secs(50));
            let answer = larder.get_with("/x", fields).await;
            assert_eq!(answer.reason(), expected, "{fields:?} {yaml}");
            let status = if expected == "only-if-cached" { 504 } else { 200 };
            assert_eq!(answer.status, status, "{fields:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_what_is_stale_leaves_the_origin_alone() {
    let origin = origin(&[("Cache-Control", "max-age=10"), ("ETag", "\"a\"")]).await;
    let larder = TestLarder::start(HONOR, &origin).await;
    larder.get("/x").await;
    larder.advance(Duration::from_secs(15));
    for words in ["max-stale=6", "max-stale", "only-if-cached, max-stale"] {
        let answer = larder.get_with("/x", &[("Cache-Control", words)]).await;
        let status = answer.cache_status();
        assert_eq!(
            (answer.status, status.hit, status.ttl),
            (200, true, Some(-5)),
            "{words}"
        );
        assert_eq!(answer.field("age"), Some("15"), "{words}");
    }
    assert_eq!(origin.total(), 1);
    let refused = larder
        .get_with("/x", &[("Cache-Control", "max-stale=4, only-if-cached")])
        .await;
    assert_eq!(refused.status, 504);
    let fetched = larder.get_with("/x", &[("Cache-Control", "max-stale=4")]).await;
    assert_eq!(fetched.reason(), "stale");
}

#[tokio::test]
async fn max_stale_stops_at_must_revalidate() {
    for words in [
        "max-age=10, must-revalidate",
        "max-age=10, proxy-revalidate",
        "s-maxage=10",
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |_| Answer::ok("content").field("Cache-Control", words));
        let larder = TestLarder::start(HONOR, &origin).await;
        larder.get("/x").await;
        larder.advance(Duration::from_secs(11));
        let answer = larder.get_with("/x", &[("Cache-Control", "max-stale")]).await;
        assert_eq!(answer.reason(), "stale", "{words}");
        assert_eq!(origin.total(), 2, "{words}");
    }
}

#[tokio::test]
async fn whoever_wants_a_stored_answer_alone_gets_it_or_504() {
    let origin = origin(&[("Cache-Control", "max-age=60")]).await;
    let larder = TestLarder::start("", &origin).await;
    let only = ("Cache-Control", "only-if-cached");
    assert_eq!(larder.get_with("/x", &[only]).await.status, 504);
    larder.get("/x").await;
    let whole: Lines = &[("Cache-Control", "only-if-cached"), ("Range", "bytes=0-1")];
    for fields in [&[only][..], whole] {
        let answer = larder.get_with("/x", fields).await;
        assert!(matches!(answer.status, 200 | 206), "{fields:?}");
        assert!(answer.cache_status().hit, "{fields:?}");
    }
    larder.advance(Duration::from_secs(61));
    assert_eq!(larder.get_with("/x", &[only]).await.status, 504, "stale");
    assert_eq!(origin.total(), 1);
}

/// An origin with three members of groups, and writes that say which group they drop.
async fn grouped() -> TestOrigin {
    let origin = TestOrigin::start().await;
    for (path, groups) in [
        ("/a", "\"one\", \"both\""),
        ("/b", "\"two\";x=1, \"both\""),
        ("/c", "\"three\""),
    ] {
        origin.on(path, move |_| {
            Answer::ok("content")
                .field("Cache-Control", "max-age=60")
                .field("Cache-Groups", groups)
        });
    }
    origin
}

#[tokio::test]
async fn a_write_drops_the_groups_that_its_answer_names_and_nothing_beyond() {
    // Status, method and field of the write; who is dropped of /a, /b and /c.
    let table: &[(u16, &str, &str, [bool; 3])] = &[
        (200, "POST", "\"one\"", [true, false, false]),
        (204, "DELETE", "\"both\"", [true, true, false]),
        (303, "X-UNKNOWN", "\"one\", \"three\";a", [true, false, true]),
        (200, "POST", "\"One\"", [false, false, false]),
        (200, "POST", "one", [false, false, false]),
        (400, "POST", "\"one\"", [false, false, false]),
        (500, "POST", "\"one\"", [false, false, false]),
        (200, "GET", "\"one\"", [false, false, false]),
    ];
    for (status, method, groups, dropped) in table {
        let origin = grouped().await;
        let (status, groups) = (*status, *groups);
        origin.on("/write", move |_| {
            Answer::status(status).field("Cache-Group-Invalidation", groups)
        });
        let larder = TestLarder::start("", &origin).await;
        for path in ["/a", "/b", "/c"] {
            larder.get(path).await;
        }
        larder.request(method, "/write", &[], b"").await;
        for (path, dropped) in ["/a", "/b", "/c"].into_iter().zip(dropped) {
            let reason = if *dropped { "invalidated" } else { "hit" };
            assert_eq!(
                larder.get(path).await.reason(),
                reason,
                "{status} {method} {groups}: {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_group_ends_with_its_origin_and_a_declared_read_drops_none() {
    let origin = grouped().await;
    origin.on("/write", |_| {
        Answer::status(200).field("Cache-Group-Invalidation", "\"one\"")
    });
    let rules = "rules:\n  - { match: POST /write, ttl: 1m, key: { body: true } }\n";
    let larder = TestLarder::start(rules, &origin).await;
    let here = [("Host", "SHOP.test:80")];
    larder.get_with("/a", &here).await;
    larder
        .request("PUT", "/write", &[("Host", "other.test")], b"")
        .await;
    assert_eq!(
        larder.get_with("/a", &here).await.reason(),
        "hit",
        "another origin"
    );
    larder.request("POST", "/write", &[], b"x").await;
    assert_eq!(
        larder.get_with("/a", &here).await.reason(),
        "hit",
        "a declared read"
    );
    larder.request("PUT", "/write", &[], b"").await;
    assert_eq!(larder.get_with("/a", &here).await.reason(), "invalidated");
}

#[tokio::test]
async fn too_many_groups_are_not_stored_and_thirty_two_always_are() {
    for (count, reason) in [(32, "hit"), (33, "too-many-tags")] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |_| {
            let groups: Vec<String> = (0..count).map(|n| format!("\"{n:032}\"")).collect();
            Answer::ok("content")
                .field("Cache-Control", "max-age=60")
                .field("Cache-Groups", &groups.join(", "))
        });
        let larder = TestLarder::start("limits: { tags: 1 }\n", &origin).await;
        larder.get("/x").await;
        assert_eq!(larder.get("/x").await.reason(), reason, "{count}");
    }
}

#[tokio::test]
async fn a_validated_answer_in_too_many_groups_is_not_stored_again() {
    let origin = TestOrigin::start().await;
    let many: Vec<String> = (0..70).map(|n| format!("\"g{n}\"")).collect();
    let many = many.join(", ");
    origin.on("GET /x", move |seen| match seen.before {
        0 => Answer::ok("x")
            .field("ETag", "\"one\"")
            .field("Cache-Control", "max-age=0")
            .field("Cache-Groups", "\"a\""),
        _ => Answer::status(304)
            .field("ETag", "\"one\"")
            .field("Cache-Control", "max-age=60")
            .field("Cache-Groups", &many),
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/x").await;
    assert_eq!(larder.get("/x").await.text(), "x");
    assert_ne!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn a_304_with_a_via_leaves_larders_own_in_place() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.before {
        0 => Answer::ok("x").field("ETag", "\"one\""),
        _ => Answer::status(304)
            .field("ETag", "\"one\"")
            .field("Cache-Control", "max-age=60")
            .field("Via", "1.1 up"),
    });
    let larder = TestLarder::start("", &origin).await;
    for _ in 0..3 {
        let via = larder.get("/x").await;
        let names = via
            .fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("via"));
        assert!(
            names.into_iter().any(|(_, value)| value.contains("larder-")),
            "{via:?}"
        );
    }
}
