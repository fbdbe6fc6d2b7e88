//! A log in which nothing happens.

use std::time::Duration;

use super::{Fleet, paths, version};
use crate::support::TestRedis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_which_nothing_happens_makes_no_pod_blind_by_the_least_max_blind() {
    let redis = TestRedis::start().await;
    let fleet = Fleet::start(&redis.url(), "").await;
    let items = paths("/items/idle-", 25);
    fleet.fill(fleet.a(), &items).await;
    let before = fleet.b().tier();
    for path in &items {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = fleet.b().get(path).await;
        assert_eq!(version(&answer, path), 0);
        assert!(answer.cache_status().hit, "{answer:?}");
    }
    let after = fleet.b().tier();
    assert_eq!(after.hits - before.hits, items.len() as u64);
    assert_eq!(after.refused, before.refused);
    // A write could have hit the first for longer than that.
    assert!(fleet.b().get(&items[0]).await.cache_status().hit);
    assert_eq!(fleet.shop.asked(&items[0]), (1, 0));
}
