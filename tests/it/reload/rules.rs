//! Other rules for what is stored, for requests under way, and for what is counted.

use std::time::Duration;

use crate::support::{Answer, Seen, TestLarder, TestOrigin, within};

fn whoami(seen: &Seen) -> Answer {
    Answer::ok(seen.field("x-session").unwrap_or("nobody").to_owned())
}

#[tokio::test]
async fn a_request_ends_under_the_rules_that_it_began_with() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { name: old, match: GET /x, ttl: 1h }\n", &origin).await;
    let held = origin.hold("/x");
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    let renamed = "cache_status: false\nrules:
  - { name: before, match: GET /before, ttl: 1h }
  - { name: new, match: GET /x, ttl: 1h }
";
    larder.replace_config(renamed, &origin);
    held.release();
    let answer = client.response().await.complete();
    assert_eq!((answer.status, answer.reason().as_str()), (200, "uri-miss"));
    let counted = async |rule: &str, outcome: &str| {
        let labels = [("rule", rule), ("outcome", outcome)];
        larder.metric("larder_requests_total", &labels).await
    };
    assert_eq!(counted("old", "miss").await, 1.0, "where it began");
    let hit = larder.get("/x").await;
    assert_eq!(hit.field("cache-status"), None, "the setting of now");
    assert_eq!(
        origin.count("/x"),
        1,
        "what the old rule stored, the new one would have"
    );
    assert_eq!(
        (counted("new", "hit").await, counted("before", "hit").await),
        (1.0, 0.0)
    );
}

/// What the rules of now make of a write counts too, where it began under others.
#[tokio::test]
async fn a_write_that_a_reload_overtakes_drops_what_the_new_rules_name() {
    let origin = TestOrigin::start().await;
    origin.on("/list", |seen| Answer::ok(seen.before.to_string()));
    origin.on("POST /items", |_| Answer::ok("made"));
    let list = "rules:\n  - { name: list, match: GET /list, ttl: 1h }\n";
    let larder = TestLarder::start(list, &origin).await;
    let held = origin.hold("/items");
    let mut writer = larder.connect().await;
    writer.send_request("POST", "/items", &[], b"one").await;
    origin.seen("/items", 1).await;
    let written = format!("{list}  - {{ match: POST /items, invalidate: [list] }}\n");
    larder.replace_config(&written, &origin);
    let before = larder.get("/list").await.text().to_owned();
    assert_eq!(larder.get("/list").await.text(), before, "it is stored meanwhile");
    held.release();
    assert_eq!(writer.response().await.complete().status, 200);
    assert_ne!(larder.get("/list").await.text(), before);
}

#[tokio::test]
async fn counts_follow_names_and_never_go_back() {
    let origin = TestOrigin::start().await;
    let rule = |name: &str| format!("  - {{ name: {name}, match: GET /{name}, ttl: 1h }}\n");
    let rules = |names: &[&str]| {
        let rules: String = names.iter().map(|name| rule(name)).collect();
        format!("rules:\n{rules}  - {{ name: last, match: GET /last, ttl: 1h }}\n")
    };
    let larder = TestLarder::start(&rules(&["a", "b"]), &origin).await;
    let requests = async |rule: &str| larder.metric("larder_requests_total", &[("rule", rule)]).await;
    for path in ["/a", "/b", "/b"] {
        larder.get(path).await;
    }
    assert_eq!((requests("a").await, requests("b").await), (1.0, 2.0));
    for names in [&["new", "b", "a"][..], &["b"], &["c", "a", "b"]] {
        larder.replace_config(&rules(names), &origin);
        let before = (requests("a").await, requests("b").await);
        larder.get("/b").await;
        assert_eq!(
            (requests("a").await, requests("b").await),
            (before.0, before.1 + 1.0)
        );
    }
    larder.get("/a").await;
    assert_eq!((requests("a").await, requests("b").await), (2.0, 5.0));
    let stats = larder.admin_get("/stats").await;
    let stats: serde_json::Value = serde_json::from_str(stats.text()).unwrap();
    let counted = stats["rules"].as_array().unwrap();
    let of = |name: &str| counted.iter().find(|rule| rule["rule"] == name).unwrap()["requests"].as_u64();
    assert_eq!((of("a"), of("b")), (Some(2), Some(5)));
}

#[tokio::test]
async fn a_field_that_becomes_a_credential_takes_back_what_was_stored_without_asking() {
    let origin = TestOrigin::start().await;
    origin.on("/*", whoami);
    let rules = "rules:
  - { match: GET /me, ttl: 1h }
  - { match: GET /all, ttl: 1h, share: public }
";
    let larder = TestLarder::start(rules, &origin).await;
    let ann = [("X-Session", "ann")];
    for path in ["/me", "/all"] {
        assert_eq!(larder.get_with(path, &ann).await.text(), "ann");
        assert_eq!(larder.get(path).await.text(), "ann", "nobody knew better");
    }
    larder.replace_config(&format!("credentials: [X-Session]\n{rules}"), &origin);
    let anyone = larder.get("/me").await;
    assert_eq!(
        (anyone.text(), anyone.reason().as_str()),
        ("nobody", "rule-changed"),
        "it may have been a user's"
    );
    assert_eq!(
        larder.get_with("/me", &[("X-Session", "ben")]).await.text(),
        "ben"
    );
    assert_eq!(larder.get("/me").await.reason(), "hit");
    let shared = larder.get_with("/all", &[("X-Session", "ben")]).await;
    assert_eq!(
        (shared.text(), shared.reason().as_str()),
        ("ann", "hit"),
        "everybody's by its rule"
    );
    // Written in another order, the fields are the same.
    larder.replace_config(&format!("credentials: [X-Other, X-Session]\n{rules}"), &origin);
    larder.get("/me").await;
    larder.replace_config(&format!("credentials: [X-Session, X-Other]\n{rules}"), &origin);
    assert_eq!(larder.get("/me").await.reason(), "hit");
}

