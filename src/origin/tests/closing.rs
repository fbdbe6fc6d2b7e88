//! An origin that closes resting connections whenever it likes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;

use super::support::*;
use crate::origin::RequestBody;
use crate::tasks::Tasks;

const POSTS: usize = 10_000;
const WORKERS: usize = 4;

/// A small generator, so that a printed seed tells the whole run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Rests for up to 20 ms after each answer, then closes unless a request has come.
async fn impatient(mut peer: Peer, mut dice: Dice) {
    if peer.request().await.is_none() {
        return;
    }
    loop {
        peer.send(OK).await;
        let rest = Duration::from_micros(dice.below(20_000));
        match tokio::time::timeout(rest, peer.request()).await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout, reason = "a failed run can be repeated by its seed")]
async fn ten_thousand_posts_to_an_origin_that_closes_at_random_fail_never_and_double_never() {
    let seed = getrandom::u64().unwrap() | 1;
    println!("seed {seed}");
    let origin = TestOrigin::start(move |number, peer| {
        impatient(peer, Dice(seed.wrapping_mul(2 * number as u64 + 3) | 1))
    })
    .await;
    let client = origin.client();
    let failed = Arc::new(Mutex::new(Vec::new()));
    let (next, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = Tasks::new();
    for worker in 0..WORKERS {
        let (client, failed) = (client.clone(), Arc::clone(&failed));
        let (next, ended) = (Arc::clone(&next), Arc::clone(&ended));
        let mut dice = Dice(seed.wrapping_add(worker as u64) | 1);
        tasks.detach(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= POSTS {
                    break;
                }
                let body = RequestBody::Bytes(Bytes::from(number.to_string()));
                // Reads in between leave connections behind that tempt the next write.
                let read = (dice.below(4) == 0).then(get);
                for outgoing in [Some(request(Method::POST, body)), read].into_iter().flatten() {
                    match client.forward(outgoing).await {
                        Ok(response) => assert_eq!(text(response).await, "ok"),
                        Err(error) => failed.lock().push(format!("{number}: {error:?}")),
                    }
                }
                if dice.below(50) == 0 {
                    tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
                }
            }
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    while ended.load(Ordering::Relaxed) < WORKERS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{:?}", client.stats());
    assert_eq!(failed.lock().as_slice(), &[] as &[String], "seed {seed}");
    let mut times = HashMap::new();
    let seen = origin.seen.lock();
    for (body, _) in seen
        .bodies
        .iter()
        .zip(&seen.heads)
        .filter(|(_, head)| head.starts_with("post"))
    {
        *times.entry(body.clone()).or_insert(0_usize) += 1;
    }
    assert_eq!(times.len(), POSTS, "seed {seed}");
    assert!(times.values().all(|count| *count == 1), "seed {seed}");
}
