//! Tricks that have made other caches give one client's answer to the rest, each tried here.

use crate::support::{Answer, Seen, TestLarder, TestOrigin};

const HOUR: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

/// An origin that answers with everything it was sent.
fn echo(seen: &Seen) -> Answer {
    Answer::ok(format!(
        "{} {} {:?} {}",
        seen.method,
        seen.target,
        seen.fields,
        seen.text()
    ))
}

#[tokio::test]
async fn a_keyed_field_hidden_from_the_origin_by_connection_poisons_nothing() {
    let origin = TestOrigin::start().await;
    let by_language = |seen: &Seen| Answer::ok(seen.field("x-lang").unwrap_or("none").to_owned());
    origin.on("/keyed", by_language);
    origin.on("/varied", move |seen| by_language(seen).field("Vary", "X-Lang"));
    let yaml = "rules:
  - { match: GET /keyed, ttl: 1h, key: { headers: [X-Lang] } }
  - { match: GET /varied, ttl: 1h }
";
    let larder = TestLarder::start(yaml, &origin).await;
    for path in ["/keyed", "/varied"] {
        larder
            .get_with(path, &[("Connection", "X-Lang"), ("X-Lang", "de")])
            .await;
        let victim = larder.get_with(path, &[("X-Lang", "de")]).await;
        assert_eq!(victim.text(), "de", "{path}");
        assert_eq!(
            larder.get_with(path, &[("X-Lang", "de")]).await.reason(),
            "hit",
            "{path}"
        );
    }
}

#[tokio::test]
async fn connection_strips_nothing_that_larder_or_the_origin_relies_on() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let named = "close, Host, Via, X-Forwarded-For, Content-Length, Transfer-Encoding, X-Hop";
    let fields = [
        ("Connection", named),
        ("X-Hop", "1"),
        ("X-Forwarded-For", "203.0.113.9"),
    ];
    larder.request("POST", "/x", &fields, b"content").await;
    let seen = &origin.requests("/x")[0];
    assert_eq!(
        (seen.field("host"), seen.text().as_str()),
        (Some("shop.test"), "content")
    );
    assert_eq!(seen.field("x-hop"), None);
    assert!(
        seen.field("x-forwarded-for")
            .is_some_and(|list| list.ends_with("127.0.0.1")),
        "{:?}",
        seen.fields
    );
    assert!(seen.field("via").is_some());
}

#[tokio::test]
async fn a_get_with_content_is_neither_stored_nor_answered_from_the_store() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| Answer::ok(format!("<{}>", seen.text())));
    let larder = TestLarder::start(HOUR, &origin).await;
    let fat = larder.request("GET", "/x", &[], b"evil").await;
    assert_eq!((fat.text(), fat.reason().as_str()), ("<evil>", "unkeyed-body"));
    assert_eq!(larder.get("/x").await.text(), "<>");
    assert_eq!(larder.request("GET", "/x", &[], b"more").await.text(), "<more>");
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn the_authority_of_an_absolute_target_is_the_key_and_the_host() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(seen.field("host").unwrap_or_default().to_owned())
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let mut client = larder.connect().await;
    client
        .send("GET http://evil.test/x HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        .await;
    let odd = client.response().await;
    assert!(
        odd.status == 400 || odd.text() == "evil.test",
        "RFC 9112 §3.2.2: {} {}",
        odd.status,
        odd.text()
    );
    assert_eq!(
        larder.get("/x").await.text(),
        "shop.test",
        "Host beside another authority poisons nothing"
    );
    client = larder.connect().await;
    client
        .send("GET http://shop.test/x HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        .await;
    assert_eq!(client.response().await.text(), "shop.test");
    assert!(
        origin.requests("/*").iter().all(|seen| seen.target == "/x"),
        "always the origin form"
    );
}

#[tokio::test]
async fn an_error_that_one_client_provokes_is_not_everyones() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        let strange = seen
            .fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("x-strange"));
        let override_ = seen.field("x-http-method-override").is_some();
        match (strange, override_) {
            (true, _) => Answer::status(400).with("bad"),
            (_, true) => Answer::status(404).with("no such method"),
            _ => Answer::ok("good"),
        }
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for (path, name) in [
        ("/a", "X-Strange"),
        ("/b", "X-HTTP-Method-Override"),
        ("/c", "X-Method-Override"),
    ] {
        larder.get_with(path, &[(name, "DELETE")]).await;
        assert_eq!(larder.get(path).await.text(), "good", "{name}");
    }
}

#[tokio::test]
async fn a_part_of_an_answer_never_stands_for_the_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| match seen.field("range") {
        Some(_) => Answer::status(206)
            .with("ab")
            .field("Content-Range", "bytes 0-1/4"),
        None => Answer::ok("abcd"),
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for path in ["/a", "/b"] {
        let part = larder.get_with(path, &[("Range", "bytes=0-1")]).await;
        assert!(
            matches!((part.status, part.text()), (200, "abcd") | (206, "ab")),
            "{part:?}"
        );
        assert_eq!(larder.get(path).await.text(), "abcd");
        let part = larder.get_with(path, &[("Range", "bytes=0-1")]).await;
        assert!(
            matches!((part.status, part.text()), (200, "abcd") | (206, "ab")),
            "{part:?}"
        );
        assert_eq!(larder.get(path).await.text(), "abcd");
    }
}

#[tokio::test]
async fn a_206_that_nobody_asked_for_is_not_stored() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        Answer::status(206)
            .with("ab")
            .field("Content-Range", "bytes 0-1/4")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for _ in 0..2 {
        assert!(!larder.get("/x").await.cache_status().hit);
    }
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn parameters_that_look_alike_are_not_the_same() {
    let origin = TestOrigin::start().await;
    origin.on("/*", echo);
    let yaml = "rules:\n  - { match: GET /only, ttl: 1h, key: { query: [a, b] } }\n  - { match: 'GET /**', ttl: 1h }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let targets = [
        "?a=1&b=2",
        "?a=1%26b=2",
        "?a=1;b=2",
        "?a=1",
        "?a=&b=1",
        "?a",
        "?a=1&a=2",
        "?a=2&a=1",
        "?A=1",
    ];
    for path in ["/x", "/only"] {
        for target in targets {
            larder.get(&format!("{path}{target}")).await;
        }
        for target in targets {
            let again = larder.get(&format!("{path}{target}")).await;
            let asked = again.text().split(' ').nth(1).unwrap_or_default().to_owned();
            let same = asked == format!("{path}{target}");
            let dropped = path == "/only" && target == "?A=1" && asked == path;
            assert!(same || dropped, "{path}{target} got the answer to {asked}");
        }
    }
}

#[tokio::test]
async fn an_unkeyed_field_that_changes_the_answer_is_the_origins_to_declare() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(seen.field("accept").unwrap_or("none").to_owned()).field("Vary", "Accept")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/x");
    let mut clients = Vec::new();
    for accept in ["text/html", "text/html", "application/json", "application/json"] {
        let mut client = larder.connect().await;
        client.send_request("GET", "/x", &[("Accept", accept)], b"").await;
        clients.push((accept, client));
    }
    origin.seen("/x", 1).await;
    hold.release();
    for (accept, mut client) in clients {
        assert_eq!(
            client.response().await.text(),
            accept,
            "nobody follows another variant's fill"
        );
    }
}