#[tokio::test]
async fn an_answer_that_varies_by_what_is_now_rewritten_is_not_reused() {
    let origin = TestOrigin::start().await;
    origin.on("/by", |seen| {
        Answer::ok(seen.field("x-forwarded-for").unwrap_or("none").to_owned())
            .field("Vary", "X-Forwarded-For")
    });
    let rules = "rules:\n  - { match: 'GET /**', ttl: 1h }\n";
    let larder = TestLarder::start(&format!("forwarded: pass\n{rules}"), &origin).await;
    let from = [("X-Forwarded-For", "192.0.2.1")];
    for reason in ["uri-miss", "hit"] {
        let answer = larder.get_with("/by", &from).await;
        assert_eq!((answer.text(), answer.reason().as_str()), ("192.0.2.1", reason));
    }
    larder.get("/other").await;
    larder.replace_config(rules, &origin);
    let answer = larder.get_with("/by", &from).await;
    assert_eq!(
        answer.text(),
        "192.0.2.1, 127.0.0.1",
        "what the origin is told now"
    );
    assert_eq!(
        larder.get("/other").await.reason(),
        "hit",
        "others are what they were"
    );
}

#[tokio::test]
async fn a_fill_under_way_goes_on_and_what_it_brings_is_judged_by_the_rules_of_now() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let user = seen.field("cookie").unwrap_or("nobody").to_owned();
        Answer::ok(user)
    });
    let rule = |share: &str| format!("rules:\n  - {{ name: x, match: GET /x, ttl: 1h{share} }}\n");
    let larder = TestLarder::start(&rule(", share: public"), &origin).await;
    let held = origin.hold("/x");
    let mut client = larder.connect().await;
    client
        .send_request("GET", "/x", &[("Cookie", "sid=a")], b"")
        .await;
    origin.seen("/x", 1).await;
    larder.replace_config(&rule(""), &origin);
    // It does not follow the fill of the old rules.
    let mut stranger = larder.connect().await;
    stranger.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 2).await;
    held.release();
    assert_eq!(client.response().await.complete().text(), "sid=a");
    assert_eq!(stranger.response().await.complete().text(), "nobody");
    within("the stranger's answer to be stored", async {
        while larder.get("/x").await.reason() != "hit" {}
    })
    .await;
    assert_eq!(larder.get("/x").await.text(), "nobody");
}

#[tokio::test]
async fn what_was_written_while_nothing_was_cached_counts_when_it_is_again() {
    let origin = TestOrigin::start().await;
    let rules = "rules:
  - { name: list, match: GET /list, ttl: 1h }
  - { match: POST /list, invalidate: [list] }
";
    let larder = TestLarder::start(rules, &origin).await;
    larder.get("/list").await;
    larder.replace_config(&format!("enabled: false\n{rules}"), &origin);
    assert_eq!(larder.get("/list").await.reason(), "disabled");
    larder.request("POST", "/list", &[], b"x").await;
    larder.replace_config(rules, &origin);
    assert_eq!(larder.get("/list").await.reason(), "invalidated");
    assert_eq!(larder.get("/list").await.reason(), "hit");
}

#[tokio::test]
async fn more_variants_are_kept_from_the_next_on() {
    let origin = TestOrigin::start().await;
    origin.on("/v", |_| Answer::ok("v").field("Vary", "X-V"));
    let with = |variants: usize| {
        format!("limits: {{ variants: {variants} }}\nrules:\n  - {{ match: GET /v, ttl: 1h }}\n")
    };
    let larder = TestLarder::start(&with(1), &origin).await;
    let ask = async |v: &str| larder.get_with("/v", &[("X-V", v)]).await.reason();
    ask("a").await;
    ask("b").await;
    assert_ne!(ask("a").await, "hit", "one is kept");
    larder.replace_config(&with(2), &origin);
    assert_ne!(ask("b").await, "hit");
    assert_eq!((ask("a").await.as_str(), ask("b").await.as_str()), ("hit", "hit"));
    larder.advance(Duration::from_secs(1));
    larder.replace_config(&with(1), &origin);
    assert_eq!(
        (ask("a").await.as_str(), ask("b").await.as_str()),
        ("hit", "hit"),
        "until the next"
    );
    ask("c").await;
    assert_ne!(ask("a").await, "hit");
}
