//! What a purge's receipt says of the pods that share a Redis, and what figures say of both.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Response, TestLarder, TestOrigin, TestRedis};

/// Both pods get requests for the same authority: it is part of the key.
const HOST: (&str, &str) = ("Host", "shop");

fn rules(redis: &TestRedis) -> String {
    format!(
        "store:\n  redis: {{ url: '{}', namespace: shop, timeout: 500ms }}\n\
         rules:\n  - {{ match: 'GET /**', ttl: 1h }}\n",
        redis.url()
    )
}

async fn pod(redis: &TestRedis, origin: &TestOrigin) -> TestLarder {
    let larder = TestLarder::build(&rules(redis), origin).start().await;
    larder
        .until("the log to be followed", async |larder| {
            larder.metric("larder_log_joined", &[]).await == 1.0
                && larder.metric("larder_log_lag_seconds", &[]).await < 5.0
        })
        .await;
    larder
}

fn json(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_str(response.text()).expect("JSON")
}

async fn stats(larder: &TestLarder) -> Value {
    json(&larder.admin_get("/stats").await)
}

#[tokio::test]
async fn a_receipt_that_asks_names_the_pods_that_have_applied_the_purge() {
    let (redis, origin) = (TestRedis::start().await, TestOrigin::start().await);
    let (a, b) = (pod(&redis, &origin).await, pod(&redis, &origin).await);
    for round in 0..5 {
        let receipt = json(&a.purge(r#"{"all": true, "pods": true}"#).await);
        let pods = receipt["pods"].as_array().expect("pods");
        assert_eq!(pods.len(), 2, "{receipt}");
        assert!(
            pods.iter().all(|pod| pod["applied"] == true),
            "round {round}: {receipt}"
        );
        assert_eq!(receipt["logged"], true);
        assert!(receipt["note"].is_null() && receipt["position"]["id"].is_string());
    }
    let asked = [("operation", "receipt")];
    let before = a.metric("larder_redis_operations_total", &asked).await;
    assert!(before >= 5.0, "{before}");
    let receipt = json(&a.purge(r#"{"all": true}"#).await);
    assert!(
        receipt["pods"].is_null() && receipt["note"].is_null(),
        "{receipt}"
    );
    assert_eq!(a.metric("larder_redis_operations_total", &asked).await, before);
    assert!(b.stop().await);
}

#[tokio::test]
async fn a_pod_that_has_not_applied_it_within_a_second_is_named() {
    let (redis, origin) = (TestRedis::start().await, TestOrigin::start().await);
    let a = pod(&redis, &origin).await;
    let nonce = stats(&a).await["log"]["position"]["nonce"]
        .as_str()
        .unwrap()
        .to_owned();
    let announce = async |pod: &str, until: &str| {
        let state = format!("1-0 {until} {nonce}");
        redis.done(&["HSET", "larder:{shop}:pods", pod, &state]).await;
    };
    announce("a-dead-one", "9999999999999").await;
    announce("one-long-gone", "1000").await;
    let purging = a.purge(r#"{"all": true, "pods": true}"#);
    let receipt = tokio::time::timeout(Duration::from_secs(5), purging).await;
    let receipt = json(&receipt.expect("a receipt that does not wait for ever"));
    let pods = receipt["pods"].as_array().expect("pods");
    assert_eq!(pods.len(), 2, "{receipt}");
    assert_eq!(pods[0]["pod"], "a-dead-one");
    assert_eq!(
        [&pods[0]["applied"], &pods[1]["applied"]],
        [&Value::Bool(false), &Value::Bool(true)]
    );
}

#[tokio::test]
async fn a_purge_that_the_log_does_not_have_says_so_and_binds_the_others_later() {
    let (redis, origin) = (TestRedis::start().await, TestOrigin::start().await);
    let (a, b) = (pod(&redis, &origin).await, pod(&redis, &origin).await);
    b.get_with("/x", &[HOST]).await;
    redis.done(&["ACL", "SETUSER", "default", "-xadd"]).await;
    let receipt = json(&a.purge(r#"{"all": true, "pods": true}"#).await);
    assert_eq!(receipt["logged"], false, "{receipt}");
    assert!(
        receipt["position"].is_null() && receipt["pods"].is_null(),
        "{receipt}"
    );
    let note = receipt["note"].as_str().expect("a note");
    assert!(
        note.contains("the shared log does not have it yet") && !note.contains("  "),
        "{note}"
    );
    assert_eq!(a.metric("larder_log_queued_events", &[]).await, 1.0);
    assert_eq!(a.metric("larder_log_unlogged_total", &[]).await, 1.0);
    redis.done(&["ACL", "SETUSER", "default", "+xadd"]).await;
    b.until("the purge to arrive", async |b| {
        b.get_with("/x", &[HOST]).await.reason() == "invalidated"
    })
    .await;
    assert_eq!(a.metric("larder_log_queued_events", &[]).await, 0.0);
}

#[tokio::test]
async fn without_redis_there_are_no_pods_to_ask() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin).await;
    let receipt = json(&larder.purge(r#"{"all": true, "pods": true}"#).await);
    assert_eq!(receipt["logged"], true);
    assert!(receipt["pods"].is_null(), "{receipt}");
    assert!(
        receipt["note"]
            .as_str()
            .unwrap()
            .contains("`store.redis` is not set")
    );
    assert!(stats(&larder).await.get("redis").is_none());
}

#[tokio::test]
async fn the_figures_of_the_shared_tier_add_up() {
    let (redis, origin) = (TestRedis::start().await, TestOrigin::start().await);
    let (a, b) = (pod(&redis, &origin).await, pod(&redis, &origin).await);
    let paths = ["/1", "/2", "/3"];
    let (lookups, writes) = ("larder_store_lookups_total", "larder_store_writes_total");
    for path in paths {
        a.get_with(path, &[HOST]).await;
    }
    a.until("the entries to be written", async |a| {
        a.metric(writes, &[("result", "written")]).await == 3.0
    })
    .await;
    assert_eq!(a.metric("larder_store_writing_bytes", &[]).await, 0.0);
    for path in paths.into_iter().chain(["/4"]) {
        b.get_with(path, &[HOST]).await;
        assert_eq!(b.get_with(path, &[HOST]).await.reason(), "hit", "{path}");
    }
    // What memory answers asks nothing of the tier.
    assert_eq!(a.metric(lookups, &[]).await, 3.0);
    assert_eq!(a.metric(lookups, &[("result", "miss")]).await, 3.0);
    assert_eq!(b.metric(lookups, &[]).await, 4.0);
    assert_eq!(b.metric(lookups, &[("result", "hit")]).await, 3.0);
    assert_eq!(b.metric(lookups, &[("result", "miss")]).await, 1.0);
    assert_eq!(origin.total(), 4, "forwards are what neither tier had");

    // An entry that is not ours, and a purge that the tier's entries do not survive.
    b.purge(r#"{"all": true}"#).await;
    a.until("the purge to arrive", async |a| {
        stats(a).await["log"]["events"] == 1
    })
    .await;
    a.get_with("/2", &[HOST]).await;
    assert_eq!(a.metric(lookups, &[("result", "invalidated")]).await, 1.0);
    let Value::Object(shown) = stats(&b).await["redis"]["lookups"].clone() else {
        panic!("no lookups");
    };
    let sum: u64 = shown.values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 4);
    let log = &stats(&b).await["log"];
    assert_eq!(
        (&log["joined"], &log["flushes"]["start"]),
        (&Value::Bool(true), &Value::from(1))
    );
    let id = log["position"]["id"].as_str().unwrap().to_owned();
    let seconds = b.metric("larder_log_position_seconds", &[]).await;
    let ms: f64 = id.split('-').next().unwrap().parse().unwrap();
    assert!((seconds * 1000.0 - ms).abs() < 1.0, "{seconds} {id}");
}

#[tokio::test]
async fn readiness_does_not_depend_on_redis() {
    let (redis, origin) = (TestRedis::start().await, TestOrigin::start().await);
    redis.kill();
    let larder = TestLarder::build(&rules(&redis), &origin).start().await;
    assert_eq!(
        larder.admin_get("/readyz").await.status,
        200,
        "without it from the start"
    );
    assert_eq!(larder.get("/x").await.status, 200);
    assert_eq!(larder.metric("larder_log_joined", &[]).await, 0.0);
    redis.restart().await;
    larder
        .until("the log to be followed", async |larder| {
            larder.metric("larder_log_joined", &[]).await == 1.0
        })
        .await;
    redis.stop();
    assert_eq!(larder.admin_get("/readyz").await.status, 200, "while it hangs");
    redis.kill();
    larder
        .until("the session to end", async |larder| {
            larder.metric("larder_log_joined", &[]).await == 0.0
        })
        .await;
    assert_eq!(larder.admin_get("/readyz").await.status, 200, "once it is gone");
}
