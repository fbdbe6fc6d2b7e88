//! A Redis that is wrong from the start: Larder is up before anything is known of it, every request
//! succeeds, and log and metric name what is wrong, the log once a minute.

use std::path::Path;
use std::time::Duration;

use super::{ITEMS, yaml};
use crate::support::{FaultProxy, LarderProcess, TestOrigin, TestRedis, within};

/// Asks for some items, until trouble of this kind is named, and counts how often that is.
async fn names(what: &str, (kind, said_so): (&str, &str), url: &str, redis: &str) {
    let origin = TestOrigin::start().await;
    let text = yaml(url, redis, ITEMS);
    // It says that it is up, which the support waits for, whatever Redis does.
    let mut larder = LarderProcess::start(&text, &origin.url()).await;
    let word = format!("\"kind\":\"{kind}\"");
    let first = async {
        let mut item = 0;
        loop {
            // Half are written to, for what only appends show.
            let method = if item % 2 == 0 { "GET" } else { "PUT" };
            let mut client = larder.connect().await;
            let answer = client.request(method, &format!("/items/{item}"), &[], b"").await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            item += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if item == 60 {
                return;
            }
        }
    };
    within(what, first).await;
    let operations = larder.admin_get("/metrics").await;
    let counted: Vec<_> = operations
        .text()
        .lines()
        .filter(|line| line.starts_with("larder_redis") && !line.ends_with(" 0"))
        .map(str::to_owned)
        .collect();
    assert!(
        larder.get("/items/0").await.cache_status().hit,
        "{what}: memory works"
    );
    larder.signal("TERM");
    let (code, said) = larder.ended().await;
    assert_eq!(code, Some(0), "{what}: {said:#?}");
    let named: Vec<_> = said.iter().filter(|line| line.contains(&word)).collect();
    assert_eq!(named.len(), 1, "{what}: {said:#?}");
    let counter = format!("larder_redis_failures_total{{kind=\"{kind}\"}}");
    let is_counted = counted.iter().any(|line| line.starts_with(&counter));
    assert!(is_counted, "{what}: {counted:#?}");
    println!("{what}: {}", named[0].trim());
    assert!(named[0].contains(said_so), "{what}: {}", named[0]);
}

fn file(directory: &Path, name: &str, content: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_named_and_no_request_fails() {
    let redis = TestRedis::start().await;
    redis.kill();
    names(
        "nobody listens",
        ("refused", "Connection refused"),
        &redis.url(),
        "",
    )
    .await;
}

#[tokio::test]
async fn a_redis_that_says_nothing_is_named_and_no_request_fails() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 1);
    proxy.set(crate::support::Fault::Swallow);
    names("silence", ("timeout", ""), &proxy.url(), "").await;
}

#[tokio::test]
async fn a_host_without_an_address_is_named_and_no_request_fails() {
    names(
        "no such host",
        ("unknown-host", "redis.invalid"),
        "redis://redis.invalid:6379/0",
        "",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_named_and_no_request_fails() {
    let directory = tempfile::tempdir().unwrap();
    let redis = TestRedis::build().password("right").start().await;
    let wrong = file(directory.path(), "wrong", "wrong");
    names("no password", ("wrong-password", ""), &redis.url(), "").await;
    let setting = format!("password_file: \"{wrong}\"");
    names("another password", ("wrong-password", ""), &redis.url(), &setting).await;
    let open = TestRedis::start().await;
    names(
        "a password too many",
        ("wrong-password", ""),
        &open.url(),
        &setting,
    )
    .await;
}

#[tokio::test]
async fn a_wrong_database_is_named_and_no_request_fails() {
    let redis = TestRedis::start().await;
    let url = redis.url().replace("/0", "/99");
    names("no such database", ("wrong-database", "DB index"), &url, "").await;
}

#[tokio::test]
async fn a_mismatch_of_tls_is_named_and_no_request_fails() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = file(directory.path(), "redis.crt", &made.cert.pem());
    let key = file(directory.path(), "redis.key", &made.signing_key.serialize_pem());
    let redis = TestRedis::build()
        .tls(Path::new(&certificate), Path::new(&key), None)
        .start()
        .await;
    let plain = format!("rediss://{}/0", redis.address());
    // Such a port waits for the end of a line: nothing tells it from one that hangs.
    names(
        "TLS to a port in clear",
        ("timeout", "does the port speak TLS?"),
        &plain,
        "",
    )
    .await;
    let secured = format!("rediss://{}/0", redis.tls_address());
    names(
        "a certificate of nobody's",
        ("tls", "certificate is not accepted"),
        &secured,
        "",
    )
    .await;
    let clear = format!("redis://{}/0", redis.tls_address());
    names(
        "in clear to a port with TLS",
        ("closed", "does the port want TLS"),
        &clear,
        "",
    )
    .await;
}

#[tokio::test]
async fn a_missing_permission_is_named_and_no_request_fails() {
    let directory = tempfile::tempdir().unwrap();
    let password = file(directory.path(), "password", "secret");
    for (what, rules) in [
        ("no command to append", "+@all -xadd ~*"),
        ("no command to ask who the master is", "+@all -info ~*"),
        ("none of the keys", "+@all ~other:*"),
        ("no script", "+@all -eval ~*"),
    ] {
        let redis = TestRedis::start().await;
        let line = format!("ACL SETUSER larder on >secret {rules}");
        redis.done(&line.split(' ').collect::<Vec<_>>()).await;
        let settings = format!("username: larder, password_file: \"{password}\"");
        names(
            what,
            ("no-permission", "docs/consistency.md"),
            &redis.url(),
            &settings,
        )
        .await;
    }
}
