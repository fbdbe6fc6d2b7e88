//! No user ever gets another's answer, and nothing unkeyed changes what others get.

use crate::support::{Answer, Seen, TestLarder, TestOrigin};

const HOUR: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

/// An origin that answers with who asks, in every way it might know.
fn whoami(seen: &Seen) -> Answer {
    let who: Vec<&str> = [
        "cookie",
        "authorization",
        "x-forwarded-user",
        "x-api-key",
        "x-tenant-id",
        "proxy-authorization",
    ]
    .iter()
    .filter_map(|name| seen.field(name))
    .collect();
    Answer::ok(if who.is_empty() {
        "nobody".to_owned()
    } else {
        who.join(",")
    })
}

#[tokio::test]
async fn users_never_get_each_others_answer_under_a_ttl_that_does_not_mention_sharing() {
    for name in [
        "Cookie",
        "Authorization",
        "Proxy-Authorization",
        "X-Forwarded-User",
        "X-Api-Key",
        "x-api-key",
        "X-Tenant-Id",
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/*", whoami);
        let larder = TestLarder::start(HOUR, &origin).await;
        let sent = name != "Proxy-Authorization"; // hop-by-hop: the origin need not see it
        for (round, user) in ["alice", "bob", "alice", "bob"].into_iter().enumerate() {
            let answer = larder.get_with("/me", &[(name, user)]).await;
            if sent {
                assert_eq!(answer.text(), user, "{name} round {round}");
            }
            assert_eq!(answer.reason(), "credentials", "{name}");
            assert!(!answer.cache_status().stored, "{name}");
        }
        assert_eq!(larder.get("/me").await.text(), "nobody", "{name}");
        assert_eq!(larder.get("/me").await.reason(), "hit", "{name}");
        let after = larder.get_with("/me", &[(name, "alice")]).await;
        assert_eq!(
            after.reason(),
            "credentials",
            "{name}: the anonymous answer is not alice's"
        );
        assert_eq!(origin.count("/me"), 6, "{name}");
    }
}

#[tokio::test]
async fn a_declared_read_with_a_body_keeps_users_apart_too() {
    let origin = TestOrigin::start().await;
    origin.on("/*", whoami);
    let yaml = "rules:\n  - { match: POST /ask, ttl: 1h, key: { body: true } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    for user in ["sid=a", "sid=b"] {
        let answer = larder
            .request("POST", "/ask", &[("Cookie", user)], b"question")
            .await;
        assert_eq!((answer.text(), answer.reason().as_str()), (user, "credentials"));
    }
}

#[tokio::test]
async fn concurrent_users_never_join_each_others_fill() {
    let origin = TestOrigin::start().await;
    origin.on("/*", whoami);
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/me");
    let mut clients = Vec::new();
    for user in ["sid=a", "sid=b", "sid=c"] {
        let mut client = larder.connect().await;
        client.send_request("GET", "/me", &[("Cookie", user)], b"").await;
        clients.push((user, client));
    }
    origin.seen("/me", 3).await;
    hold.release();
    for (user, mut client) in clients {
        assert_eq!(client.response().await.text(), user);
    }
}

#[tokio::test]
async fn the_origins_own_rules_for_authorization_count_without_a_ttl() {
    let origin = TestOrigin::start().await;
    origin.on("/private", |seen| {
        whoami(seen).field("Cache-Control", "max-age=60")
    });
    origin.on("/public", |seen| {
        whoami(seen).field("Cache-Control", "public, max-age=60")
    });
    let larder = TestLarder::start("", &origin).await;
    for user in ["Bearer a", "Bearer b"] {
        let answer = larder.get_with("/private", &[("Authorization", user)]).await;
        assert_eq!((answer.text(), answer.reason().as_str()), (user, "authorization"));
    }
    larder.get_with("/public", &[("Authorization", "Bearer a")]).await;
    let shared = larder.get_with("/public", &[("Authorization", "Bearer b")]).await;
    assert_eq!(
        (shared.text(), shared.reason().as_str()),
        ("Bearer a", "hit"),
        "public says so"
    );
}

#[tokio::test]
async fn sharing_is_what_the_rule_says() {
    let origin = TestOrigin::start().await;
    origin.on("/*", whoami);
    let yaml = "rules:
  - { match: GET /public, ttl: 1h, share: public }
  - { match: GET /cookie, ttl: 1h, share: { per: cookie sid } }
  - { match: GET /field, ttl: 1h, share: { per: header X-Forwarded-User } }
";
    let larder = TestLarder::start(yaml, &origin).await;
    larder.get_with("/public", &[("Cookie", "sid=a")]).await;
    let shared = larder.get_with("/public", &[("Cookie", "sid=b")]).await;
    assert_eq!((shared.reason().as_str(), shared.text()), ("hit", "sid=a"));

    for (path, name, users) in [
        ("/cookie", "Cookie", ["sid=a", "sid=b"]),
        ("/field", "X-Forwarded-User", ["ann", "ben"]),
    ] {
        for expected in ["uri-miss", "hit"] {
            for user in users {
                let answer = larder.get_with(path, &[(name, user)]).await;
                assert_eq!(
                    (answer.reason().as_str(), answer.text()),
                    (expected, user),
                    "{path}"
                );
            }
        }
        assert_eq!(larder.get(path).await.reason(), "no-identity", "{path}");
        let more = larder
            .get_with(path, &[(name, users[0]), ("X-Api-Key", "k")])
            .await;
        assert_eq!(
            more.reason(),
            "credentials",
            "{path}: a further credential that nothing names"
        );
    }
}

#[tokio::test]
async fn sharing_withdrawn_from_a_rule_stops_the_very_next_hit() {
    let origin = TestOrigin::start().await;
    origin.on("/*", whoami);
    let rule = |share: &str| format!("rules:\n  - {{ name: me, match: GET /me, ttl: 1h{share} }}\n");
    let larder = TestLarder::start(&rule(", share: public"), &origin).await;
    larder.get_with("/me", &[("Cookie", "sid=a")]).await;
    let shared = larder.get_with("/me", &[("Cookie", "sid=b")]).await;
    assert_eq!((shared.reason().as_str(), shared.text()), ("hit", "sid=a"));

    larder.replace_config(&rule(""), &origin);
    let own = larder.get_with("/me", &[("Cookie", "sid=b")]).await;
    assert_eq!((own.reason().as_str(), own.text()), ("credentials", "sid=b"));
    let anonymous = larder.get("/me").await;
    assert_eq!(
        anonymous.text(),
        "nobody",
        "what a user's cookie fetched is not everyone's any more"
    );
    assert_eq!(anonymous.reason(), "rule-changed");
    assert_eq!(larder.get("/me").await.reason(), "hit");
}

#[tokio::test]
async fn a_changed_rule_is_decided_again_and_an_unchanged_one_goes_on_hitting() {
    let origin = TestOrigin::start().await;
    let yaml = |ttl: &str| {
        format!("rules:\n  - {{ match: GET /a, ttl: {ttl} }}\n  - {{ match: GET /b, ttl: 1h }}\n")
    };
    let larder = TestLarder::start(&yaml("1h"), &origin).await;
    larder.get("/a").await;
    larder.get("/b").await;
    larder.advance(std::time::Duration::from_secs(120));
    larder.replace_config(&yaml("1m"), &origin);
    assert!(
        !larder.get("/a").await.cache_status().hit,
        "today's rule would have let it end a minute ago"
    );
    assert_eq!(larder.get("/b").await.reason(), "hit");
    larder.replace_config(&yaml("2h"), &origin);
    assert!(
        larder.get("/a").await.cache_status().hit,
        "a longer life needs no new fetch"
    );
}

#[tokio::test]
async fn an_unkeyed_parameter_never_changes_what_others_get() {
    let origin = TestOrigin::start().await;
    origin.on("/list", |seen| Answer::ok(seen.target.clone()));
    let yaml = "rules:\n  - { match: GET /list, ttl: 1h, key: { query: [page] } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let odd = larder.get("/list?category=x").await;
    let plain = larder.get("/list").await;
    assert_eq!((plain.text(), plain.reason().as_str()), ("/list", "hit"));
    assert_eq!(odd.text(), "/list", "a fill carries only what is keyed");
    larder.get("/list?category=x&page=2&evil=%26page%3D9").await;
    assert_eq!(larder.get("/list?page=2").await.text(), "/list?page=2");
    assert_eq!(origin.count("/list"), 2);
}

#[tokio::test]
async fn forwarded_fields_never_change_what_others_get() {
    for (name, value) in [
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "proto=http;host=evil.test"),
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |seen| match seen.field(name) {
            Some(evil) => Answer::status(301).field("Location", &format!("https://{evil}/")),
            None => Answer::ok("plain"),
        });
        let larder = TestLarder::start(HOUR, &origin).await;
        assert_eq!(
            larder.get_with("/x", &[(name, value)]).await.status,
            301,
            "{name}"
        );
        for expected in ["uri-miss", "hit"] {
            let plain = larder.get("/x").await;
            assert_eq!(
                (plain.status, plain.text(), plain.reason().as_str()),
                (200, "plain", expected),
                "{name}"
            );
        }
        let again = larder.get_with("/x", &[(name, value)]).await;
        assert_eq!(
            (again.status, again.reason().as_str()),
            (301, "hit"),
            "{name}: its own copy"
        );
    }
}

#[tokio::test]
async fn another_host_is_another_resource() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(seen.field("host").unwrap_or_default().to_owned())
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    for expected in ["uri-miss", "hit"] {
        for host in ["a.test", "b.test"] {
            let answer = larder.get_with("/x", &[("Host", host)]).await;
            assert_eq!((answer.reason().as_str(), answer.text()), (expected, host));
        }
    }
}

#[tokio::test]
async fn set_cookie_goes_only_where_the_rule_says() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        Answer::ok("x").field("Set-Cookie", &format!("sid={}", seen.before))
    });
    let yaml = "rules:
  - { match: GET /strip, ttl: 1h, set_cookie: strip }
  - { match: GET /share, ttl: 1h, set_cookie: share }
";
    let larder = TestLarder::start(yaml, &origin).await;
    assert_eq!(
        larder.get("/strip").await.field("set-cookie"),
        Some("sid=0"),
        "who caused the fetch gets it"
    );
    let stripped = larder.get("/strip").await;
    assert_eq!(
        (stripped.reason().as_str(), stripped.field("set-cookie")),
        ("hit", None)
    );
    larder.get("/share").await;
    assert_eq!(larder.get("/share").await.field("set-cookie"), Some("sid=0"));
}

#[tokio::test]
async fn a_follower_never_gets_the_leaders_cookie() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok("x").field("Set-Cookie", &format!("sid={}", seen.before))
    });
    let larder = TestLarder::start(
        "rules:\n  - { match: GET /x, ttl: 1h, set_cookie: strip }\n",
        &origin,
    )
    .await;
    let hold = origin.hold("/x");
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    let mut follower = larder.connect().await;
    follower.send_request("GET", "/x", &[], b"").await;
    larder.followers(1).await;
    hold.release();
    assert_eq!(leader.response().await.field("set-cookie"), Some("sid=0"));
    assert_eq!(follower.response().await.field("set-cookie"), None);
}
