//! The ACL of `docs/consistency.md`: it is what Larder sends, it is enough, and each part of it is
//! there for what the page says.

use std::sync::Arc;
use std::time::Duration;

use larder::redis::commands;

use crate::support::{Answer, Reply, TestLarder, TestOrigin, TestRedis};

const PAGE: &str = include_str!("../../docs/consistency.md");
const HOST: (&str, &str) = ("Host", "shop");

/// Of the older servers, those that do not know a command refuse a user that may use it.
const NOT_IN_THE_LINE: [&str; 2] = ["client|setinfo", "sentinel|get-master-addr-by-name"];

/// Without these, two pods of one server in database 0 still share answers, purges and receipts; the
/// page says for each what is lost.
const WORKS_WITHOUT: [&str; 10] = [
    "asking",
    "auth",
    "cluster|slots",
    "config|get",
    "del",
    "hdel",
    "pttl",
    "select",
    "unlink",
    "xtrim",
];

/// The words of the page's line, for a user and a namespace of a test's own.
fn line(user: &str) -> Vec<String> {
    let line = PAGE.lines().find(|line| line.starts_with("ACL SETUSER larder "));
    let line = line.expect("the line");
    line.split(' ')
        .map(|word| match word {
            "larder" => user.to_owned(),
            word => word.replace("shop/web", user).replace(">PASSWORD", ">secret"),
        })
        .collect()
}

fn permitted() -> Vec<String> {
    let commands = line("larder");
    let permitted = commands.iter().filter_map(|word| word.strip_prefix('+'));
    permitted.map(str::to_owned).collect()
}

#[test]
fn the_page_lists_exactly_the_commands_that_are_sent() {
    let rows: Vec<String> = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| command |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(command, _)| command.replace('\\', ""))
        .collect();
    assert_eq!(rows, commands::LIST);
    let mut line = permitted();
    line.extend(NOT_IN_THE_LINE.map(str::to_owned));
    line.sort_unstable();
    assert_eq!(line, commands::LIST);
    for other in NOT_IN_THE_LINE {
        assert!(PAGE.contains(&format!("`+{other}")), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_exactly_this_line_lets_two_pods_share_everything() {
    let (redis, origin) = (TestRedis::start().await, origin().await);
    redis.done(&line("whole")).await;
    assert_eq!(shares(&redis, &origin, "whole").await, Ok(()));
    let Reply::Bulk(stats) = redis.done(&["INFO", "commandstats"]).await else {
        panic!("no statistics");
    };
    let stats = String::from_utf8(stats).unwrap();
    let refused: Vec<_> = stats
        .lines()
        .filter(|line| line.contains("rejected_calls=") && !line.contains("rejected_calls=0"))
        // Of version 7.2.
        .filter(|line| !line.starts_with("cmdstat_client"))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_of_the_line_is_missed_or_the_page_says_that_it_is_not() {
    let (redis, origin) = (Arc::new(TestRedis::start().await), Arc::new(origin().await));
    let (local, mut tests) = (tokio::task::LocalSet::new(), tokio::task::JoinSet::new());
    for (number, command) in permitted().into_iter().enumerate() {
        let (redis, origin) = (redis.clone(), origin.clone());
        let test = async move {
            let user = format!("without-{number}");
            let mut words = line(&user);
            words.retain(|word| *word != format!("+{command}"));
            redis.done(&words).await;
            let shared = shares(&redis, &origin, &user).await;
            (command, shared)
        };
        tests.spawn_local_on(test, &local);
    }
    let mut wrong = local.run_until(tests.join_all()).await;
    wrong.retain(|(command, shared)| match shared {
        Ok(()) => !WORKS_WITHOUT.contains(&command.as_str()),
        Err((_, refusals)) => WORKS_WITHOUT.contains(&command.as_str()) || *refusals == 0.0,
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn origin() -> TestOrigin {
    let origin = TestOrigin::start().await;
    // In chunks.
    origin.on("GET /large", |_| Answer::ok(vec![b'x'; 600 * 1024]));
    origin
}

/// Whether two pods that log in as `user` share answers and purges; else what they do not, and how
/// often the metric says that a permission is missing.
async fn shares(redis: &TestRedis, origin: &TestOrigin, user: &str) -> Result<(), (&'static str, f64)> {
    let yaml = format!(
        "store:\n  redis: {{ url: 'redis://{user}:secret@{}/0', namespace: {user}, timeout: 1s }}\n\
         rules:\n  - {{ match: 'GET /**', ttl: 1h }}\n",
        redis.address()
    );
    let a = TestLarder::build(&yaml, origin).start().await;
    let b = TestLarder::build(&yaml, origin).start().await;
    let Err(what) = share(&a, &b).await else {
        return Ok(());
    };
    let refused = [("result", "no-permission")];
    let metric = "larder_redis_operations_total";
    let refusals = a.metric(metric, &refused).await + b.metric(metric, &refused).await;
    Err((what, refusals))
}

async fn share(a: &TestLarder, b: &TestLarder) -> Result<(), &'static str> {
    for pod in [a, b] {
        soon(async || {
            pod.metric("larder_log_joined", &[]).await == 1.0
                && pod.metric("larder_redis_connections", &[]).await > 0.0
        })
        .await
        .ok_or("the log is not followed")?;
    }
    for path in ["/small", "/large"] {
        a.get_with(path, &[HOST]).await;
    }
    let written = [("result", "written")];
    soon(async || a.metric("larder_store_writes_total", &written).await == 2.0)
        .await
        .ok_or("entries are not written")?;
    for path in ["/small", "/large"] {
        if b.get_with(path, &[HOST]).await.reason() != "hit" {
            return Err("entries are not found");
        }
    }
    let receipt = a.purge(r#"{"all": true, "pods": true}"#).await;
    let receipt: serde_json::Value = serde_json::from_str(receipt.text()).expect("a receipt");
    if receipt["logged"] != true {
        return Err("purges are not logged");
    }
    let pods = receipt["pods"].as_array().ok_or("pods are not named")?;
    if pods.len() != 2 || pods.iter().any(|pod| pod["applied"] != true) {
        return Err("pods do not apply");
    }
    (b.get_with("/small", &[HOST]).await.reason() == "invalidated")
        .then_some(())
        .ok_or("purges do not arrive")
}

/// Waits for a condition, though not for long.
async fn soon(condition: impl AsyncFn() -> bool) -> Option<()> {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), holds).await.ok()
}
