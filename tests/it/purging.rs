//! `larder purge` against a running Larder: what each way of asking drops, and what it leaves.

use crate::support::process::run;
use crate::support::{LarderProcess, TestOrigin};

const RULES: &str = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, tags: ['item:{id}'] }
  - { name: shop, match: 'GET /shops/**', ttl: 1h }
";

const PATHS: [&str; 5] = [
    "/items/1",
    "/items/2",
    "/shops/a",
    "/shops/a/list",
    "/shops/b/list",
];

#[tokio::test]
async fn each_way_to_purge_drops_what_it_names_and_nothing_else() {
    for (arguments, dropped) in [
        (&["--tag", "item:1"][..], &["/items/1"][..]),
        (&["--tag", "item:1", "--tag", "item:2"], &["/items/1", "/items/2"]),
        (
            &["--tag", "shop"],
            &["/shops/a", "/shops/a/list", "/shops/b/list"],
        ),
        (&["--path", "/shops/a"], &["/shops/a"]),
        (&["--path", "/shops/a/**"], &["/shops/a", "/shops/a/list"]),
        (
            &["--pattern", "/shops/*/list"],
            &["/shops/a/list", "/shops/b/list"],
        ),
        (&["--all"], &PATHS),
        (&["--all", "--dry-run"], &[]),
    ] {
        let origin = TestOrigin::start().await;
        let larder = LarderProcess::start(RULES, &origin.url()).await;
        for path in PATHS {
            larder.get(path).await;
        }
        let receipt = purge(&larder, &[arguments, &["--count"]].concat()).await;
        let dry = arguments.contains(&"--dry-run");
        let matched = if dry { PATHS.len() } else { dropped.len() };
        assert_eq!(receipt["matched"], matched, "{arguments:?}: {receipt}");
        assert_eq!(receipt["logged"], !dry, "{arguments:?}: {receipt}");
        for path in PATHS {
            let reason = if dropped.contains(&path) {
                "invalidated"
            } else {
                "hit"
            };
            assert_eq!(
                larder.get(path).await.reason(),
                reason,
                "{path} after {arguments:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_soft_purge_makes_stale_what_a_hard_one_drops() {
    let yaml = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h, stale_if_error: 1h }\n";
    for (soft, status) in [(true, 200), (false, 502)] {
        let origin = TestOrigin::start().await;
        let larder = LarderProcess::start(yaml, &origin.url()).await;
        larder.get("/x").await;
        let arguments = if soft {
            &["--all", "--soft"][..]
        } else {
            &["--all"]
        };
        purge(&larder, arguments).await;
        origin.down().await;
        let answer = larder.get("/x").await;
        assert_eq!(answer.status, status, "soft: {soft}");
        if soft {
            assert!(answer.cache_status().ttl.is_some_and(|ttl| ttl < 0), "{answer:?}");
        }
    }
}

async fn purge(larder: &LarderProcess, arguments: &[&str]) -> serde_json::Value {
    let admin = format!("http://{}", larder.admin);
    let purged = run(&[&["purge", "--admin", &admin], arguments].concat()).await;
    let receipt = String::from_utf8(purged.stdout).unwrap();
    assert_eq!(purged.status.code(), Some(0), "{arguments:?}: {receipt}");
    serde_json::from_str(&receipt).expect("the receipt is JSON")
}
