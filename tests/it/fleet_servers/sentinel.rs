//! A fail-over under load.

use std::time::{Duration, Instant};

use super::load::Load;
use super::{Fleet, joined, paths, version};
use crate::support::{TestSentinel, within};

/// Entries that nobody touches during the fail-over.
const QUIET: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fail_over_under_load_fails_no_request_and_caches_validate() {
    let watched = TestSentinel::start(&[]).await;
    let fleet = Fleet::start(&watched.url(), "").await;
    let quiet = paths("/items/quiet-", QUIET);
    fleet.fill(fleet.a(), &quiet).await;
    let replica = &watched.servers()[1];
    within("the replica to have the entries", async {
        while replica.keys().await.len() < QUIET {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let before = fleet.a().log().position.nonce;

    let load = Load::start(&fleet, 40);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let killed = Instant::now();
    watched.fail_over().await;
    println!("promoted {:?} after the kill", killed.elapsed());
    joined(fleet.a()).await;
    joined(fleet.b()).await;
    println!("joined {:?} after the kill", killed.elapsed());
    fleet.converged().await;
    println!("converged {:?} after the kill", killed.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let done = load.end().await;
    assert!(
        done.reads > 200 && done.writes > 20 && done.logged > 10,
        "{done:?}"
    );

    assert_ne!(fleet.a().log().position.nonce, before);
    for (number, path) in quiet.iter().enumerate() {
        // The one has it in memory, the other finds it in Redis.
        let pod = &fleet.pods[number % 2];
        assert_eq!(fleet.shop.asked(path), (1, 0));
        assert_eq!(version(&pod.get(path).await, path), 0);
        assert_eq!(fleet.shop.asked(path), (1, 1), "{path} is validated once");
        assert!(pod.get(path).await.cache_status().hit);
        assert_eq!(fleet.shop.asked(path), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: fail-overs one after another"]
async fn soak_fail_overs_one_after_another() {
    let watched = TestSentinel::start(&[]).await;
    let fleet = Fleet::start(&watched.url(), "").await;
    for round in 0..6 {
        let load = Load::start(&fleet, 40);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let killed = Instant::now();
        watched.fail_over().await;
        println!("{round}: promoted {:?} after the kill", killed.elapsed());
        fleet.converged().await;
        println!("{round}: converged {:?} after the kill", killed.elapsed());
        watched.mend().await;
        let done = load.end().await;
        assert!(done.logged > 10, "{done:?}");
    }
}
