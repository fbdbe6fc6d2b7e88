//! Sentinels that cannot be reached, or are wrong.

use std::time::{Duration, Instant};

use super::{Fleet, Shop, joined, uses_redis, version, yaml};
use crate::support::{HeldPort, LarderProcess, TestSentinel};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_are_gone_or_hang_are_passed_over() {
    let watched = TestSentinel::start(&[]).await;
    let right = watched.sentinel().address();
    let (gone, hangs) = (HeldPort::new(), HeldPort::new());
    let _silent = hangs.listen();
    let began = Instant::now();
    let fleet = Fleet::start(
        &TestSentinel::url_of(&[gone.address(), hangs.address(), right]),
        "",
    )
    .await;
    println!("shared after {:?}", began.elapsed());
    let killed = Instant::now();
    watched.fail_over().await;
    println!("promoted {:?} after the kill", killed.elapsed());
    fleet.converged().await;
    println!("converged {:?} after the kill", killed.elapsed());
}

#[tokio::test]
async fn a_replica_that_a_sentinel_names_is_not_used_and_another_sentinel_is_asked() {
    let watched = TestSentinel::start(&[]).await;
    let mistaken = watched.mistaken().await;
    let shop = Shop::start().await;
    let yaml = yaml(&TestSentinel::url_of(&[mistaken.address()]), "");
    let mut pod = LarderProcess::start(&yaml, &shop.origin.url()).await;
    let line = pod.said(|line| line.contains("not-a-master")).await;
    assert!(
        line.contains(&watched.servers()[1].address().to_string()),
        "{line}"
    );
    for hit in [false, true] {
        let answer = pod.get("/items/1").await;
        version(&answer, "/items/1");
        assert_eq!(answer.cache_status().hit, hit, "memory works: {answer:?}");
    }
    let written = pod.connect().await.request("PUT", "/items/1", &[], b"new").await;
    assert_eq!(version(&written, "/items/1"), 1);
    assert_eq!(version(&pod.get("/items/1").await, "/items/1"), 1);
    assert!(watched.servers()[0].keys().await.is_empty());

    let sentinels = [mistaken.address(), watched.sentinel().address()];
    let began = Instant::now();
    let fleet = Fleet::start(&TestSentinel::url_of(&sentinels), "").await;
    println!("shared after {:?}", began.elapsed());
    drop(fleet);
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let watched = TestSentinel::start(&[]).await;
    let shop = Shop::start().await;
    let url = watched.url().replace("/larder/", "/nobody/");
    let mut pod = LarderProcess::start(&yaml(&url, ""), &shop.origin.url()).await;
    let line = pod.said(|line| line.contains("no master called nobody")).await;
    let sentinel = watched.sentinel().address().to_string();
    assert!(line.contains(&sentinel), "{line}");
    version(&pod.get("/items/1").await, "/items/1");
}

#[tokio::test]
async fn a_sentinel_that_comes_late_is_found() {
    let watched = TestSentinel::start(&[]).await;
    let shop = Shop::start().await;
    watched.sentinel().stop();
    let pod = shop.pod(&watched.url(), "").start().await;
    version(&pod.get("/items/1").await, "/items/1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!uses_redis(&pod));
    watched.sentinel().cont();
    joined(&pod).await;
}
