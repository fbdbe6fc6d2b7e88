//! No request gets what belongs to another: neither when callers leave in the middle, nor when
//! somebody moves values about in Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder::store::frame::Corrupt;

use super::{Fleet, ITEMS, entries_of};
use crate::support::{Answer, Client, End, Reply, Rng};

/// Every item's content says whose it is, and differs in length from its neighbours'.
fn script(fleet: &Fleet) {
    fleet.origin.on("/items/*", |seen| {
        let item: usize = seen.path()["/items/".len()..].parse().unwrap();
        Answer::ok(content_of(item))
    });
}

fn content_of(item: usize) -> String {
    format!("{item} ").repeat(1 + item * 37 % 400)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_answers_another_request_although_a_third_of_the_callers_leave() {
    leave(3_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: minutes"]
async fn soak_no_reply_answers_another_request_although_a_third_of_the_callers_leave() {
    leave(200_000).await;
}

/// Items that one pod has fetched are asked for at the other, by callers of whom 30 % leave.
async fn leave(items: usize) {
    const WORKERS: usize = 48;
    let fleet = Arc::new(Fleet::start("connections: 2", ITEMS).await);
    script(&fleet);
    let mut rng = Rng::from_env("replies");
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            tokio::spawn(worker(
                fleet.clone(),
                next.clone(),
                items,
                Rng::seeded(rng.next()),
            ))
        })
        .collect();
    let (mut whole, mut left, mut wrong) = (0, 0, Vec::new());
    for worker in workers {
        let (answers, leavers, others) = worker.await.unwrap();
        whole += answers;
        left += leavers;
        wrong.extend(others);
    }
    let tier = fleet.b().tier();
    println!(
        "{whole} answers, {left} callers left, {} wrong; {} hits in Redis",
        wrong.len(),
        tier.hits
    );
    assert!(wrong.is_empty(), "{:?}", &wrong[..wrong.len().min(3)]);
    assert!(whole > items / 2 && left > items / 5 && tier.hits > items as u64 / 10);
    assert_eq!(tier.corrupt.iter().sum::<u64>(), 0);
}

async fn worker(
    fleet: Arc<Fleet>,
    next: Arc<AtomicUsize>,
    items: usize,
    mut rng: Rng,
) -> (usize, usize, Vec<String>) {
    /// How many items later the other pod is asked.
    const LATER: usize = 100;
    let (mut a, mut b) = (fleet.a().connect().await, fleet.b().connect().await);
    let (mut whole, mut left, mut wrong) = (0, 0, Vec::new());
    loop {
        let item = next.fetch_add(1, Ordering::Relaxed);
        if item >= items {
            return (whole, left, wrong);
        }
        let answer = a.get(&format!("/items/{item}")).await;
        check(&answer, item, &mut wrong);
        let item = item.saturating_sub(LATER);
        let path = format!("/items/{item}");
        if rng.below(10) < 3 {
            b.send_request("GET", &path, &[], b"").await;
            tokio::time::sleep(rng.rest(Duration::from_micros(1_500))).await;
            b = Client::connect(fleet.b().address()).await;
            left += 1;
        } else {
            let answer = b.get(&path).await;
            check(&answer, item, &mut wrong);
            whole += 1;
        }
    }
}

fn check(answer: &crate::support::Response, item: usize, wrong: &mut Vec<String>) {
    let right = answer.status == 200 && answer.end == End::Complete;
    if !right || answer.content != content_of(item).as_bytes() {
        wrong.push(format!("item {item}: {answer:?}"));
    }
}

/// Entries of Redis by their keys.
async fn values(fleet: &Fleet) -> Vec<(String, Vec<u8>)> {
    let mut values = Vec::new();
    for key in entries_of(&fleet.redis.keys().await) {
        let Reply::Bulk(value) = fleet.redis.done(&["GET", key]).await else {
            panic!("no entry under {key}");
        };
        values.push((key.clone(), value));
    }
    values
}

async fn set(fleet: &Fleet, key: &str, value: &[u8]) {
    let words: [&[u8]; 5] = [b"SET", key.as_bytes(), value, b"PX", b"600000"];
    fleet.redis.done(&words).await;
}

#[tokio::test]
async fn a_value_that_stands_under_the_key_of_another_is_never_served_and_counted() {
    const NUMBER: usize = 40;
    let fleet = Fleet::start("", ITEMS).await;
    script(&fleet);
    for item in 0..NUMBER {
        fleet.a().get(&format!("/items/{item}")).await;
    }
    fleet.entries(NUMBER).await;
    fleet.written().await;
    let values = values(&fleet).await;
    for (number, (key, _)) in values.iter().enumerate() {
        let (_, other) = &values[(number + 1) % NUMBER];
        set(&fleet, key, other).await;
    }
    for item in 0..NUMBER {
        let answer = fleet.b().get(&format!("/items/{item}")).await;
        assert_eq!(answer.content, content_of(item).as_bytes());
        assert!(!answer.cache_status().hit);
    }
    let place = Corrupt::ALL
        .iter()
        .position(|kind| *kind == Corrupt::OtherKey)
        .unwrap();
    assert_eq!(fleet.b().tier().corrupt[place], NUMBER as u64);
    assert_eq!(fleet.origin.total(), 2 * NUMBER);
    // What was fetched anew stands in the place of what was wrong.
    fleet.written().await;
    let origin = fleet.origin.total();
    let mut third = fleet;
    let pod = third.add("", ITEMS).await;
    for item in 0..NUMBER {
        let answer = pod.get(&format!("/items/{item}")).await;
        assert_eq!(answer.content, content_of(item).as_bytes());
    }
    let again = third.origin.total() - origin;
    println!("{again} of {NUMBER} had to be fetched once more");
}

#[tokio::test]
async fn chunks_that_stand_under_the_keys_of_others_are_never_served() {
    let fleet = Fleet::start("", ITEMS).await;
    fleet.origin.on("/items/*", |seen| {
        let item = seen.path().len() as u8 + seen.path().as_bytes()[seen.path().len() - 1];
        Answer::ok(vec![item; 2 << 20])
    });
    for item in 0..2 {
        fleet.a().get(&format!("/items/{item}")).await;
    }
    fleet.entries(2).await;
    fleet.written().await;
    let keys = fleet.redis.keys().await;
    let chunks: Vec<_> = keys.iter().filter(|key| key.contains("}:c:")).collect();
    let mut values = Vec::new();
    for key in &chunks {
        let Reply::Bulk(value) = fleet.redis.done(&["GET", key]).await else {
            panic!("{key}")
        };
        values.push(value);
    }
    for (number, key) in chunks.iter().enumerate() {
        set(&fleet, key, &values[(number + 1) % values.len()]).await;
    }
    for item in 0..2_u8 {
        let answer = fleet.b().get(&format!("/items/{item}")).await;
        let byte = "/items/0".len() as u8 + b'0' + item;
        assert!(answer.content.len() == 2 << 20 && answer.content.iter().all(|one| *one == byte));
        assert!(!answer.cache_status().hit);
    }
    assert_eq!(fleet.b().tier().corrupt.iter().sum::<u64>(), 2);
}
